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
from development.bench.timing import INV, Figure, Times, in_turn, timed
from kubeup.core.errors import UsageError
from kubeup.core.report import Report
from kubeup.workflows.project import Project

EMPTY_TASKS = "from invoke import task\n\n\n@task\ndef nothing(c):\n    pass\n"


class Benchmark(NamedTuple):
    """How a figure is measured, the ratio that we aim at, and when it is without being named."""

    measure: Callable[[Project], Times]
    aim: float
    what: str
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
        row = table[name]
        figures.append(Figure(name, *row.measure(project), row.aim, row.what))
    return figures


def benchmarks(project: Project) -> dict[str, Benchmark]:
    """The figures that this kind of cluster has."""
    name = project.provider.name
    table = {"list": LIST}
    if project.provider.uses_kubeadm:
        table |= bare_machines(name)
    else:
        table |= providers_own(name)
    if own.has_status(project):
        what = f"a second `./inv up` against one `{name} status`"
        table["status"] = Benchmark(own.second_up, own.STATUS_AIMS[name], what, slow=False)
    return table | ON_DEMAND


def bare_machines(name: str) -> dict[str, Benchmark]:
    """On machines that come without Kubernetes."""
    return {
        "second-up": Benchmark(
            bare.second_up,
            1.5,
            "a second `./inv up` against `kubectl diff` of the same manifests",
            slow=False,
        ),
        "play": Benchmark(
            bare.play,
            0.4,
            f"`./inv cluster.{name}` with nothing to do against plain ansible-playbook of the same "
            "roles",
        ),
        "cluster": Benchmark(
            bare.cluster,
            0.7,
            f"`./inv cluster.{name}` from no machine against the same commands typed one after "
            "another",
        ),
        "warm-up": Benchmark(
            bare.warm_up,
            0.7,
            "`./inv up` from nothing, caches full, against its steps typed one after another",
        ),
        "first-up": Benchmark(
            bare.first_up,
            1.15,
            "the first `./inv up` against the bare `go build` of Kubernetes, both from empty "
            "caches",
        ),
        # nine tenths and a half of the throughput of what is typed by hand
        "backup": Benchmark(
            database.backup, 1.05, "a backup of 100 MB against `mysqldump | zstd` typed by hand"
        ),
        "restore": Benchmark(
            database.restored, 1.05, "restoring 100 MB against `zstd -d | mysql` typed by hand"
        ),
    }


def providers_own(name: str) -> dict[str, Benchmark]:
    """Against what a person types into the provider's own tool."""
    return {
        "cluster": Benchmark(
            own.cluster,
            1.05,
            f"`./inv cluster.{name}` from nothing against a bare `{name} start` of the same flags",
        ),
        "warm-up": Benchmark(
            own.warm_up,
            0.8,
            "`./inv up` from nothing, images built, against start, load, apply and wait typed one "
            "after another",
        ),
    }


def show(figures: list[Figure], out: Report) -> None:
    out.table(
        ("figure", "ours", "other", "ratio", "aim", "what"), [figure.row for figure in figures]
    )


def listing(project: Project) -> Times:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tasks.py").write_text(EMPTY_TASKS)
        return in_turn(
            lambda: timed(INV, "--list"),
            lambda: timed(sys.executable, "-m", "invoke", "--list", cwd=folder),
            9,
        )


LIST = Benchmark(
    listing, 1.1, "`./inv --list` against `inv --list` of an empty tasks.py", slow=False
)
ON_DEMAND = {
    "db-vm": Benchmark(
        database.on_machine,
        4,
        "a second `./inv db.vm` against one `ssh true`",
        on_demand=True,
    ),
    "move": Benchmark(
        database.moved,
        1,
        "the time without a write while `./inv db.move vm` moves 10,000 products, against 5 s",
        on_demand=True,
    ),
}
