"""What minikube says of itself, as JSON: its version, its profiles, their state, and what a dry
run came to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

FIRST_NODE = 1
DEFAULT_SERVICES = "10.96.0.0/12"  # minikube's constants.DefaultServiceCIDR
UNTOLD = ("", "Nonexistent")  # of a machine's host: there is none


@dataclass(frozen=True)
class ProfileNode:
    """A node by the name it has as a machine and in Kubernetes. `number` 1 is the control plane."""

    name: str
    number: int
    control: bool
    address: str


@dataclass(frozen=True)
class Profile:
    """A profile as minikube keeps it. Memory in MiB, disk in MB, `kubernetes` without the v."""

    name: str
    driver: str
    kubernetes: str
    runtime: str
    cpus: int
    memory: int
    disk: int
    services: str  # the network of Services
    plain_registries: tuple[str, ...]  # those its nodes ask without TLS
    nodes: tuple[ProfileNode, ...]

    def trusts(self, registry: str) -> bool:
        """Whether its nodes ask a registry without TLS: by its name and port, or for dockerd by
        the network it is in.
        """
        named = {entry.removeprefix("http://") for entry in self.plain_registries}
        return registry in named or (
            self.runtime == "docker"
            and any(_within(registry, entry) for entry in named if "/" in entry)
        )


def _within(registry: str, network: str) -> bool:
    try:
        return ip_address(registry.rsplit(":", 1)[0]) in ip_network(network, strict=False)
    except ValueError:  # a name
        return False


@dataclass(frozen=True)
class NodeStatus:
    """One node's state in minikube's words: Running, Stopped, Paused, Nonexistent, Error,
    Irrelevant, …
    """

    name: str
    host: str = ""
    kubelet: str = ""
    apiserver: str = ""
    kubeconfig: str = ""

    @property
    def there(self) -> bool:
        return self.host not in UNTOLD

    @property
    def running(self) -> bool:
        """Whether its machine and its Kubernetes run; a worker's API server is Irrelevant."""
        return (
            self.host == "Running"
            and self.kubelet == "Running"
            and self.apiserver in ("Running", "Irrelevant")
        )


@dataclass(frozen=True)
class DryRun:
    """What `minikube start --dry-run --output=json` came to: the driver taken, or the error's id
    and words.
    """

    driver: str = ""
    error: str = ""
    message: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


def version(text: str) -> tuple[int, ...]:
    """(1, 36, 0) from `minikube version -o json`; () where it is another text."""
    try:
        found = str(json.loads(text)["minikubeVersion"])
    except (ValueError, KeyError, TypeError):
        return ()
    match = re.match(r"v(\d+)\.(\d+)\.(\d+)", found)
    return tuple(int(part) for part in match.groups()) if match else ()


def profiles(text: str) -> dict[str, Profile | None]:
    """Profiles by name from `minikube profile list -o json`; None for one that minikube calls
    invalid.
    """
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    invalid = {row["Name"]: None for row in found.get("invalid") or [] if row}
    return {
        **invalid,
        **{
            row["Name"]: _profile(row["Config"])
            for row in found.get("valid") or []
            if row.get("Config")
        },
    }


def tells_profiles(text: str) -> bool:
    """Whether that is an answer of `minikube profile list -o json`: an error is JSON as well,
    and nothing is no answer.
    """
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and "valid" in found


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def profile(text: str) -> Profile | None:
    """From a profile's own config.json; None where it is half of one."""
    try:
        return _profile(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def starting(text: str, name: str) -> bool:
    """Whether `minikube profile list -o json` (not --light) calls a profile half made."""
    try:
        return any(
            row["Name"] == name and row.get("Status") == "Starting"
            for row in json.loads(text or "{}").get("valid") or []
        )
    except ValueError:
        return False


def _profile(config: dict[str, Any]) -> Profile:
    kubernetes = config.get("KubernetesConfig") or {}
    nodes = tuple(_node(config["Name"], row) for row in config.get("Nodes") or [])
    if len(nodes) == 1:  # minikube calls the only node as the profile, whatever its own name
        nodes = (replace(nodes[0], name=config["Name"]),)
    return Profile(
        config["Name"],
        config.get("Driver", ""),
        kubernetes.get("KubernetesVersion", "").removeprefix("v"),
        kubernetes.get("ContainerRuntime", ""),
        config.get("CPUs", 0),
        config.get("Memory", 0),
        config.get("DiskSize", 0),
        kubernetes.get("ServiceCIDR", "") or DEFAULT_SERVICES,
        tuple(config.get("InsecureRegistry") or ()),
        nodes,
    )


def _node(profile: str, row: dict[str, Any]) -> ProfileNode:
    name = row.get("Name", "")
    return ProfileNode(
        machine_name(profile, name), number(name), bool(row.get("ControlPlane")), row.get("IP", "")
    )


def machine_name(profile: str, node: str) -> str:
    """A machine's name: the profile's for the first node, else with the node's (m02, m03, …)
    behind it.
    """
    return f"{profile}-{node}" if node else profile


def number(node: str) -> int:
    """2 from m02; the first node has no name."""
    digits = node.removeprefix("m")
    return int(digits) if digits.isdigit() else FIRST_NODE


def statuses(text: str) -> dict[str, NodeStatus]:
    """Nodes by name from `minikube status -o json`: one object for one node, an array for more,
    nothing where it can't tell.
    """
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return {}
    rows = [found] if isinstance(found, dict) else found or []
    return {
        row["Name"]: NodeStatus(
            row["Name"],
            row.get("Host", ""),
            row.get("Kubelet", ""),
            row.get("APIServer", ""),
            row.get("Kubeconfig", ""),
        )
        for row in rows
        if isinstance(row, dict) and "Name" in row
    }


DRIVER = re.compile(r"(?:Automatically selected|Using) the (\S+) driver")
KIND = "io.k8s.sigs.minikube."


def dry_run(text: str) -> DryRun:
    """From the CloudEvents that a dry run prints, one JSON object a line."""
    seen = DryRun()
    for kind, data in _events(text):
        message = str(data.get("message", ""))
        if kind == "error" and data.get("name"):  # those without one are words on standard error
            seen = replace(seen, error=str(data["name"]), message=message)
        elif match := DRIVER.search(message):
            seen = replace(seen, driver=match.group(1))
    return seen


def _events(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and str(event.get("type", "")).startswith(KIND):
            yield str(event["type"]).removeprefix(KIND), event.get("data") or {}


def kubectl_minor(text: str) -> int:
    """26 from `kubectl version --client -o json`; 0 where it is another text."""
    try:
        return int(re.sub(r"\D", "", str(json.loads(text)["clientVersion"]["minor"])) or 0)
    except (ValueError, KeyError, TypeError):
        return 0
