"""Checks of this machine, from facts made by hand."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, DISK, error_of, on_record, settings, state, three

from kubeup.application.deployment import Deployment
from kubeup.application.external import External, Published
from kubeup.core.options import Options
from kubeup.core.record import CLUSTER, Location
from kubeup.core.report import Report
from kubeup.core.state import State
from kubeup.facts import manifests
from kubeup.facts.trouble import Trouble
from kubeup.inspect import doctor
from kubeup.workflows import deployed
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.deployed import Deployed
from kubeup.workflows.project import Project

ANSWERS = ClusterFacts(three(), answers=True)
QUOTA = Trouble("Deployment api can't make its pods", "exceeded quota", "remove it", 20.0)


@pytest.mark.parametrize(
    ("shadowed", "refused", "ok", "what"),
    [
        ((), False, True, "http://192.168.60.10/; port 80 of dev-worker-1"),
        ((), True, False, "http://192.168.60.10/"),
        (("nginx on dev-worker-1",), False, False, "not to nginx on dev-worker-1"),
    ],
)
def test_who_has_the_uis_port(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shadowed: tuple[str, ...],
    refused: bool,
    ok: bool,
    what: str,
) -> None:
    words = ("port 80 of dev-worker-1 can't be the UI's: nginx has it",)
    published = Published(80, ("192.168.60.10",), words, refused=refused)
    monkeypatch.setattr(External, "found", lambda _: published)
    monkeypatch.setattr(External, "shadowed", lambda _: shadowed)
    found = doctor._http_port(Project(settings(tmp_path), state(tmp_path), DESKTOP), ANSWERS)
    assert found.ok == ok and what in found.what and "ports.http" in found.fix


def test_without_a_port_or_a_cluster_nothing_is_wrong(tmp_path: Path) -> None:
    for keys in ("ports: {http: 0}", ""):
        assert doctor._http_port(
            Project(settings(tmp_path, keys), state(tmp_path), DESKTOP),
            replace(ANSWERS, answers=False),
        ).ok


@pytest.mark.parametrize(
    ("proxies", "ok", "what"),
    [
        ({}, True, "none is set"),
        ({"no_proxy": "localhost"}, True, "none is set"),
        (
            {"https_proxy": "http://ana:secret@proxy.example.org:3128"},
            True,
            "https_proxy; not used between the nodes",
        ),
        (
            {"http_proxy": "http://proxy:1", "https_proxy": "http://127.0.0.1:3128"},
            False,
            "https_proxy: a loopback address, which nodes can't reach",
        ),
    ],
)
def test_a_proxy(tmp_path: Path, proxies: dict[str, str], ok: bool, what: str) -> None:
    found = doctor._proxy(
        Project(settings(tmp_path), state(tmp_path), replace(DESKTOP, proxies=proxies))
    )
    assert found.ok == ok and found.what.startswith(what)
    assert "as 192.168.60.1," in found.fix and "secret" not in str(found)


def test_it_finds_what_a_plan_would_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = {
        "cache_disk": replace(DISK, free=1.0),
        "home_disk": replace(DISK, free=1.0),
        "storage": {},
    }
    one = Project(
        settings(tmp_path), state(tmp_path), replace(DESKTOP, memory=1500, inotify=50, **full)
    )
    monkeypatch.setattr(type(one.provider), "observe", lambda _: three("missing"))
    found = {finding.name: finding for finding in doctor._requirements(one)}
    assert {name for name, finding in found.items() if not finding.ok} == {
        "memory",
        "disk",
        "inotify",
    }
    assert (
        "3 new machines" in found["memory"].what
        and "max_user_instances=400" in found["inotify"].fix
    )


def test_nodes_that_are_there_need_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Project(settings(tmp_path), state(tmp_path), replace(DESKTOP, memory=1500))
    monkeypatch.setattr(type(one.provider), "observe", lambda _: three())
    assert all(finding.ok for finding in doctor._requirements(one))


def test_machines_that_others_make_are_not_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Project(settings(tmp_path), state(tmp_path), replace(DESKTOP, memory=1500))
    monkeypatch.setattr(type(one.provider), "creates_machines", False)
    assert doctor._requirements(one) == []


def test_what_is_wrong_ends_it_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        doctor.Finding("disk", True, "room"),
        doctor.Finding("memory", False, "none", "buy some"),
    ]
    monkeypatch.setattr(doctor, "findings", lambda _: found)
    one, out = Project(settings(tmp_path), state(tmp_path), DESKTOP), Report(io.StringIO())
    error = error_of(doctor.examine, one, out, Options("doctor"), False)
    assert (error.what, error.why, error.next) == (
        "1 of 2 checks found something wrong",
        "memory",
        "buy some",
    )
    found.pop()
    doctor.examine(one, out, Options("doctor"), False)


@pytest.mark.parametrize(
    ("changed", "troubles", "what", "fix"),
    [
        ((), (), "as the settings want it", "`inv up`"),
        (("Service ui",), (), "Service ui not as the settings want it", "`inv up`"),
        ((), (QUOTA,), "Deployment api can't make its pods: exceeded quota", QUOTA.next),
        (
            ("Service ui",),
            (QUOTA,),
            "Service ui not as the settings want it; Deployment",
            "`inv up`",
        ),
    ],
)
def test_what_of_the_application_differs_or_is_not_ready(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: tuple[str, ...],
    troubles: tuple[Trouble, ...],
    what: str,
    fix: str,
) -> None:
    one = Project(settings(tmp_path), state(tmp_path), DESKTOP)
    assert doctor._application(one, ANSWERS).what == "not deployed"
    on_record(one.state, database=Location(CLUSTER, "dev-worker-1"))
    monkeypatch.setattr(State, "secrets", property(lambda _: tmp_path / ".env"))
    assert "once the API server answers" in doctor._application(one, ANSWERS).what
    (tmp_path / ".env").write_text("MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n")
    silent = replace(ANSWERS, answers=False)
    assert "once the API server answers" in doctor._application(one, silent).what
    monkeypatch.setattr(Deployment, "diff", lambda _: "")
    monkeypatch.setattr(manifests, "changed", lambda _: changed)
    monkeypatch.setattr(deployed, "status", lambda _: Deployed((), troubles))
    found = doctor._application(one, ANSWERS)
    assert found.what.startswith(what) and found.fix == fix
    assert found.ok == (not changed and not troubles)
