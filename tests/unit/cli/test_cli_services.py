"""Another service of the application: a row in its table, and its folders."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from kubeup.core import shell
from kubeup.core.state import PROJECT

pytestmark = pytest.mark.real
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".kubeup", ".env", "node_modules", "tests", "__pycache__", ".*_cache"
)
ROW = 'DOCS = Service("docs", "the docs", image="kubeup-docs", bases=(("BASE", "node"),))\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    made = Path(shutil.copytree(PROJECT, tmp_path / "kubeup", ignore=LEFT_OUT))
    table = made / "kubeup" / "core" / "services.py"
    rows = table.read_text().replace("SERVICES = (", f"{ROW}SERVICES = (DOCS, ")
    table.write_text(rows)
    shutil.copytree(made / "apps" / "ui", made / "apps" / "docs")
    base = made / "manifests" / "base"
    shutil.copytree(base / "ui", base / "docs")
    for file in (base / "docs").iterdir():
        text = file.read_text().replace("ui-node-products", "kubeup-docs")
        file.write_text(text.replace("app: ui", "app: docs").replace("name: ui", "name: docs"))
    # not dev: a cluster of that profile may run on this machine
    (made / "settings.yaml").write_text("settings: {env: services, users: {services: {}}}\n")
    return made


def inv(checkout: Path, *words: str) -> str:
    env = {
        "HOME": str(checkout.parent),
        "KUBEUP_SETTINGS": str(checkout / "settings.yaml"),
        "KUBEUP_NETWORK__CONTROL_IP": "10.213.8.10",
    }
    done = shell.read(
        sys.executable, "-m", "invoke", *words, cwd=str(checkout), env=env, ok=None, timeout=300
    )
    assert done.ok, done.stdout + done.stderr
    return done.stdout


def test_it_is_built_brought_and_deployed(checkout: Path) -> None:
    steps = [row["id"] for row in json.loads(inv(checkout, "up", "--dry", "--json", "--force"))]
    assert "image/docs" in steps and "deploy/docs" in steps
    assert "deploy.docs" in inv(checkout, "--list")


def test_its_manifests_are_rendered_with_its_image(checkout: Path) -> None:
    script = """
from pathlib import Path
from kubeup.application.overlay import Overlay
from kubeup.images.catalog import AppImage
image = AppImage("docs", "localhost/docs:sha-1", None, ())
class Rendered(Overlay):
    def _patches(self, fingerprint): return []
    def secret(self): return {}
made = Rendered(None, (image,), None, None, Path("none"), machine=str).kustomization({})
print(made["resources"], made["images"])
"""
    done = shell.read(sys.executable, "-c", script, cwd=str(checkout), ok=None)
    assert done.ok, done.stderr
    assert "base/docs" in done.stdout
    assert "{'name': 'kubeup-docs', 'newName': 'localhost/docs', 'newTag': 'sha-1'}" in done.stdout
