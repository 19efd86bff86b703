"""Who reaches what without being let in: a pod of a stranger's namespace, a neighbour on the
nodes' network, and an ordinary user of this machine. docs/security.md has the table that these
tests make.
"""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeup.core.state import PROJECT
from tests.real import knock
from tests.real.harness import ADDRESSES, AS_ROOT, CONTROL, WORKER_1, Cluster, mended, output, until

pytestmark = pytest.mark.real

DOCUMENT = PROJECT / "docs" / "security.md"
SCRIPT = Path(knock.__file__)
STRANGER = "stranger"
WORDS = {knock.OPEN: "yes", knock.ASKS: "has to prove who it is", knock.CLOSED: "no"}
HEAD = (
    "| | a pod of another namespace | a neighbour on the nodes' network |",
    "|---|---|---|",
)
Targets = dict[str, tuple[str, str, int]]


def targets(cluster: Cluster) -> Targets:
    control, worker = ADDRESSES[CONTROL], ADDRESSES[WORKER_1]
    pods = cluster.objects("pods")
    address = {pod["metadata"]["labels"].get("app"): pod["status"]["podIP"] for pod in pods}
    return {
        "the UI, by a node's address": ("http", control, 30001),
        "the API, by its pod's address": ("http", address["api"], 8000),
        "the database": ("greeting", address["db"], 3306),
        "the API server": ("https", control, 6443),
        "etcd": ("tls", control, 2379),
        "etcd's peers": ("tls", control, 2380),
        "kubelet": ("https", worker, 10250),
        "kubelet's port without a login": ("http", worker, 10255),
        "the controller manager": ("https", control, 10257),
        "the scheduler": ("https", control, 10259),
        "containerd's streams": ("http", worker, 10010),
        "SSH": ("greeting", worker, 22),
    }


@pytest.fixture
def stranger(cluster: Cluster) -> Iterator[str]:
    """A pod that has nothing to do with the application, with a Python in it."""
    (api,) = (one for one in cluster.objects("pods") if one["metadata"]["labels"]["app"] == "api")
    image = api["spec"]["containers"][0]["image"]
    with mended(lambda: cluster.kubectl("delete", "namespace", STRANGER, "--wait=true")):
        cluster.kubectl("create", "namespace", STRANGER)
        where = ("-n", STRANGER)
        cluster.kubectl(*where, "run", STRANGER, f"--image={image}", "--command", "--",
                        "sleep", "600")  # fmt: skip
        cluster.kubectl(*where, "wait", f"pod/{STRANGER}", "--for=condition=Ready",
                        "--timeout=120s")  # fmt: skip
        yield STRANGER


def test_who_comes_through_without_a_credential(cluster: Cluster, stranger: str) -> None:
    asked = targets(cluster)
    question = json.dumps(asked)
    script = SCRIPT.read_text()
    words = ("-n", stranger, "exec", "-i", stranger, "--", "python3", "-I", "-", question)
    from_pod = json.loads(cluster.kubectl(*words, stdin=script))
    with routed(cluster, asked):
        answer = subprocess.run(
            (sys.executable, "-I", "-", question),
            input=script,
            capture_output=True,
            text=True,
            check=True,
        )
    from_network = json.loads(answer.stdout)
    table = [*HEAD, *(f"| {name} | {WORDS[from_pod[name]]} | {WORDS[from_network[name]]} |"
                      for name in asked)]  # fmt: skip
    assert "\n".join(table) in DOCUMENT.read_text(), "\n".join(table)


class routed:
    """While it lasts this machine knows the way to the pods, as any neighbour may teach himself."""

    def __init__(self, cluster: Cluster, asked: Targets) -> None:
        nodes = set(ADDRESSES.values())
        self._ways = {address for _, address, _ in asked.values() if address not in nodes}
        pods = cluster.objects("pods")
        self._node = {pod["status"]["podIP"]: pod["status"]["hostIP"] for pod in pods}

    def __enter__(self) -> None:
        for address in self._ways:
            output(*AS_ROOT, "ip", "route", "replace", address, "via", self._node[address])

    def __exit__(self, *_: Any) -> None:
        for address in self._ways:
            output(*AS_ROOT, "ip", "route", "del", address)


def test_the_database_and_the_api_answer_those_that_they_are_for(cluster: Cluster) -> None:
    """Else what is closed to others would only be broken."""
    until(lambda: cluster.api.get("/readyz").status_code == 200, "the API reaches its database", 60)


def test_another_user_of_this_machine_gets_into_nothing_of_the_profile(cluster: Cluster) -> None:
    for path in (cluster.state, PROJECT / ".env"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
