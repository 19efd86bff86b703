"""The cluster alone: machines and Kubernetes."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import carry_out, change_project, kubeup_task, open_project


@kubeup_task()
def local(c: Any, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False,  # noqa: B006
          commands: bool = False, json: bool = False, force: bool = False) -> None:
    """Bring up the cluster as containers of this machine (without the application).

    Example: inv cluster.local --yes
    """
    _bring_up("local", profile, set, yes=yes, dry=dry, commands=commands, json=json, force=force)


@kubeup_task()
def minikube(c: Any, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False,  # noqa: B006
             commands: bool = False, json: bool = False, force: bool = False) -> None:
    """Bring up the cluster with minikube (without the application), or take the one that is there as it is.

    Example: inv cluster.minikube --dry --commands
    """
    _bring_up("minikube", profile, set, yes=yes, dry=dry, commands=commands, json=json, force=force)


@kubeup_task()
def vagrant(c: Any, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False,  # noqa: B006
            commands: bool = False, json: bool = False, force: bool = False) -> None:
    """Bring up the cluster on virtual machines that Vagrant makes (without the application).

    Example: inv cluster.vagrant --dry --commands
    """
    _bring_up("vagrant", profile, set, yes=yes, dry=dry, commands=commands, json=json, force=force)


def _bring_up(provider: str, profile: str, set: list[str], **how: bool) -> None:
    """The cluster without the application, on that provider."""
    from kubeup.converge import bring_up

    with change_project("up", profile, [*set, f"provider={provider}"], how["dry"]) as (project, out):
        bring_up(project, out, application=False, **how)


@kubeup_task()
def up(c: Any, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False,  # noqa: B006
       commands: bool = False, force: bool = False) -> None:
    """Make and start the machines alone; `inv cluster.provision` makes Kubernetes of them.

    Example: inv cluster.up && inv cluster.ping && inv cluster.provision
    """
    from kubeup import up as whole

    with change_project("cluster.up", profile, set, dry) as (project, out):
        carry_out(project, lambda: whole.machines(project, force), out, "cluster.up", dry=dry, yes=yes, commands=commands)


@kubeup_task()
def ping(c: Any, profile: str = "", set: list[str] = [], limit: str = "") -> None:  # noqa: B006
    """Ask every node through Ansible whether it answers (`ansible -m ping all`).

    Example: inv cluster.ping --limit workers
    """
    from kubeup import cluster

    project, out = open_project(profile, set)
    out.say(cluster.ping(project, limit))


@kubeup_task()
def status(c: Any, profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """Show machines, nodes and pods as they are now (the same as `inv status`).

    Example: inv cluster.status
    """
    from kubeup import status as statuses

    project, out = open_project(profile, set)
    found = statuses.collect(project)
    out.data(found) if json else statuses.show(found, out)


@kubeup_task()
def dashboard(c: Any, profile: str = "", set: list[str] = [], url: bool = False) -> None:  # noqa: B006
    """Open Kubernetes' dashboard (minikube's; it stays open until Ctrl-C).

    Example: inv cluster.dashboard --url
    """
    from kubeup import shell

    project, _ = open_project(profile, set)
    own = project.provider.own("dashboard", *(["--url"] if url else []))
    shell.become(*own.argv, env=dict(own.env))


@kubeup_task(help={"enable": "an addon to switch on", "disable": "an addon to switch off"})
def addons(c: Any, enable: str = "", disable: str = "", profile: str = "", set: list[str] = [], dry: bool = False, json: bool = False) -> None:  # noqa: B006
    """List minikube's addons on this cluster, or switch one on or off.

    Example: inv cluster.addons --enable dashboard
    """
    from kubeup import ids, shell
    from kubeup.plan import Step, plan_of

    wanted = [(verb, name) for verb, name in (("enable", enable), ("disable", disable)) if name]
    with change_project("cluster.addons", profile, set, dry=dry or not wanted) as (project, out):
        if not wanted:
            own = project.provider.own("addons", "list", *(["-o", "json"] if json else []))
            out.say(shell.read(*own.argv, env=dict(own.env)).stdout.rstrip())
            return
        steps = [Step(ids.addon(name), f"{verb} {name}", "asked for", project.provider.own("addons", verb, name), seconds=10)
                 for verb, name in wanted]
        carry_out(project, lambda: plan_of(steps), out, "cluster.addons", dry=dry, yes=True)


@kubeup_task(positional=["name"], help={"name": "a node's name, as `inv status` shows it"})
def ssh(c: Any, name: str, root: bool = False, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Open a shell on a node by its name.

    Example: inv cluster.ssh dev-worker-1
    """
    from kubeup import shell
    from kubeup.errors import UsageError

    project, _ = open_project(profile, set)
    nodes = {reach.name: reach for reach in (*project.provider.nodes(), *project.provider.beside())}
    if name not in nodes:
        raise UsageError(f"there is no node {name}", f"there are: {', '.join(nodes) or 'none'}", "name one of them")
    shell.become(*nodes[name].argv(user="root" if root else ""))


@kubeup_task()
def start(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Start the cluster's machines and wait until Kubernetes is back.

    Example: inv cluster.start
    """
    from kubeup import cluster
    from kubeup.plan import plan_of

    with change_project("cluster.start", profile, set, dry) as (project, out):
        carry_out(project, lambda: plan_of(cluster.start(project)), out, "cluster.start", dry=dry, yes=True, commands=commands)


@kubeup_task()
def stop(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Stop the cluster's machines; everything on them stays.

    Example: inv cluster.stop
    """
    from kubeup.plan import plan_of

    with change_project("cluster.stop", profile, set, dry) as (project, out):
        carry_out(project, lambda: plan_of(project.provider.stop()), out, "cluster.stop", dry=dry, yes=True, commands=commands)


@kubeup_task()
def halt(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Stop the cluster's machines, by Vagrant's word for it (the same as `inv cluster.stop`).

    Example: inv cluster.halt
    """
    from kubeup.plan import plan_of

    with change_project("cluster.halt", profile, set, dry) as (project, out):
        carry_out(project, lambda: plan_of(project.provider.stop()), out, "cluster.halt", dry=dry, yes=True, commands=commands)


@kubeup_task()
def reload(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Stop the cluster's machines, start them again and wait until Kubernetes is back.

    Example: inv cluster.reload
    """
    from kubeup import cluster
    from kubeup.errors import after_changes
    from kubeup.plan import plan_of

    with change_project("cluster.reload", profile, set, dry) as (project, out):
        stopped = carry_out(project, lambda: plan_of(project.provider.stop()), out, "cluster.reload", dry=dry, yes=True, commands=commands)
        if dry:
            return
        with after_changes(bool(stopped)):
            carry_out(project, lambda: plan_of(cluster.start(project)), out, "cluster.reload", yes=True, commands=commands)


@kubeup_task(help={"save": "keep all machines as they are now, under this name", "restore": "bring all machines back to that moment",
                   "delete": "forget the snapshot of this name"})
def snapshot(c: Any, save: str = "", restore: str = "", delete: str = "", profile: str = "", set: list[str] = [],  # noqa: B006
             yes: bool = False, dry: bool = False, commands: bool = False) -> None:
    """Save, restore or delete a snapshot of all machines, or list what there is (Vagrant with VirtualBox or libvirt).

    Example: inv cluster.snapshot --save before-upgrade
    """
    from kubeup import cluster, shell
    from kubeup.plan import plan_of

    with change_project("cluster.snapshot", profile, set, dry=dry or not (save or restore or delete)) as (project, out):
        if not cluster.snapshots(project, save, restore, delete):
            own = project.provider.own("snapshot", "list")
            out.say(shell.read(*own.argv, env=dict(own.env)).stdout.rstrip())
            return
        carry_out(project, lambda: plan_of(cluster.snapshots(project, save, restore, delete)), out, "cluster.snapshot",
                  dry=dry, yes=yes, commands=commands)


@kubeup_task(help={"data": "also delete the volumes with data, by name, after asking"})
def destroy(c: Any, profile: str = "", set: list[str] = [], data: bool = False, yes: bool = False, dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Remove the cluster's machines; the database's data stays unless --data is given.

    Example: inv cluster.destroy --yes
    """
    from kubeup import up

    with change_project("cluster.destroy", profile, set, dry) as (project, out):
        carry_out(project, lambda: up.down(project, data), out, "cluster.destroy", dry=dry, yes=yes, commands=commands)


@kubeup_task(positional=["name"], help={"name": "the node's name, as `inv status` shows it"})
def remove(c: Any, name: str, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Take one worker out of the cluster and remove its machine; its data volume stays.

    Example: inv cluster.remove dev-worker-2 --set nodes.workers.count=1
    """
    from kubeup import cluster
    from kubeup.plan import plan_of

    with change_project("cluster.remove", profile, set, dry) as (project, out):
        carry_out(project, lambda: plan_of(cluster.remove(project, name)), out, "cluster.remove", dry=dry, yes=yes, commands=commands)


@kubeup_task(incrementable=["verbose"],
             help={"check": "let Ansible tell what it would change", "limit": "only these nodes",
                   "tags": "only these roles", "verbose": "as Ansible's: -v to -vvvv"})
def provision(c: Any, profile: str = "", set: list[str] = [], check: bool = False, limit: str = "", tags: str = "",  # noqa: B006
              verbose: int = 0, dry: bool = False) -> None:
    """Run the Ansible play on the nodes again, also where nothing seems to be missing.

    Example: inv cluster.provision --limit dev-worker-1 -vv
    """
    from kubeup import cluster
    from kubeup.plan import plan_of

    with change_project("cluster.provision", profile, set, dry) as (project, out):
        carry_out(project, lambda: plan_of(cluster.provision(project, check, limit, tags, verbose)), out, "cluster.provision",
                  dry=dry, yes=True, whole=check or verbose > 0)


@kubeup_task(help={"merge": "add it to ~/.kube/config under a context of its own (a backup is made)"})
def kubeconfig(c: Any, profile: str = "", set: list[str] = [], merge: bool = False) -> None:  # noqa: B006
    """Print the path of the profile's kubeconfig, or merge it into your own.

    Example: export KUBECONFIG=$(inv cluster.kubeconfig)
    """
    from kubeup import kubeconfig as files

    with change_project("cluster.kubeconfig", profile, set, dry=not merge) as (project, out):
        out.say(files.merge(project.kubectl, project.state) if merge else str(files.existing(project.kubectl)))
