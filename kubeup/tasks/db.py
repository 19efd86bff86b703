"""The database: backups, restoring, its shell and its schema."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import carry_out, change_project, kubeup_task, open_project


@kubeup_task(help={"to": "the file to write (default: a new one in the profile's own folder)"})
def backup(c: Any, to: str = "", profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Write a consistent backup of the database, with its checksum, versions and row counts beside it.

    Example: inv db.backup --to /mnt/usb/products.sql.zst
    """
    from kubeup import database

    with change_project("db.backup", profile, set, dry) as (project, out):
        ran = carry_out(project, lambda: database.backup(project, to), out, "db.backup", dry=dry, yes=True, commands=commands)
        if ran:
            out.say(str(ran.steps[-1].action.file))  # type: ignore[attr-defined]


@kubeup_task(name="list")
def list_(c: Any, profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """List this profile's backups: when, how large, of which server, how many rows.

    Example: inv db.list
    """
    from kubeup import database

    project, out = open_project(profile, set)
    rows = database.listed(project)
    out.data(rows) if json else out.table(("backup", "made", "size", "server", "rows"), [database.row(one) for one in rows])


@kubeup_task(positional=["backup"], help={"backup": "a file, or the name of one that `inv db.list` shows"})
def restore(c: Any, backup: str, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Put a backup in place of what the database holds; asks first, and a failed one changes nothing.

    Example: inv db.restore dev-api-20260102T030405Z.sql.zst
    """
    from kubeup import database

    with change_project("db.restore", profile, set, dry) as (project, out):
        carry_out(project, lambda: database.restored(project, backup), out, "db.restore", dry=dry, yes=yes, commands=commands)


@kubeup_task(help={"root": "as the database's root"})
def shell(c: Any, root: bool = False, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Open the database's own client, as the API's user; SQL on standard input is run instead.

    Example: inv db.shell    or    inv db.shell --root < changes.sql
    """
    from kubeup import database

    project, _ = open_project(profile, set)
    database.enter(project, root)


@kubeup_task()
def migrate(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Bring the tables up to what the deployed API wants (it does so itself at each start).

    Example: inv db.migrate
    """
    from kubeup import database

    with change_project("db.migrate", profile, set, dry) as (project, out):
        carry_out(project, lambda: database.migrated(project), out, "db.migrate", dry=dry, yes=True, commands=commands)


@kubeup_task()
def rotate(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Give the database new passwords, and everybody who uses it; taken back where that fails on the way.

    Example: inv db.rotate
    """
    from kubeup import rotation

    with change_project("db.rotate", profile, set, dry) as (project, out):
        rotation.rotate(project, out, dry=dry, yes=True, commands=commands)


@kubeup_task()
def vm(c: Any, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False, commands: bool = False, json: bool = False) -> None:  # noqa: B006
    """Run the database on a machine, with docker compose; `inv db.move vm` then takes the data there.

    Example: inv db.vm --set database.vm=worker-2
    """
    from kubeup import database

    with change_project("db.vm", profile, set, dry) as (project, out):
        carry_out(project, lambda: database.on_machine(project), out, "db.vm", dry=dry, yes=yes, json=json, commands=commands)


@kubeup_task(positional=["to"], help={"to": "vm or cluster", "drop_old": "remove what the move to there has left behind, after asking"})
def move(c: Any, to: str, drop_old: bool = False, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False,  # noqa: B006
         commands: bool = False, json: bool = False) -> None:
    """Move the database with its data to a machine of its own, or back into the cluster; the side that is left is kept.

    Example: inv db.move vm    then    inv db.move vm --drop-old
    """
    from kubeup import moving

    make = moving.dropping if drop_old else moving.plan
    with change_project("db.move", profile, [*set, "database.on=auto"], dry) as (project, out):
        carry_out(project, lambda: make(project, to), out, "db.move", dry=dry, yes=yes, json=json, commands=commands)
