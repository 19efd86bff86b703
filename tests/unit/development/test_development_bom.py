from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import DATA, DESKTOP, SANDBOX, error_of, settings, state

from development import bom
from kubeup.cluster.release import sums
from kubeup.core.state import PROJECT, write_private
from kubeup.facts.host import HostFacts
from kubeup.images import bases
from kubeup.workflows.project import Project

RECORDED = DATA / "bom"
STATUS = (RECORDED / "dpkg-status").read_text()


def project(tmp_path: Path, host: HostFacts = DESKTOP, keys: str = "") -> Project:
    return Project(settings(tmp_path, keys), state(tmp_path), host)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One on PATH that answers as npm 11 did, and nothing else there."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n/bin/cat {RECORDED / 'npm-ls.json'}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def purls(components: Any) -> list[str]:
    return [str(one.purl) for one in components]


def test_a_lock_file() -> None:
    listed = purls(bom.python_packages(PROJECT / "requirements.lock"))
    lines = (PROJECT / "requirements.lock").read_text().splitlines()
    assert len(listed) == sum("==" in line for line in lines) > 20
    invoke = next(line for line in lines if line.startswith("invoke=="))
    assert f"pkg:pypi/{invoke.removesuffix(chr(92)).strip().replace('==', '@')}" in listed


def test_what_npm_lists() -> None:
    listed = purls(bom.npm_components(json.loads((RECORDED / "npm-ls.json").read_text())))
    assert len(set(listed)) == 74
    # one of those that development needs, too, one with a scope, none that is not there
    assert {"pkg:npm/debug@4.4.3", "pkg:npm/%40fastify/busboy@3.2.6"} <= set(listed)
    assert not [one for one in listed if "chokidar" in one or "eslint" in one]


def test_a_go_mod_as_it_is_built() -> None:
    listed = purls(bom.go_modules((PROJECT / "scripts/go/kubernetes/go.mod").read_text()))
    assert "pkg:golang/k8s.io/kubernetes@v1.26.1" in listed
    assert "pkg:golang/k8s.io/api@v0.26.1" in listed
    assert len([one for one in listed if one.startswith("pkg:golang/k8s.io/api@")]) == 1


def test_what_is_installed_alone() -> None:
    assert purls(bom.debian_packages(STATUS, "bookworm")) == [
        "pkg:deb/debian/adduser@3.134?arch=all&distro=bookworm",
        "pkg:deb/debian/base-files@12.4%2Bdeb12u15?arch=amd64&distro=bookworm",
    ]


def test_an_image_by_its_digest() -> None:
    (purl,) = purls([bom.container(bases.HUB_IMAGES["mariadb 11.4"])])
    digest = bases.HUB_IMAGES["mariadb 11.4"].rpartition("@")[2]
    where = "repository_url=docker.io/library/mariadb&tag=11.4"
    assert purl == f"pkg:oci/mariadb@{digest}?{where}"


@pytest.mark.processes
@pytest.mark.usefixtures("npm")
def test_a_bill_for_each_of_what_is_downloaded(tmp_path: Path) -> None:
    bills = {
        name: read(bom.write(tmp_path / "out", name, components))
        for name, components in bom.contents(project(tmp_path)).items()
    }
    assert list(bills) == ["kubeup", "db", "api", "ui", "kubernetes"]
    assert all(bill["specVersion"] == "1.6" for bill in bills.values())
    api = [one["purl"] for one in bills["api"]["components"]]
    assert any(one.startswith("pkg:oci/python@sha256:") for one in api)
    assert any(one.startswith("pkg:pypi/fastapi@") for one in api)
    programs = [one for one in bills["kubernetes"]["components"] if "hashes" in one]
    assert {one["hashes"][0]["content"] for one in programs} == set(sums.BINARIES.values())
    whole = {one["ref"]: one.get("dependsOn", ()) for one in bills["ui"]["dependencies"]}
    root = bills["ui"]["metadata"]["component"]["bom-ref"]
    assert len(whole[root]) == len(bills["ui"]["components"]) == 75


@pytest.mark.processes
@pytest.mark.usefixtures("npm")
def test_what_is_made_here_has_debians_packages(tmp_path: Path, cache_home: Path) -> None:
    one = project(tmp_path, SANDBOX)
    error = error_of(bom.contents, one)
    assert "root file system for mysql" in error.what and "inv images.build" in error.next
    with_status(one)
    contents = {name: purls(components) for name, components in bom.contents(one).items()}
    assert contents["db"] == purls(bom.debian_packages(STATUS, "sid"))
    for name in ("api", "ui", "kubernetes"):
        assert set(purls(bom.debian_packages(STATUS, "bookworm"))) <= set(contents[name])
    assert "pkg:golang/go.etcd.io/etcd/server/v3@v3.5.6" in contents["kubernetes"]


def with_status(one: Project) -> None:
    """Every root file system, with nothing but dpkg's states in it."""
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as tar:
        entry = tarfile.TarInfo(bom.STATUS)
        entry.size = len(STATUS.encode())
        tar.addfile(entry, io.BytesIO(STATUS.encode()))
    shipped = [root for root in bases.ROOTS if root.name in ("mysql", "python", "node")]
    for root in (*(replace(root, origin=one.root_origin) for root in shipped), proxy(one)):
        write_private(root.path, "")
        root.path.write_bytes(text.getvalue())


def proxy(one: Project) -> Any:
    return bom.proxy_rootfs(one.root_origin)


def test_what_is_no_cyclonedx_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    components = tuple(bom.debian_packages(STATUS, "bookworm"))
    monkeypatch.setattr(bom.JsonV1Dot6, "output_as_string", lambda *_, **__: '{"bomFormat": "x"}')
    error = error_of(bom.write, tmp_path / "out", "db", components)
    assert error.what == "the bill of db is no CycloneDX" and "specVersion" in error.why
    assert not (tmp_path / "out").exists()
