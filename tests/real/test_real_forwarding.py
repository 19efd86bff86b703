"""What goes between nodes passes this machine's packet filter as it is: nothing is dropped,
nobody's address is changed.
"""

from __future__ import annotations

import pytest

from tests.real.harness import ADDRESSES, AS_ROOT, CONTROL, NODES, Cluster, mended, output, until

pytestmark = pytest.mark.real

ASK = "python3 -c \"import urllib.request as u; u.urlopen('http://{}/products?q={}', timeout=10)\""


def api_pod(cluster: Cluster) -> tuple[str, str]:
    """Address and node of the API's pod."""
    pod = cluster.objects("pods", "-l", "app=api")[0]
    return pod["status"]["podIP"], pod["spec"]["nodeName"]


def seen_from(cluster: Cluster, mark: str) -> str:
    """The client's address that the API wrote down for a request with this mark."""
    rows: list[str] = []

    def logged() -> bool:
        log = cluster.kubectl("logs", "-l", "app=api", "--tail=200")
        rows[:] = [row for row in log.splitlines() if f"q={mark} " in row]
        return bool(rows)

    until(logged, f"the request {mark} in the API's log", 30)
    return rows[0].split("uvicorn.access ", 1)[1].split(":", 1)[0]


@pytest.mark.parametrize("port", ["pod", "NodePort"])
def test_a_pod_on_another_node_sees_who_asks(cluster: Cluster, port: str) -> None:
    """Not this machine's own address, as the engine's rule for whatever leaves its network would
    have it.
    """
    address, node = api_pod(cluster)
    asker = next(name for name in NODES if name != node)
    mark = f"{port}-{asker}"
    # kube-proxy of the asker's own node hands a NodePort's traffic on
    cluster.on(
        asker, ASK.format(f"{address}:8000" if port == "pod" else f"{ADDRESSES[asker]}:31000", mark)
    )
    assert seen_from(cluster, mark) == ADDRESSES[asker]


def test_a_rule_that_drops_everything_is_told_and_got_past(cluster: Cluster) -> None:
    def dropped() -> None:
        output(*AS_ROOT, "iptables", "-D", "FORWARD", "-j", "DROP", check=False)

    with mended(dropped):
        output(*AS_ROOT, "iptables", "-I", "FORWARD", "-j", "DROP")
        assert "another rule comes before those for the nodes" in cluster.inv("doctor", code=1).out
        assert "local/forwarding" in [step["id"] for step in cluster.plan()]
        cluster.up()
        cluster.verify_until_ok()
        assert cluster.plan() == []
    assert cluster.plan() == []


def test_the_rules_carry_the_profiles_name(cluster: Cluster) -> None:
    rules = output(*AS_ROOT, "iptables-save")
    assert '--comment "kubeup profile e2e"' in rules
    assert cluster.profile == "e2e" and CONTROL in cluster.containers()
