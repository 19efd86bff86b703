"""Checks of this machine, from facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, DISK, machines, settings, state, three

from kubeup import doctor
from kubeup.deploy.external import External, Published
from kubeup.facts.disks import Disk
from kubeup.kube import Kubectl
from kubeup.project import Project


@pytest.mark.parametrize(("limit", "containers", "ok"), [(128, True, True), (50, True, False), (50, False, True)])
def test_containers_share_inotify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, containers: bool, ok: bool) -> None:
    one = Project(settings(tmp_path), state(tmp_path), replace(DESKTOP, inotify=limit))
    monkeypatch.setattr(type(one.provider), "observe", lambda _: machines(*three().nodes, containers=containers))
    found = doctor._inotify(one)
    assert found.ok == ok and f"max_user_instances={8 * limit}" in found.fix


@pytest.mark.parametrize(("shadowed", "refused", "ok", "what"), [
    ((), False, True, "http://192.168.60.10/; port 80 of dev-worker-1"),
    ((), True, False, "http://192.168.60.10/"),
    (("nginx on dev-worker-1",), False, False, "listened on by nginx on dev-worker-1")])
def test_who_has_the_uis_port(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shadowed: tuple[str, ...],
        refused: bool, ok: bool, what: str) -> None:
    words = ("port 80 of dev-worker-1 can't be the UI's: nginx has it",)
    published = Published(80, ("192.168.60.10",), words, refused=refused)
    monkeypatch.setattr(Kubectl, "answers", lambda _: True)
    monkeypatch.setattr(External, "found", lambda _: published)
    monkeypatch.setattr(External, "shadowed", lambda _: shadowed)
    found = doctor._http_port(Project(settings(tmp_path), state(tmp_path), DESKTOP))
    assert found.ok == ok and what in found.what and "ports.http" in found.fix


def test_without_a_port_or_a_cluster_nothing_is_wrong(tmp_path: Path) -> None:
    for keys in ("ports: {http: 0}", ""):
        assert doctor._http_port(Project(settings(tmp_path, keys), state(tmp_path), DESKTOP)).ok


@pytest.mark.parametrize(("proxies", "ok", "what"), [
    ({}, True, "none is set"), ({"no_proxy": "localhost"}, True, "none is set"),
    ({"https_proxy": "http://ana:secret@proxy.example.org:3128"}, True, "https_proxy; the nodes' own networks go past it"),
    ({"http_proxy": "http://proxy:1", "https_proxy": "http://127.0.0.1:3128"}, False, "https_proxy names this machine's loopback"),
])
def test_a_proxy(tmp_path: Path, proxies: dict[str, str], ok: bool, what: str) -> None:
    found = doctor._proxy(Project(settings(tmp_path), state(tmp_path), replace(DESKTOP, proxies=proxies)))
    assert found.ok == ok and found.what.startswith(what)
    assert "as 192.168.60.1," in found.fix and "secret" not in str(found)


def test_a_machine_beside_the_nodes_takes_memory_too(tmp_path: Path) -> None:
    one = Project(settings(tmp_path, "nodes: {database: {count: 1, memory: 4096}}"), state(tmp_path), replace(DESKTOP, memory=16384))
    found = doctor._memory(one)
    assert not found.ok and "may take 16384" in found.what


@pytest.mark.parametrize(("free", "ok"), [(12.4, True), (11.2, False)])
def test_room_is_asked_for_where_the_cache_is(tmp_path: Path, free: float, ok: bool) -> None:
    full = replace(DISK, free=1.0)
    host = replace(DESKTOP, cache_disk=Disk("/srv/cache/kubeup", "/dev/sdb1", free), home_disk=full, storage={"podman": full})
    found = doctor._disk(Project(settings(tmp_path), state(tmp_path), host))
    assert found.ok == ok and found.what == f"{free:.0f} GiB free at /srv/cache/kubeup, an empty cache takes 12"
