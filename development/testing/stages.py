"""The stages of `inv test`: what each runs, what it needs, and how long it takes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from development.testing import environments
from kubeup.core.errors import UsageError
from kubeup.core.plan import Log
from kubeup.core.state import PROJECT

Command = tuple[str, ...]
PYTEST = (sys.executable, "-m", "pytest", "-q")
# of the database image's tests those of a first start and a restart, who may come in, and a kill in
# the middle
QUICK_DB = (
    "own_schema or without_the_password or settings or as_little or init_files_once "
    "or (killed_while and mysql)"
)
# of the tests in tests/real those of the database, which take as long as all others
DATABASE = (
    "db_backup",
    "db_schedule",
    "db_guarded",
    "db_rotate",
    "db_move",
    "db_killed",
    "db_own",
    "data",
    "mariadb",
)
MARIADB = (("mysqld", "mariadb-server"), ("mysql", "mariadb-client"))  # programs, by package
PACKET_FILTERS = (("nft", "nftables"), ("iptables", "iptables"))
FAREWELL = "tests/real/test_real_farewell.py"  # the end of a cluster, in both of these stages
ROOT = "root"
SUDO = "root, or a user whose sudo asks for no password"


class Folder(NamedTuple):
    """A folder below tests/real, with the minutes of its quick tests (0: none) and of all."""

    name: str
    quick_minutes: float
    all_minutes: float


FOLDERS = (
    Folder("minikube", 12, 45),
    Folder("vagrant", 15, 60),
    Folder("machines", 0, 40),
    Folder("policies", 0, 60),
    Folder("faults", 0, 80),
    Folder("soak", 0, 75),
)


@dataclass(frozen=True)
class Stage:
    """Commands run one after another in `cwd`.

    `minutes` is what it took on a machine with 2 cores, other stages beside it. `packages` are
    the tools that it needs, with the Debian package of each; `setup` makes the rest.
    """

    name: str
    minutes: float
    commands: tuple[Command, ...]
    cwd: Path = PROJECT
    packages: tuple[tuple[str, str], ...] = ()
    setup: Callable[[Log], None] | None = None
    needs_release: bool = False  # the project's own kubectl
    first: bool = False  # before all others, with nothing slow beside it
    makes_clusters: bool = False  # mostly waits, so it runs beside those that compute
    needs_user: str = ""  # ROOT, SUDO, or '' where every user can run it


def stages(long: bool) -> tuple[Stage, ...]:
    """All stages, in order."""
    return tuple(_stages(long))


def _stages(long: bool) -> Iterator[Stage]:
    yield Stage(
        name="unit",
        minutes=1,
        commands=((*PYTEST, "tests/unit"),),
        packages=(*MARIADB, *PACKET_FILTERS, ("ruby", "ruby")),
        needs_release=True,
        first=True,
    )
    yield Stage("lint", 1, ((*PYTEST, "tests/lint"),), needs_release=True, first=True)
    yield _api()
    yield _ui()
    yield _db(long)
    if long:
        mutants = (sys.executable, "-m", "tests.mutants")
        yield Stage("mutants", 50, (mutants,), needs_release=True)
    yield from _real_stages(long)


def _api() -> Stage:
    python = environments.API_PYTHON
    return Stage(
        name="api",
        minutes=1,
        commands=(
            (python, "-m", "pytest", "-q"),
            (sys.executable, "-m", "mypy", "--python-executable", python),
        ),
        cwd=environments.API,
        packages=MARIADB,
        setup=environments.make_api_environment,
    )


def _ui() -> Stage:
    npm = ("npm", "--no-update-notifier")
    return Stage(
        name="ui",
        minutes=0.5,
        commands=(
            (*npm, "test"),
            (*npm, "run", "--silent", "lint"),
            (*npm, "run", "--silent", "types"),
        ),
        cwd=environments.UI,
        packages=(("node", "nodejs"), ("npm", "npm")),
        setup=environments.install_ui_packages,
    )


def _db(long: bool) -> Stage:
    selection = () if long else ("-k", QUICK_DB)
    return Stage(
        name="db",
        minutes=12 if long else 4,
        commands=((*PYTEST, "apps/db/tests", *selection),),
        packages=(("podman", "podman"), ("buildah", "buildah"), ("mmdebstrap", "mmdebstrap")),
        needs_user=ROOT,
    )


def _real_stages(long: bool) -> Iterator[Stage]:
    """Those with clusters. Where all tests run, the database's have a stage of their own."""
    pytest: Command = PYTEST if long else (*PYTEST, "-m", "not long")
    folders = [f"tests/real/{folder.name}" for folder in FOLDERS]
    database = [f"tests/real/test_real_{name}.py" for name in DATABASE] if long else []
    ignored = [f"--ignore={path}" for path in (*folders, *database)]
    yield _real("real", 60 if long else 20, SUDO, (*pytest, "tests/real", *ignored))
    if long:
        yield _real("database", 60, SUDO, (*pytest, *database, FAREWELL))
    for folder in FOLDERS:
        minutes = folder.all_minutes if long else folder.quick_minutes
        if minutes:
            yield _real(folder.name, minutes, ROOT, (*pytest, f"tests/real/{folder.name}"))


def _real(name: str, minutes: float, user: str, command: Command) -> Stage:
    return Stage(
        name,
        minutes,
        (command,),
        needs_release=True,
        makes_clusters=True,
        needs_user=user,
    )


def choose(long: bool, only: str) -> tuple[Stage, ...]:
    """The stages named in `only`, commas between; all where it is empty.

    Raises UsageError for a name that is not there.
    """
    table = stages(long)
    names = [stage.name for stage in table]
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := set(wanted) - set(names):
        in_long = {stage.name for stage in stages(long=True)}
        raise UsageError(
            f"there are no tests named {', '.join(sorted(unknown))}",
            f"there are: {', '.join(names)}",
            "run it with --long" if unknown <= in_long else "name some of them with commas between",
        )
    return tuple(stage for stage in table if not wanted or stage.name in wanted)
