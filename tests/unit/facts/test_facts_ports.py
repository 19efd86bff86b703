"""Who has a port of a node, by recorded words of ss and of the API server."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from builders import recorded

from kubeup.facts.ports import claimed, listeners, proxy_mode

NODE = "192.168.60.11"
# ss 6.1 on Debian 12, of python3 -m http.server with and without --bind
EVERYWHERE = (
    'LISTEN 0      5            0.0.0.0:80 0.0.0.0:*    users:(("python3",pid=20751,fd=3))\n'
)
HERE = 'LISTEN 0      5      192.168.60.11:80 0.0.0.0:*    users:(("python3",pid=20752,fd=3))\n'
LOOPBACK = 'LISTEN 0      5          127.0.0.1:80 0.0.0.0:*    users:(("python3",pid=20754,fd=3))\n'
LOOPBACK_6 = (
    'LISTEN 0      5              [::1]:80    [::]:*    users:(("python3",pid=20755,fd=3))\n'
)
BOTH_FAMILIES = (
    'LISTEN 0      5                  *:80       *:*    users:(("python3",pid=18746,fd=3))\n'
)


@pytest.mark.parametrize(
    ("ss", "names"),
    [
        ("", ()),
        (EVERYWHERE, ("python3",)),
        (HERE, ("python3",)),
        (BOTH_FAMILIES, ("python3",)),
        (LOOPBACK, ()),
        (LOOPBACK_6, ()),
        (HERE.replace(NODE, f"[::ffff:{NODE}]"), ("python3",)),
        (HERE.replace(NODE, f"{NODE}%eth0"), ("python3",)),
        (HERE.replace(NODE, "192.168.60.12"), ()),
        (EVERYWHERE + HERE.replace("python3", "nginx"), ("python3", "nginx")),
        (EVERYWHERE.partition("users")[0], ("a program",)),
    ],
)
def test_who_listens_where_an_address_leads(ss: str, names: tuple[str, ...]) -> None:
    assert listeners(ss, NODE) == names


def objects() -> dict[str, Any]:
    found = json.loads(recorded("diagram/default.json"))["items"]
    kept = [copy.deepcopy(item) for item in found if item["kind"] in ("Pod", "Service")]
    return {f"{item['kind']} {item['metadata']['name'].partition('-')[0]}": item for item in kept}


def claims(item: Any, node: str = "dev-worker-2", address: str = NODE) -> tuple[str, ...]:
    return claimed([item], 80, node, address, but="Service default/mine")


def test_what_is_there_claims_no_port_of_a_node() -> None:
    assert [claims(item) for item in objects().values()] == [()] * len(objects())


def test_a_pod_with_a_host_port() -> None:
    pod = objects()["Pod ui"]
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": 8080, "hostPort": 80}]
    node, name = pod["spec"]["nodeName"], pod["metadata"]["name"]
    assert claims(pod, node) == (f"Pod default/{name}",) and claims(pod, "another") == ()
    pod["status"]["phase"] = "Succeeded"
    assert claims(pod, node) == ()


def test_a_service_with_the_nodes_address() -> None:
    service = objects()["Service ui"]
    service["spec"]["externalIPs"] = [NODE]
    assert (
        claims(service) == ("Service default/ui",)
        and claims(service, address="192.168.60.12") == ()
    )
    assert claimed([service], 80, "dev-worker-1", NODE, but="Service default/ui") == ()
    service["spec"]["ports"][0]["port"] = 8080
    assert claims(service) == ()
    given = objects()["Service ui"]
    given["status"]["loadBalancer"]["ingress"] = [{"ip": NODE}]
    assert claims(given) == ("Service default/ui",)


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        ('mode: ""\n', "iptables"),
        ("mode: ipvs\n", "ipvs"),
        ("clusterCIDR: 10.244.0.0/16\n", "iptables"),
        ("", ""),
        ("- 1\n", ""),
    ],
)
def test_how_kube_proxy_works(config: str, mode: str) -> None:
    assert proxy_mode(config) == mode


def test_what_kubeadm_writes() -> None:
    assert proxy_mode(recorded("facts/kube_proxy_config.yaml")) == "iptables"
