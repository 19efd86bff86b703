"""The cluster alone: machines and Kubernetes."""

from __future__ import annotations

from typing import Any

from invoke import Collection

from kubeup.cli.base import carry_out, change, change_project, kubeup_task, open_project
from kubeup.cluster.providers.table import ROWS, Row
from kubeup.core.options import Options


@kubeup_task("yes", "dry", "commands", "force")
def up(given: Options) -> None:
    """Create and start the machines only; `inv cluster.provision` installs Kubernetes on them.

    Example: inv cluster.up && inv cluster.ping && inv cluster.provision
    """
    from kubeup.workflows import up as whole

    change(given, lambda project: whole.machines(project, given.force))


@kubeup_task()
def ping(given: Options, limit: str = "") -> None:
    """Ping every node through Ansible (`ansible -m ping all`).

    Example: inv cluster.ping --limit workers
    """
    from kubeup.workflows import playbook

    project, out = open_project(given)
    out.say(playbook.ping(project, limit))


@kubeup_task("json")
def status(given: Options) -> None:
    """Show machines, nodes and pods as they are now (the same as `inv status`).

    Example: inv cluster.status
    """
    from kubeup.inspect import status as statuses

    project, out = open_project(given)
    found = statuses.collect(project)
    out.data(found) if given.json else statuses.show(found, out)


@kubeup_task()
def dashboard(given: Options, url: bool = False) -> None:
    """Open Kubernetes' dashboard (minikube's; it stays open until Ctrl-C).

    Example: inv cluster.dashboard --url
    """
    from kubeup.core import shell

    project, _ = open_project(given)
    own = project.provider.tool_command("dashboard", *(["--url"] if url else []))
    shell.become(*own.argv, env=dict(own.env))


@kubeup_task(
    "dry", "json", help={"enable": "an addon to switch on", "disable": "an addon to switch off"}
)
def addons(given: Options, enable: str = "", disable: str = "") -> None:
    """List minikube's addons on this cluster, or switch one on or off.

    Example: inv cluster.addons --enable dashboard
    """
    from kubeup.cluster.providers.base import plain_name
    from kubeup.core import ids, shell
    from kubeup.core.plan import Step, plan_of

    wanted = [(verb, name) for verb, name in (("enable", enable), ("disable", disable)) if name]
    with change_project(given, changes=bool(wanted)) as (project, out):
        if not wanted:
            own = project.provider.tool_command(
                "addons", "list", *(["-o", "json"] if given.json else [])
            )
            out.say(shell.read(*own.argv, env=dict(own.env)).stdout.rstrip())
            return
        steps = [
            Step(
                ids.addon(name),
                f"{verb} {name}",
                "asked for",
                project.provider.tool_command("addons", verb, plain_name(name)),
                seconds=10,
            )
            for verb, name in wanted
        ]
        carry_out(project, lambda: plan_of(steps), out, given)


@kubeup_task(positional=["name"], help={"name": "a node's name, as `inv status` shows it"})
def ssh(given: Options, name: str, root: bool = False) -> None:
    """Open a shell on a node by its name.

    Example: inv cluster.ssh dev-worker-1
    """
    from kubeup.core import shell
    from kubeup.core.errors import UsageError

    project, _ = open_project(given)
    nodes = {
        reach.name: reach
        for reach in (*project.provider.ssh_targets(), *project.provider.extra_machines())
    }
    if name not in nodes:
        raise UsageError(
            f"there is no node {name}",
            f"there are: {', '.join(nodes) or 'none'}",
            "name one of them",
        )
    shell.become(*nodes[name].argv(user="root" if root else ""))


@kubeup_task("dry", "commands")
def start(given: Options) -> None:
    """Start the cluster's machines and wait until Kubernetes is back.

    Example: inv cluster.start
    """
    from kubeup.core.plan import plan_of
    from kubeup.workflows import cluster

    change(given, lambda project: plan_of(cluster.start(project)))


@kubeup_task("dry", "commands")
def stop(given: Options) -> None:
    """Stop the cluster's machines; everything on them stays.

    Example: inv cluster.stop
    """
    from kubeup.core.plan import plan_of

    change(given, lambda project: plan_of(project.provider.stop()))


@kubeup_task("dry", "commands")
def halt(given: Options) -> None:
    """Stop the cluster's machines, as `vagrant halt` does (the same as `inv cluster.stop`).

    Example: inv cluster.halt
    """
    from kubeup.core.plan import plan_of

    change(given, lambda project: plan_of(project.provider.stop()))


@kubeup_task("dry", "commands")
def reload(given: Options) -> None:
    """Stop the cluster's machines, start them again and wait until Kubernetes is back.

    Example: inv cluster.reload
    """
    from kubeup.core.errors import after_changes
    from kubeup.core.plan import plan_of
    from kubeup.workflows import cluster

    with change_project(given) as (project, out):
        stopped = carry_out(project, lambda: plan_of(project.provider.stop()), out, given)
        if given.dry:
            out.say("Then they are started again, as by `inv cluster.start`.")
            return
        with after_changes(bool(stopped)):
            carry_out(project, lambda: plan_of(cluster.start(project)), out, given)


@kubeup_task(
    "yes",
    "dry",
    "commands",
    help={
        "save": "keep all machines as they are now, under this name",
        "delete": "forget the snapshot of this name",
        "restore": "bring all machines back to that moment",
    },
)
def snapshot(given: Options, save: str = "", restore: str = "", delete: str = "") -> None:
    """List, save, restore or delete snapshots of all machines (VirtualBox, libvirt).

    Example: inv cluster.snapshot --save before-upgrade
    """
    from kubeup.core import shell
    from kubeup.core.plan import plan_of
    from kubeup.workflows import snapshots

    with change_project(given, changes=bool(save or restore or delete)) as (project, out):
        if not snapshots.snapshots(project, save, restore, delete):
            own = project.provider.tool_command("snapshot", "list")
            out.say(shell.read(*own.argv, env=dict(own.env)).stdout.rstrip())
            return
        carry_out(
            project,
            lambda: plan_of(snapshots.snapshots(project, save, restore, delete)),
            out,
            given,
        )


@kubeup_task(
    "yes",
    "dry",
    "commands",
    help={"data": "also delete the volumes with data, by name, after asking"},
)
def destroy(given: Options, data: bool = False) -> None:
    """Remove the cluster's machines; the database's data stays unless --data is given.

    Example: inv cluster.destroy --yes
    """
    from kubeup.workflows.down import take_down

    with change_project(given) as (project, out):
        take_down(project, out, given, data)


@kubeup_task(
    "yes",
    "dry",
    "commands",
    positional=["name"],
    help={"name": "the node's name, as `inv status` shows it"},
)
def remove(given: Options, name: str) -> None:
    """Drain and remove one worker and its machine; its data volume is kept.

    Example: inv cluster.remove dev-worker-2 --set nodes.workers.count=1
    """
    from kubeup.core.plan import plan_of
    from kubeup.workflows import removal

    change(given, lambda project: plan_of(removal.remove(project, name)))


@kubeup_task(
    "dry",
    incrementable=["verbose"],
    help={
        "check": "let Ansible tell what it would change",
        "limit": "only these nodes",
        "tags": "only these roles",
        "verbose": "as Ansible's: -v to -vvvv",
    },
)
def provision(
    given: Options, check: bool = False, limit: str = "", tags: str = "", verbose: int = 0
) -> None:
    """Run the Ansible play on the nodes again, also where nothing seems to be missing.

    Example: inv cluster.provision --limit dev-worker-1 -vv
    """
    from kubeup.core.plan import plan_of
    from kubeup.workflows import playbook

    with change_project(given) as (project, out):
        carry_out(
            project,
            lambda: plan_of(playbook.provision(project, check, limit, tags, verbose)),
            out,
            given,
            whole=check or verbose > 0,
        )


@kubeup_task(
    help={"merge": "add it to ~/.kube/config under a context of its own (a backup is made)"}
)
def kubeconfig(given: Options, merge: bool = False) -> None:
    """Print the path of the profile's kubeconfig, or merge it into your own.

    Example: export KUBECONFIG=$(inv cluster.kubeconfig)
    """
    from kubeup.system import kubeconfig as files

    with change_project(given, changes=merge) as (project, out):
        out.say(
            files.merge(project.kubectl, project.state)
            if merge
            else str(files.existing(project.kubectl))
        )


def _task_of(row: Row) -> Any:
    """The task that brings a provider's cluster up."""

    def body(given: Options) -> None:
        from kubeup.workflows.converge import bring_up

        with change_project(given.also(f"provider={row.name}")) as (project, out):
            bring_up(project, out, given)

    example = f"Example: inv cluster.{row.name} --dry --commands"
    body.__doc__ = f"Bring up {row.cluster} (without the application).\n\n{example}"
    return kubeup_task("yes", "dry", "commands", "json", "force", name=row.name)(body)


namespace = Collection(
    *map(_task_of, ROWS),
    up,
    ping,
    status,
    dashboard,
    addons,
    ssh,
    start,
    stop,
    halt,
    reload,
    snapshot,
    destroy,
    remove,
    provision,
    kubeconfig,
)
