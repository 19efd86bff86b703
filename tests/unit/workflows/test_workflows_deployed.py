"""What `deploy.status` shows: the application as it is, in the words that a rollout ends with."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import recorded

from kubeup.cli import deploy
from kubeup.core.options import Options
from kubeup.core.report import Report
from kubeup.core.shell import Output
from kubeup.facts.kubernetes import pods as parse_pods
from kubeup.facts.trouble import Trouble
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import deployed

KUBECTL = Kubectl(Path("kubectl"), Path("config"), "kubeup-dev")
REFUSED = "the database refuses this user or password (error 1045)"


@pytest.fixture
def pods() -> list[dict[str, Any]]:
    items = json.loads(recorded("facts/kubectl_pods.json"))["items"]
    return [{**copy.deepcopy(item), "kind": "Pod"} for item in items]


def status(monkeypatch: pytest.MonkeyPatch, items: list[dict[str, Any]]) -> deployed.Deployed:
    def read(self: Kubectl, *words: str, **_: Any) -> Output:
        if "exec" in words:
            return Output(0, "503 " + json.dumps({"detail": REFUSED}), "")
        return Output(0, json.dumps({"items": items}), "")

    monkeypatch.setattr(Kubectl, "read", read)
    project: Any = SimpleNamespace(kubectl=KUBECTL)
    return deployed.status(project)


def test_all_is_well(monkeypatch: pytest.MonkeyPatch, pods: list[dict[str, Any]]) -> None:
    foreign = copy.deepcopy(pods[0])
    foreign["metadata"] |= {"name": "somebody-elses", "labels": {}}
    found = status(monkeypatch, [*pods, foreign])
    assert [row[0] for row in found.rows] == [pod["metadata"]["name"] for pod in pods]
    assert {row[2] for row in found.rows} == {"ready"} and not found.troubles


def test_what_is_wrong_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, pods: list[dict[str, Any]]
) -> None:
    api = pods[0]
    row = api["status"]["containerStatuses"][0]
    row["ready"] = False
    for condition in api["status"]["conditions"]:
        condition["status"] = "True" if condition["type"] == "PodScheduled" else "False"
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    ui = {
        "kind": "Deployment",
        "metadata": {"name": "ui", "labels": {"app": "ui"}},
        "spec": {"replicas": 1},
        "status": {"conditions": [condition | {"message": "exceeded quota: none"}]},
    }
    meta = {"name": "api", "labels": {"app": "api"}}
    owner = {"kind": "Deployment", "name": "api"}
    name = api["metadata"]["ownerReferences"][0]["name"]
    sets = {"name": name, "labels": {"app": "api"}, "ownerReferences": [owner]}
    items = [
        {"kind": "Deployment", "metadata": meta, "spec": {"replicas": 1}},
        {"kind": "ReplicaSet", "metadata": sets},
        ui,
        *pods[:2],
    ]
    found = status(monkeypatch, items)
    assert next(iter(found.rows))[2] == f"runs, but not ready: {REFUSED}"
    assert [one.what for one in found.troubles] == [
        f"{api['metadata']['name']} is not ready: {REFUSED}",
        "Deployment ui can't make its pods",
    ]


def test_how_it_is_shown(monkeypatch: pytest.MonkeyPatch, pods: list[dict[str, Any]]) -> None:
    found = deployed.Deployed(
        ((parse_pods(pods[:1])[0], "it ended"),), (Trouble("x keeps ending", "it ended", "read"),)
    )
    monkeypatch.setattr(deployed, "status", lambda _: found)
    told, data = io.StringIO(), io.StringIO()
    for shown, json_ in ((told, False), (data, True)):
        monkeypatch.setattr(deploy, "open_project", lambda _, shown=shown: (None, Report(shown)))
        deploy.status.body.__wrapped__(Options("deploy.status", json=json_))
    assert told.getvalue().endswith("x keeps ending\n  why:  it ended\n  next: read\n")
    (row,) = json.loads(data.getvalue())
    assert (row["name"], row["why"], row["ready"]) == (
        pods[0]["metadata"]["name"],
        "it ended",
        True,
    )
