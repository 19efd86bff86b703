"""What enforces NetworkPolicies: from a pod's first packet on, and what others wrote stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.real.harness import WORKER_1, Cluster, mended, until

pytestmark = pytest.mark.real

NAMESPACE = "just-started"
PODS = 4  # on both workers
TRIES_SECONDS = 6.0
CLOSED: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "nothing-leaves"},
    "spec": {"podSelector": {"matchLabels": {"closed": "yes"}}, "policyTypes": ["Egress"]},
}
CONNECT = """
import socket, sys, time
began, came_through = time.monotonic(), []
while time.monotonic() < began + float(sys.argv[3]):
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.3).close()
        came_through.append(round(time.monotonic() - began, 2))
    except OSError:
        time.sleep(0.02)
print(came_through)
"""
RESOLVE = """
import socket, time
began = time.monotonic()
socket.getaddrinfo("kubernetes.default.svc.cluster.local", 443)
print(time.monotonic() - began)
"""
# the table as kube-router has read it and is about to write it; meanwhile a Service has got its
# pods back, and one pod has gone
WRITE_BACK = """
set -e
cat >/tmp/iptables-restore
chmod +x /tmp/iptables-restore
unshare --net sh -ec '
for chain in KUBE-SERVICES KUBE-ROUTER-FORWARD KUBE-POD-FW-OLD KUBE-NWPLCY-OLD; do
  iptables -N $chain
done
iptables -A FORWARD -j KUBE-ROUTER-FORWARD
iptables -A KUBE-ROUTER-FORWARD -d 10.0.0.8 -j KUBE-POD-FW-OLD
iptables -A KUBE-POD-FW-OLD -j KUBE-NWPLCY-OLD
iptables -A KUBE-SERVICES -d 10.96.0.9 -j REJECT
iptables-save -t filter | sed "s/POD-FW-OLD/POD-FW-NEW/; /NWPLCY-OLD/d" >/tmp/table
iptables -D KUBE-SERVICES -d 10.96.0.9 -j REJECT
iptables -A INPUT -s 192.0.2.1 -j DROP
PATH=/tmp:$PATH iptables-restore --wait -T filter </tmp/table
iptables-save -t filter'
rm /tmp/iptables-restore /tmp/table
"""


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    with mended(lambda: cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=true")):
        cluster.kubectl("create", "namespace", NAMESPACE)
        yield NAMESPACE


def said(cluster: Cluster, namespace: str, name: str, labels: str, *words: str) -> Any:
    """What a pod's only program has printed, once it has ended."""
    (api,) = (one for one in cluster.objects("pods") if one["metadata"]["labels"]["app"] == "api")
    image = api["spec"]["containers"][0]["image"]
    where = ("-n", namespace)
    cluster.kubectl(*where, "run", name, f"--image={image}", f"--labels={labels}",
                    "--restart=Never", "--command", "--", "python3", "-I", "-c",
                    *words)  # fmt: skip
    return lambda: json.loads(
        cluster.kubectl(*where, "wait", f"pod/{name}", "--timeout=120s",
                        "--for=jsonpath={.status.phase}=Succeeded")
        and cluster.kubectl(*where, "logs", name)
    )  # fmt: skip


def test_nothing_leaves_a_new_pod_that_a_policy_lets_nothing_leave(
    cluster: Cluster, namespace: str
) -> None:
    cluster.kubectl("-n", namespace, "apply", "--filename", "-", stdin=json.dumps(CLOSED))
    (ui,) = (one for one in cluster.objects("pods") if one["metadata"]["labels"]["app"] == "ui")
    target = (ui["status"]["podIP"], "80", str(TRIES_SECONDS))
    answers = [
        said(cluster, namespace, f"closed-{number}", "closed=yes", CONNECT, *target)
        for number in range(PODS)
    ]
    control = said(cluster, namespace, "open", "closed=no", CONNECT, *target)
    assert [answer() for answer in answers] == [[]] * PODS
    assert control(), "the UI answers those that no policy holds back"


def test_a_new_pod_is_answered_by_the_clusters_dns_at_once(
    cluster: Cluster, namespace: str
) -> None:
    pace = cluster.project.host.pace
    for number in range(2):
        # a question that is lost is asked again after 5 s
        assert said(cluster, namespace, f"name-{number}", "closed=no", RESOLVE)() < pace.seconds(4)


def test_kube_router_writes_its_own_rules_alone(cluster: Cluster) -> None:
    program = cluster.kubectl("-n", "kube-system", "get", "configmap/kube-router",
                              "-o", r"jsonpath={.data.iptables-restore}")  # fmt: skip
    table = cluster.podman_in(WORKER_1, WRITE_BACK, program)
    assert "-A KUBE-SERVICES" not in table, "what kube-proxy took away is back"
    assert "-A INPUT -s 192.0.2.1/32 -j DROP" in table, "what others added is gone"
    assert "-A KUBE-ROUTER-FORWARD -d 10.0.0.8/32 -j KUBE-POD-FW-NEW" in table
    assert "OLD" not in table, "what belongs to no pod any more"


def test_a_node_has_rules_for_the_pods_that_it_has(cluster: Cluster) -> None:
    def known() -> bool:
        chains = cluster.on(WORKER_1, "iptables -S | grep -c '^-N KUBE-POD-FW-'")
        pods = cluster.objects("pods", "-A", f"--field-selector=spec.nodeName={WORKER_1}")
        return int(chains) == sum(not pod["spec"].get("hostNetwork") for pod in pods)

    until(known, "those of pods that are gone are gone", 60)
