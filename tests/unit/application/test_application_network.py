"""What is waited for after nodes were started: answers as recorded from a cluster whose nodes
had just come back.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import recorded

from kubeup.application import network, watch
from kubeup.core.shell import Output
from kubeup.system.kubectl import Kubectl

BOOT = datetime(2026, 11, 27, 0, 22, 26, tzinfo=UTC)
BACK_OFF = json.loads(recorded("deploy/pod_back_off.json"))
NODE = BACK_OFF["spec"]["nodeName"]


def proxy(started: str) -> dict[str, Any]:
    """A kube-proxy's pod, running since then."""
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"state": {"running": {"startedAt": started}}}],
    }
    return {
        "metadata": {"name": "kube-proxy-x"},
        "spec": {"nodeName": NODE, "containers": [{"image": "kube-proxy"}]},
        "status": status,
    }


BEFORE, SINCE = proxy("2026-11-27T00:14:51Z"), proxy("2026-11-27T00:22:40Z")


class Cluster(Kubectl):
    """Answers for kube-proxy one after the other, the pods of kube-system, and what was written."""

    proxies: list[list[dict[str, Any]] | None]
    pods: tuple[dict[str, Any], ...]
    did: list[str]

    def __init__(
        self, *proxies: list[dict[str, Any]] | None, pods: tuple[dict[str, Any], ...] = ()
    ) -> None:
        super().__init__(Path("kubectl"), Path("kubeconfig"), "kubeup-dev")
        self.__dict__.update(proxies=list(proxies), pods=pods, did=[])

    def read(self, *words: str, **more: Any) -> Output:
        assert words[:2] == ("get", "pods") and "k8s-app=kube-proxy" in words
        self.did.append("asked")
        found = self.proxies.pop(0)
        return (
            Output(1, "", "refused")
            if found is None
            else Output(0, json.dumps({"items": found}), "")
        )

    def items(self, *words: str) -> list[dict[str, Any]]:
        assert words == ("pods", "-n", "kube-system")
        return list(self.pods)

    def write(self, *words: str, **more: Any) -> str:
        self.did.append(" ".join(words))
        return ""

    def watch(self, *words: str, each: Any, tick: float = 2.0) -> None:
        each(None)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether CoreDNS stands, asked again and again; standing where nothing else is said."""
    answers = list[bool]()
    monkeypatch.setattr(
        watch,
        "all_ready",
        lambda kubectl, where, boots: (
            where == network.NAMES and (answers.pop(0) if answers else True)
        ),
    )
    return answers


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr(network.time, "monotonic", lambda: next(ticks))


def wait(cluster: Cluster) -> list[str]:
    network.WaitForNetwork(cluster, lambda: {NODE: BOOT}).run(lambda line: None)
    return list(cluster.did)


def test_a_proxy_counts_once_the_kubelet_that_runs_now_tells_of_it() -> None:
    assert wait(Cluster(None, [BEFORE], [SINCE])) == ["asked"] * 3


def test_a_cluster_may_do_without_kube_proxy() -> None:
    assert wait(Cluster([])) == ["asked"]


def test_neither_is_waited_for_forever(names: list[bool]) -> None:
    names += [False] * 99
    looks = network.SECONDS / 10 + 2  # a look each ten seconds of this clock
    assert len(wait(Cluster(*[[BEFORE]] * 99))) == looks and len(names) == 99 - looks


def test_who_ended_while_the_network_was_away_starts_anew_after_it() -> None:
    assert wait(Cluster([BEFORE], [SINCE], pods=(SINCE, BACK_OFF))) == [
        "asked",
        "asked",
        "delete pod -n kube-system metrics-server-b79fb84d-smkns --wait=false",
    ]


def test_nobody_else_is_replaced() -> None:
    # its machine went away: the next start needs no wait
    unknown = json.loads(recorded("deploy/pod_unknown_end.json"))
    single, leaving = copy.deepcopy(BACK_OFF), copy.deepcopy(BACK_OFF)
    del single["metadata"]["ownerReferences"]  # nobody would make it again
    leaving["metadata"]["deletionTimestamp"] = "2026-11-27T00:23:00Z"
    assert wait(Cluster([SINCE], pods=(unknown, single, leaving, SINCE))) == ["asked"]
