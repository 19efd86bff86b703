"""The nodes by SSH."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import after_dashes, carry_out, change_project, kubeup_task, open_project


@kubeup_task()
def keys(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Make the project's SSH key (RSA 4096, no passphrase); one that is there is never overwritten.

    Example: inv ssh.keys
    """
    from kubeup import keys as ssh_keys
    from kubeup import packages
    from kubeup.plan import plan_of, todo

    with change_project("ssh.keys", profile, set, dry) as (project, out):
        wanted = ssh_keys.plan(project.state.private_key, project.state.public_key)
        missing = packages.missing(ssh_keys.PACKAGES) if todo(wanted) else ()
        plan = plan_of(packages.plan(missing, project.host), wanted)
        carry_out(project, lambda: plan, out, "ssh.keys", dry=dry, yes=True, commands=commands)
        out.say(str(project.state.private_key))


@kubeup_task(help={"root": "as root", "command": "a command to run there instead of a shell"})
def control(c: Any, command: str = "", root: bool = False, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Open a shell on the control plane, or run one command there.

    Example: inv ssh.control    or    inv ssh.control --root -- crontab -l
    """
    _enter(profile, set, "control", 0, root, command)


@kubeup_task(positional=["number"], help={"number": "which worker, from 1", "root": "as root",
                                          "command": "a command to run there instead of a shell"})
def worker(c: Any, number: str, command: str = "", root: bool = False, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Open a shell on a worker, or run one command there.

    Example: inv ssh.worker 2
    """
    if not number.isdigit():
        from kubeup.errors import UsageError

        raise UsageError(f"{number} is not a worker's number", "workers are counted from 1", "for example: inv ssh.worker 2")
    _enter(profile, set, "worker", int(number) - 1, root, command)


@kubeup_task(positional=["command"], help={"command": "what to run", "role": "of this role alone: control, worker or db", "root": "with sudo"})
def run(c: Any, command: str, role: str = "", root: bool = False, profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """Run a command on all nodes side by side, with a result for each.

    Example: inv ssh.run 'uptime' --role worker
    """
    from kubeup import ssh
    from kubeup.errors import KubeupError

    project, out = open_project(profile, set)
    reaches = [reach for reach in (*project.provider.nodes(), *project.provider.beside()) if role in ("", reach.role)]
    results = ssh.run_all(reaches, "sh", "-c", command, root=root)
    if json:
        out.data(results)
    for name, result in () if json else results.items():
        text = (result.stdout + result.stderr).rstrip()
        out.say(f"{name}: {'ok' if result.ok else f'status {result.code}'}" + (f"\n{text}" if text else ""))
    failed = [name for name, result in results.items() if not result.ok]
    if failed:
        raise KubeupError(f"the command failed on {', '.join(failed)}", f"{len(failed)} of {len(results)} nodes", "its output is above")


@kubeup_task()
def config(c: Any, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Write an ssh_config that plain ssh, editors and Ansible can use, and print its path.

    Example: ssh -F $(inv ssh.config) dev-control
    """
    from kubeup import ssh
    from kubeup.state import write_private

    project, out = open_project(profile, set)
    write_private(project.state.ssh_config, ssh.config_text((*project.provider.nodes(), *project.provider.beside())))
    out.say(str(project.state.ssh_config))


def _enter(profile: str, set: list[str], role: str, index: int, root: bool, command: str) -> None:
    import shlex

    from kubeup import shell
    from kubeup.errors import UsageError

    words = shlex.split(command) or after_dashes()
    project, _ = open_project(profile, set)
    nodes = [reach for reach in project.provider.nodes() if reach.role == role]
    if not 0 <= index < len(nodes):
        raise UsageError(f"there is no {role} {index + 1}", f"the settings have {len(nodes)}", f"a number from 1 to {len(nodes)}")
    shell.become(*nodes[index].argv(*words, user="root" if root else ""))
