"""The developers' tasks, beside the main ones of the product."""

from __future__ import annotations

from kubeup.cli.base import kubeup_task, open_project
from kubeup.core.options import Options


@kubeup_task(
    "json",
    help={
        "only": "names of figures, separated by commas",
        "long": "also the figures that take many minutes",
    },
)
def bench(given: Options, only: str = "", long: bool = False) -> None:
    """Measure what kubeup costs, each figure as a ratio within one run.

    Example: inv bench --only list,second-up
    """
    from development import bench as benches

    project, out = open_project(given)
    figures = benches.measure(project, only, long)
    out.data(figures) if given.json else benches.show(figures, out)


@kubeup_task(
    settings=False,
    help={
        "long": "also the tests that take many minutes",
        "only": "names of stages with commas between: unit, lint, api, ui, db, real, minikube, "
        "vagrant; with --long also database, machines",
    },
)
def test(given: Options, long: bool = False, only: str = "") -> None:
    """Run all the tests that this machine can, the real ones included.

    Example: inv test    or    inv test --only unit
    """
    from development.testing.run import run_tests

    run_tests(long, only)
