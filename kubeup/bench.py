"""What kubeup costs, each figure as a ratio of two times measured in one run, one after the other, several times in turn."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubeup import ssh, state
from kubeup.errors import UsageError
from kubeup.images.load import REMOTE, LoadImage
from kubeup.project import Project
from kubeup.provision.play import environment
from kubeup.release.build import GoCompile, go_tool
from kubeup.release.components import KUBERNETES_BUILD
from kubeup.report import Report
from kubeup.shell import read, write

INV = str(state.PROJECT / "inv")
HOUR = 3600.0


@dataclass(frozen=True)
class Figure:
    """Ours against the other way, in seconds (medians), the ratio of them, and what we aim at."""

    name: str
    ours: float
    other: float
    aim: float
    of: str

    @property
    def ratio(self) -> float:
        return self.ours / self.other


def measure(project: Project, out: Report, only: str, long: bool) -> list[Figure]:
    """Measure the figures named in `only` (commas between; '' for all), the slow ones only with `long`."""
    table: dict[str, tuple[Callable[[Project], Figure], bool]] = {
        "list": (listing, False), "second-up": (second_up, False), "warm-up": (warm_up, True), "first-up": (first_up, True)}
    names = [name for name in only.split(",") if name] or [name for name, (_, slow) in table.items() if long or not slow]
    if unknown := [name for name in names if name not in table]:
        raise UsageError(f"there is no figure {', '.join(unknown)}", f"there are: {', '.join(table)}", "name some of them with commas between")
    figures = []
    for name in names:
        print(f"measuring {name}", file=sys.stderr)
        figures.append(table[name][0](project))
    return figures


def show(figures: list[Figure], out: Report) -> None:
    out.table(("figure", "ours", "other", "ratio", "aim", "what"), [
        (one.name, f"{one.ours:.2f} s", f"{one.other:.2f} s", f"{one.ratio:.2f}", f"<= {one.aim}", one.of) for one in figures])


def timed(*argv: str, env: dict[str, str] | None = None, cwd: str | None = None) -> float:
    began = time.monotonic()
    read(*argv, env=env, cwd=cwd, timeout=HOUR, ok=None)
    return time.monotonic() - began


def in_turn(ours: Callable[[], float], other: Callable[[], float], times: int) -> tuple[float, float]:
    """Medians of both, run in turn after one uncounted round."""
    ours(), other()
    pairs = [(ours(), other()) for _ in range(times)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def listing(project: Project) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tasks.py").write_text("from invoke import task\n\n\n@task\ndef nothing(c):\n    pass\n")
        ours, other = in_turn(lambda: timed(INV, "--list"), lambda: timed(sys.executable, "-m", "invoke", "--list", cwd=folder), 9)
    return Figure("list", ours, other, 1.1, "`./inv --list` against `inv --list` of an empty tasks.py")


def second_up(project: Project) -> Figure:
    project.deployment.overlay.write()
    diff = project.kubectl.argv("diff", "--server-side", "--force-conflicts", "--field-manager=kubeup", "-k", str(project.state.overlay))
    ours, other = in_turn(lambda: timed(INV, "up", "--yes", "--profile", project.settings.profile), lambda: timed(*diff), 5)
    return Figure("second-up", ours, other, 1.5, "a second `./inv up` against `kubectl diff` of the same manifests")


def warm_up(project: Project) -> Figure:
    """From no machine at all, caches full. Leaves the cluster of the last `up` behind; data volumes are kept as `down` keeps them."""
    profile = ("--profile", project.settings.profile)
    timed(INV, "down", "--yes", *profile)
    other = by_hand(project)
    timed(INV, "down", "--yes", *profile)
    ours = timed(INV, "up", "--yes", *profile)
    return Figure("warm-up", ours, other, 0.7, "`./inv up` from nothing, caches full, against its steps typed one after another")


def by_hand(project: Project) -> float:
    """The same job as a person would type it: each command when the one before has ended, no prepared disk, plain Ansible."""
    from kubeup import up

    began = time.monotonic()
    plan = up.plan(project).plan
    for step in plan:
        action = step.action
        if step.id == "local/disk" or step.id.startswith(("load/", "deploy/")):
            continue
        if step.id == "cluster/provision":
            _images_by_hand(project)
            inventory = action.inventory  # type: ignore[attr-defined]
            state.write_private(project.state.inventory, inventory)
            plain = {key: value for key, value in environment().items() if "STRATEGY" not in key}
            write("ansible-playbook", "-i", str(project.state.inventory), str(state.PROJECT / "ansible" / "site.yml"), env=plain)
            continue
        action.run(lambda line: None)
    project.deployment.overlay.write()
    project.kubectl.write("apply", "--server-side", "--force-conflicts", "--field-manager=kubeup", "-k", str(project.state.overlay))
    for workload in ("statefulset/mysql", "deployment/api", "deployment/ui"):
        project.kubectl.write("rollout", "status", workload)
    return time.monotonic() - began


def _images_by_hand(project: Project) -> None:
    for node in project.provider.nodes():
        ssh.put(node, project.system_archive, REMOTE)
        ssh.run(node, "ctr", "--namespace", "k8s.io", "images", "import", REMOTE, root=True, timeout=HOUR)
        for image in project.images:
            LoadImage(image, (node,)).run(lambda line: None)


def first_up(project: Project) -> Figure:
    """With empty caches of its own (the user's are left alone), against Kubernetes compiled alone."""
    with _empty_caches() as env:
        target = Path(env["XDG_CACHE_HOME"], "bare")
        target.mkdir(parents=True)
        compile_ = GoCompile(KUBERNETES_BUILD, target)
        began = time.monotonic()
        write(*compile_.command(go_tool(), *(package for _, package in KUBERNETES_BUILD.outputs), f"{target}/"),
              env={**env, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}, cwd=str(KUBERNETES_BUILD.folder))
        other = time.monotonic() - began
    timed(INV, "down", "--yes", "--profile", project.settings.profile)
    with _empty_caches() as env:
        ours = timed(INV, "up", "--yes", "--profile", project.settings.profile, env=env)
    return Figure("first-up", ours, other, 1.15, "the first `./inv up` against the bare `go build` of Kubernetes, both from empty caches")


@contextmanager
def _empty_caches() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR"), ignore_cleanup_errors=True) as folder:
        yield {"XDG_CACHE_HOME": f"{folder}/cache", "GOCACHE": f"{folder}/go-build", "GOMODCACHE": f"{folder}/go-mod", "GOFLAGS": "-modcacherw"}
