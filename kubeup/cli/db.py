"""The database: backups, restoring, its shell and its schema."""

from __future__ import annotations

from kubeup.cli.base import carry_out, change, change_project, kubeup_task, open_project
from kubeup.core.options import Options


@kubeup_task(
    "dry",
    "commands",
    help={"to": "the file to write (default: a new one in the profile's own folder)"},
)
def backup(given: Options, to: str = "") -> None:
    """Write a consistent backup of the database, with its checksum and row counts.

    Example: inv db.backup --to /mnt/usb/products.sql.zst
    """
    from kubeup.workflows import database

    with change_project(given) as (project, out):
        ran = carry_out(project, lambda: database.backup(project, to), out, given)
        if ran:
            out.say(str(ran.steps[-1].action.file))  # type: ignore[attr-defined]


@kubeup_task("json", name="list")
def list_(given: Options) -> None:
    """List this profile's backups: where, when, how large, whether one was ever restored.

    Example: inv db.list
    """
    from kubeup.workflows import database

    project, out = open_project(given)
    rows = database.listed(project)
    out.data(rows) if given.json else out.table(
        ("backup", "on", "made", "size", "restored", "server", "rows"),
        [database.row(one) for one in rows],
    )


@kubeup_task(
    "yes",
    "dry",
    "commands",
    positional=["backup"],
    help={"backup": "a file, or the name of one that `inv db.list` shows"},
)
def restore(given: Options, backup: str) -> None:
    """Replace the database's content with a backup, all or nothing, after asking.

    Example: inv db.restore dev-api-20260102T030405Z.sql.zst
    """
    from kubeup.workflows import database

    change(given, lambda project: database.restored(project, backup))


@kubeup_task(
    "yes",
    "dry",
    "commands",
    "json",
    help={
        "every": "how often: 15m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h, 1d or 7d (at first 1d)",
        "keep": "how many of those that were restored to test them are kept (at first 7)",
        "off": "no more; those that were made are kept",
    },
)
def schedule(given: Options, every: str = "", keep: int = 0, off: bool = False) -> None:
    """Back the database up by itself, where its data lie; each backup is restored to test it.

    Example: inv db.schedule --every 6h --keep 7    or    inv db.schedule --off
    """
    from kubeup.workflows import scheduled

    change(given, lambda project: scheduled.plan(project, every, keep, off))


@kubeup_task(help={"root": "as the database's root"})
def shell(given: Options, root: bool = False) -> None:
    """Open the database's own client, as the API's user; SQL on standard input is run instead.

    Example: inv db.shell    or    inv db.shell --root < changes.sql
    """
    from kubeup.workflows import database

    project, _ = open_project(given)
    database.enter(project, root)


@kubeup_task("dry", "commands")
def migrate(given: Options) -> None:
    """Migrate the tables to what the deployed API needs (it does so at each start).

    Example: inv db.migrate
    """
    from kubeup.workflows import database

    change(given, lambda project: database.migrated(project))


@kubeup_task("dry", "commands")
def rotate(given: Options) -> None:
    """Change the database's passwords everywhere, or nowhere where that fails on the way.

    Example: inv db.rotate
    """
    from kubeup.workflows import rotation

    with change_project(given) as (project, out):
        rotation.rotate(project, out, given)


@kubeup_task("yes", "dry", "commands", "json")
def vm(given: Options) -> None:
    """Run an empty database on a machine; `inv db.move vm` then moves the data there.

    Example: inv db.vm --set database.vm=worker-2
    """
    from kubeup.workflows import database

    change(given, lambda project: database.on_machine(project))


@kubeup_task(
    "yes",
    "dry",
    "commands",
    "json",
    positional=["to"],
    help={
        "to": "vm or cluster",
        "drop_old": "remove what the move to there has left behind, after asking",
    },
)
def move(given: Options, to: str, drop_old: bool = False) -> None:
    """Move the database and its data to a machine, or back; the old copy is kept.

    Example: inv db.move vm    then    inv db.move vm --drop-old
    """
    from kubeup.workflows import move as moving

    make = moving.dropping if drop_old else moving.plan
    change(given.also("database.on=auto"), lambda project: make(project, to))
