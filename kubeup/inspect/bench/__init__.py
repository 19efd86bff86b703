"""What kubeup costs, each figure as a ratio of two times measured in one run, one after the
other, several times in turn.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from kubeup.core.errors import UsageError
from kubeup.core.report import Report
from kubeup.inspect.bench import bare, database, own
from kubeup.inspect.bench.timing import INV, Figure, in_turn, timed
from kubeup.workflows.project import Project

Table = dict[str, tuple[Callable[[Project], Figure], bool]]
# they change what the profile has
ON_DEMAND = {"db-vm": database.on_machine, "move": database.moved}


def measure(project: Project, out: Report, only: str, long: bool) -> list[Figure]:
    """Measure the figures named in `only` (commas between; '' for all), the slow ones only with
    `long`.
    """
    table = {
        "list": (listing, False),
        **_of_clusters(project),
        **{name: (figure, True) for name, figure in ON_DEMAND.items()},
    }
    names = [name for name in only.split(",") if name] or [
        name for name, (_, slow) in table.items() if not slow or (long and name not in ON_DEMAND)
    ]
    if unknown := [name for name in names if name not in table]:
        raise UsageError(
            f"there is no figure {', '.join(unknown)}",
            f"there are: {', '.join(table)}",
            "name some of them with commas between",
        )
    figures = []
    for name in names:
        print(f"measuring {name}", file=sys.stderr)
        figures.append(table[name][0](project))
    return figures


def _of_clusters(project: Project) -> Table:
    """The figures that this kind of cluster has, the slow ones marked."""
    if project.provider.uses_kubeadm:
        table: Table = {
            "second-up": (bare.second_up, False),
            "play": (bare.play, True),
            "cluster": (bare.cluster, True),
            "warm-up": (bare.warm_up, True),
            "first-up": (bare.first_up, True),
            "backup": (database.backup, True),
            "restore": (database.restored, True),
        }
    else:  # measured against what a person types into the provider's own tool
        table = {"cluster": (own.cluster, True), "warm-up": (own.warm_up, True)}
    return {**table, "status": (own.second_up, False)} if own.has_status(project) else table


def show(figures: list[Figure], out: Report) -> None:
    out.table(
        ("figure", "ours", "other", "ratio", "aim", "what"),
        [
            (
                one.name,
                f"{one.ours:.2f} s",
                f"{one.other:.2f} s",
                f"{one.ratio:.2f}",
                f"<= {one.aim}",
                one.of,
            )
            for one in figures
        ],
    )


def listing(project: Project) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tasks.py").write_text(
            "from invoke import task\n\n\n@task\ndef nothing(c):\n    pass\n"
        )
        ours, other = in_turn(
            lambda: timed(INV, "--list"),
            lambda: timed(sys.executable, "-m", "invoke", "--list", cwd=folder),
            9,
        )
    return Figure(
        "list", ours, other, 1.1, "`./inv --list` against `inv --list` of an empty tasks.py"
    )
