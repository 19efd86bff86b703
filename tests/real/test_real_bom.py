"""Bills of material, held against what the pods that run have in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from development import bom
from tests.real.harness import Cluster

pytestmark = pytest.mark.real

PYTHON = (
    "from importlib.metadata import distributions as d;"
    'print(*(f\'pkg:pypi/{i.name.lower().replace("_", "-")}@{i.version}\' for i in d()))'
)
NODE = (
    "const {readdirSync: list, readFileSync: read} = require('fs');"
    "for (const file of list('/app/node_modules', {recursive: true})) {"
    "  if (!/(^|node_modules\\/)(@[^/]+\\/)?[^/]+\\/package.json$/.test(file)) continue;"
    "  const {name, version} = JSON.parse(read('/app/node_modules/' + file));"
    "  console.log('pkg:npm/' + name.replace('@', '%40') + '@' + version)}"
)


@pytest.fixture
def bills(cluster: Cluster, tmp_path: Path) -> Callable[[str, str], set[str]]:
    """The packages of a kind in an image's bill."""
    cluster.inv("bom", "--to", str(tmp_path))

    def of(name: str, kind: str) -> set[str]:
        content = json.loads((tmp_path / f"{name}.cdx.json").read_text())
        purls = (one.get("purl", "") for one in content["components"])
        return {purl for purl in purls if purl.startswith(f"pkg:{kind}/")}

    return of


def test_bills_are_of_what_runs(cluster: Cluster, bills: Callable[[str, str], set[str]]) -> None:
    def run(pod: str, *argv: str) -> str:
        return cluster.kubectl("exec", f"deploy/{pod}", "--", *argv)

    # the lock file is for all systems: it may have more than this one takes
    python = set(run("api", "/opt/venv/bin/python", "-c", PYTHON).split())
    assert python and python <= bills("api", "pypi")
    assert set(run("ui", "node", "-e", NODE).split()) == bills("ui", "npm")
    for pod, suite in (("api", "bookworm"), ("ui", "bookworm")):
        status = run(pod, "cat", "/var/lib/dpkg/status")
        there = {str(one.purl) for one in bom.debian_packages(status, suite)}
        # of Docker Hub's images there is the digest alone
        assert bills(pod, "deb") in (there, set())
        assert bills(pod, "deb") or bills(pod, "oci")
