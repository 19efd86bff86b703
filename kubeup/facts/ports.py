"""Who has a port of a node's address already: programs, pods and Services."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from kubeup.facts.nested import value

Item = dict[str, Any]
EVERY = ("*", "0.0.0.0", "::")  # noqa: S104 - how ss writes that a program listens everywhere
PROGRAM = re.compile(r'users:\(\("([^"]+)"')
ENDED = ("Succeeded", "Failed")


def listeners(ss: str, address: str) -> tuple[str, ...]:
    """Names of the programs that listen where `address` leads, from `ss -Hltnp 'sport = :PORT'`.

    One on another address, such as the loopback, is in nobody's way.
    """
    found = dict[str, None]()
    for line in ss.splitlines():
        local = line.split()[3].rpartition(":")[0].partition("%")[0].strip("[]")
        if local.removeprefix("::ffff:") in (*EVERY, address):
            name = PROGRAM.search(line)
            found[name[1] if name else "a program"] = None
    return tuple(found)


def claimed(items: Iterable[Item], port: int, node: str, address: str, but: str) -> tuple[str, ...]:
    """The pods and Services that have `port` of that node by Kubernetes' word, but for one.

    A pod's hostPort and an address that a Service is given have no program that listens.
    """
    found = (
        _key(item)
        for item in items
        if _pod_claims(item, port, node) or _service_claims(item, port, address)
    )
    return tuple(key for key in found if key != but)


def _key(item: Item) -> str:
    return f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"


def _pod_claims(item: Item, port: int, node: str) -> bool:
    if item["kind"] != "Pod" or item["spec"].get("nodeName") != node:
        return False
    rows = (row for one in item["spec"]["containers"] for row in one.get("ports", []))
    claims = any(row.get("hostPort") == port for row in rows)
    return claims and item["status"].get("phase") not in ENDED


def _service_claims(item: Item, port: int, address: str) -> bool:
    ports = (row["port"] for row in value(item, "spec", "ports", default=[]))
    if item["kind"] != "Service" or port not in ports:
        return False
    external = value(item, "spec", "externalIPs", default=[])
    given = value(item, "status", "loadBalancer", "ingress", default=[])
    return address in (*external, *(row.get("ip") for row in given))


def proxy_mode(config: str) -> str:
    """How kube-proxy works, from its configuration file; "" for one that does not say."""
    found = yaml.safe_load(config)
    if not isinstance(found, dict):
        return ""
    return found.get("mode") or "iptables"  # its default on Linux
