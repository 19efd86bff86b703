"""The developers' tasks, beside the main ones of the product."""

from __future__ import annotations

from pathlib import Path

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


@kubeup_task(help={"to": "the folder of the files"})
def bom(given: Options, to: str = "dist/bom") -> None:
    """Write bills of material (CycloneDX) of the tool, the images and Kubernetes.

    Example: inv bom --to /tmp/bom
    """
    from development import bom as bills

    project, out = open_project(given)
    for name, components in bills.contents(project).items():
        out.say(f"{bills.write(Path(to), name, components)}: {len(components)} components")


@kubeup_task("json")
def audit(given: Options) -> None:
    """Ask OSV.dev what is known against the packages of the tool, the images and Kubernetes.

    Example: inv audit
    """
    from development import audit as audits
    from development import bom as bills

    project, out = open_project(given)
    findings = audits.audit(bills.contents(project))
    out.data(findings) if given.json else audits.show(findings, out)
    audits.judge(findings)


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
