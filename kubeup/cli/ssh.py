"""The nodes by SSH."""

from __future__ import annotations

from kubeup.cli.base import after_dashes, carry_out, change_project, kubeup_task, open_project
from kubeup.core.options import Options


@kubeup_task("dry", "commands")
def keys(given: Options) -> None:
    """Make the project's SSH key (RSA 4096, no passphrase); an existing key is kept.

    Example: inv ssh.keys
    """
    from kubeup.core.plan import plan_of, todo
    from kubeup.system import keys as ssh_keys
    from kubeup.system import packages

    with change_project(given) as (project, out):
        wanted = ssh_keys.plan(project.state.private_key, project.state.public_key)
        missing = packages.missing(ssh_keys.PACKAGES) if todo(wanted) else ()
        plan = plan_of(packages.plan(missing, project.host), wanted)
        carry_out(project, lambda: plan, out, given)
        out.say(str(project.state.private_key))


@kubeup_task(help={"root": "as root", "command": "a command to run there instead of a shell"})
def control(given: Options, command: str = "", root: bool = False) -> None:
    """Open a shell on the control plane, or run one command there.

    Example: inv ssh.control    or    inv ssh.control --root -- crontab -l
    """
    _enter(given, "control", 0, root, command)


@kubeup_task(
    positional=["number"],
    help={
        "number": "which worker, from 1",
        "root": "as root",
        "command": "a command to run there instead of a shell",
    },
)
def worker(given: Options, number: str, command: str = "", root: bool = False) -> None:
    """Open a shell on a worker, or run one command there.

    Example: inv ssh.worker 2
    """
    if not number.isdecimal():
        from kubeup.core.errors import UsageError

        raise UsageError(
            f"{number} is not a worker's number",
            "workers are counted from 1",
            "for example: inv ssh.worker 2",
        )
    _enter(given, "worker", int(number) - 1, root, command)


@kubeup_task(
    "json",
    positional=["command"],
    help={
        "command": "what to run",
        "role": "of this role alone: control, worker or db",
        "root": "with sudo",
    },
)
def run(given: Options, command: str, role: str = "", root: bool = False) -> None:
    """Run a command on all nodes at once, with a result for each.

    Example: inv ssh.run 'uptime' --role worker
    """
    from kubeup.core.errors import KubeupError
    from kubeup.system import ssh

    project, out = open_project(given)
    ssh_targets = [
        reach
        for reach in (*project.provider.ssh_targets(), *project.provider.extra_machines())
        if role in ("", reach.role)
    ]
    results = ssh.run_all(ssh_targets, "sh", "-c", command, root=root)
    if given.json:
        out.data(results)
    for name, result in () if given.json else results.items():
        text = (result.stdout + result.stderr).rstrip()
        out.say(
            f"{name}: {'ok' if result.ok else f'status {result.code}'}"
            + (f"\n{text}" if text else "")
        )
    failed = [name for name, result in results.items() if not result.ok]
    if failed:
        raise KubeupError(
            f"the command failed on {', '.join(failed)}",
            f"{len(failed)} of {len(results)} nodes",
            "its output is above",
        )


@kubeup_task()
def config(given: Options) -> None:
    """Write an ssh_config for ssh, editors and Ansible, and print its path.

    Example: ssh -F $(inv ssh.config) dev-control
    """
    from kubeup.core.state import write_private
    from kubeup.system import ssh

    project, out = open_project(given)
    write_private(
        project.state.ssh_config,
        ssh.config_text((*project.provider.ssh_targets(), *project.provider.extra_machines())),
    )
    out.say(str(project.state.ssh_config))


def _enter(given: Options, role: str, index: int, root: bool, command: str) -> None:
    import shlex

    from kubeup.core import shell
    from kubeup.core.errors import UsageError

    try:
        words = shlex.split(command) or after_dashes()
    except ValueError as error:
        raise UsageError(
            "the command is not one line of a shell", str(error), "close its quotes"
        ) from None
    project, _ = open_project(given)
    nodes = [reach for reach in project.provider.ssh_targets() if reach.role == role]
    if not 0 <= index < len(nodes):
        raise UsageError(
            f"there is no {role} {index + 1}",
            f"the settings have {len(nodes)}",
            f"a number from 1 to {len(nodes)}",
        )
    shell.become(*nodes[index].argv(*words, user="root" if root else ""))
