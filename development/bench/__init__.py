"""What kubeup costs, each figure as a ratio of two times.

Both are measured in one run, one after the other, several times in turn.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from development.bench import bare, database, own
from development.bench.timing import INV, Figure, in_turn, timed
from kubeup.core.errors import UsageError
from kubeup.core.report import Report
from kubeup.workflows.project import Project

EMPTY_TASKS = "from invoke import task\n\n\n@task\ndef nothing(c):\n    pass\n"


class Benchmark(NamedTuple):
    """How a figure is measured, and when it is without being named."""

    measure: Callable[[Project], Figure]
    slow: bool = True  # with --long alone
    on_demand: bool = False  # never: it changes what the profile has

    def default(self, long: bool) -> bool:
        return not self.on_demand and (long or not self.slow)


def measure(project: Project, only: str, long: bool) -> list[Figure]:
    """Measure the figures named in `only` (commas between; '' for all), the slow ones with `long`.

    Raises UsageError for a name that is not there.
    """
    table = benchmarks(project)
    names = [name for name in only.split(",") if name]
    if unknown := [name for name in names if name not in table]:
        raise UsageError(
            f"there is no figure {', '.join(unknown)}",
            f"there are: {', '.join(table)}",
            "name some of them with commas between",
        )
    figures = []
    for name in names or [name for name, row in table.items() if row.default(long)]:
        print(f"measuring {name}", file=sys.stderr)
        figures.append(table[name].measure(project))
    return figures


def benchmarks(project: Project) -> dict[str, Benchmark]:
    """The figures that this kind of cluster has."""
    table = {"list": Benchmark(listing, slow=False)}
    if project.provider.uses_kubeadm:
        table |= {
            "second-up": Benchmark(bare.second_up, slow=False),
            "play": Benchmark(bare.play),
            "cluster": Benchmark(bare.cluster),
            "warm-up": Benchmark(bare.warm_up),
            "first-up": Benchmark(bare.first_up),
            "backup": Benchmark(database.backup),
            "restore": Benchmark(database.restored),
        }
    else:  # measured against what a person types into the provider's own tool
        table |= {"cluster": Benchmark(own.cluster), "warm-up": Benchmark(own.warm_up)}
    if own.has_status(project):
        table["status"] = Benchmark(own.second_up, slow=False)
    table["db-vm"] = Benchmark(database.on_machine, on_demand=True)
    table["move"] = Benchmark(database.moved, on_demand=True)
    return table


def show(figures: list[Figure], out: Report) -> None:
    out.table(("figure", "ours", "other", "ratio", "aim", "what"), [one.row for one in figures])


def listing(project: Project) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tasks.py").write_text(EMPTY_TASKS)
        ours, other = in_turn(
            lambda: timed(INV, "--list"),
            lambda: timed(sys.executable, "-m", "invoke", "--list", cwd=folder),
            9,
        )
    what = "`./inv --list` against `inv --list` of an empty tasks.py"
    return Figure("list", ours, other, 1.1, what)
