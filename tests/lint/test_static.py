"""Every static check of the project, each by the tool itself.

They are started side by side: most of their time is start-up.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from kubeup.application.deployment import Deployment
from kubeup.application.external import Published
from kubeup.application.overlay import Overlay
from kubeup.application.schedule import Backups
from kubeup.core.record import Schedule
from kubeup.core.state import PROJECT
from kubeup.system import tls
from kubeup.system.secrets import PASSWORDS
from kubeup.workflows.loading import load

pytestmark = pytest.mark.lint

BIN = Path(sys.executable).parent
KUBERNETES = "1.26"
# manifests that the play applies as they are
GIVEN = [*PROJECT.glob("ansible/roles/*/files/*.yaml")]
CONTAINERFILES = [
    path
    for folder in ("apps", "kubeup/cluster/providers", "tests/beds")
    for path in PROJECT.glob(f"{folder}/*/Containerfile")
]
SCRIPTS = [
    PROJECT / "inv",
    PROJECT / ".ci" / "run",
    *PROJECT.glob("scripts/*.sh"),
    *PROJECT.glob("apps/*/*.sh"),
    *PROJECT.glob("manifests/*/*/*.sh"),
    *PROJECT.glob("ansible/roles/*/files/*.sh"),
    *PROJECT.glob("tests/beds/*/*.sh"),
]

TOOLS: dict[str, list[str | Path]] = {
    "ansible-lint": ["ansible-lint", "--nocolor", "-q", "ansible"],
    "mypy": ["mypy"],
    "ruff": ["ruff", "check", "."],
    "layout": [
        "ruff",
        "format",
        "--check",
        "--quiet",
        "kubeup",
        "development",
        "tests",
        "scripts",
        "tasks.py",
    ],
    "lint-imports": ["lint-imports", "--no-logo"],
    "yamllint": ["yamllint", "--strict", "."],
    "hadolint": ["hadolint", "--failure-threshold=style", *CONTAINERFILES],
    "shellcheck": ["shellcheck", *SCRIPTS],
}
ON_MANIFESTS: dict[str, list[str | Path]] = {
    "checkov": ["checkov", "--config-file", ".checkov.yaml", "--file"],
    "kubernetes-validate": ["kubernetes-validate", "--strict", "--quiet", "-k", KUBERNETES],
}


def run(argv: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """A tool of the virtual environment that these tests run in; one that is missing is an
    error, never a skip.
    """
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    return subprocess.run(
        [BIN / argv[0], *argv[1:]],
        cwd=PROJECT,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(len(TOOLS)) as threads:
        yield threads


@pytest.fixture(scope="module")
def finished(pool: ThreadPoolExecutor) -> dict[str, Future[subprocess.CompletedProcess[str]]]:
    return {name: pool.submit(run, argv) for name, argv in TOOLS.items()}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What is applied to the cluster, as files: the settings' overlay as kubectl renders it, and
    what the play brings.
    """
    project, folder = load(strict=False), tmp_path_factory.mktemp("manifests")
    assert project.kubectl.path.exists(), (
        "no kubectl of the project's release yet: `inv test --only lint` makes one"
    )
    env = folder / ".env"
    env.write_text("".join(f"{name}=made-up\n" for name in PASSWORDS))
    addresses = tuple(node.address for node in project.settings.nodes_list())
    external = SimpleNamespace(now=lambda: Published(80, addresses))
    tls.MakeCertificate(folder / "tls").run(print)
    overlay = Overlay(
        project.settings, project.images, env, project.place, folder / "tls", external=external
    )
    rendered = folder / "application.yaml"
    rendered.write_text(Deployment(overlay, project.kubectl).render())
    assert "externalIPs" in rendered.read_text()
    on_vm = folder / "on-vm.yaml"
    on_vm.write_text(
        Deployment(replace(overlay, machine=lambda: "192.168.60.11"), project.kubectl).render()
    )
    backups = Backups(project.settings, overlay.secret, lambda: Schedule("6h", 7))
    scheduled = folder / "scheduled.yaml"
    scheduled.write_text(Deployment(replace(overlay, backups=backups), project.kubectl).render())
    assert "CronJob" in scheduled.read_text()
    return [rendered, on_vm, scheduled, *GIVEN]


@pytest.mark.parametrize("tool", TOOLS)
def test_finds_nothing(
    tool: str, finished: dict[str, Future[subprocess.CompletedProcess[str]]]
) -> None:
    done = finished[tool].result()
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.real
@pytest.mark.parametrize("tool", ON_MANIFESTS)
def test_finds_nothing_in_manifests(tool: str, manifests: list[Path]) -> None:
    done = run([*ON_MANIFESTS[tool], *manifests])
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
