"""What minikube prints as JSON: its version, its profiles, their state, and a dry run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from kubeup.cluster.providers import versions
from kubeup.cluster.providers.versions import Version

FIRST_NODE = 1
DEFAULT_SERVICES = "10.96.0.0/12"  # minikube's constants.DefaultServiceCIDR
NO_MACHINE = ("", "Nonexistent")  # a node's host where it has no machine
VERSION = re.compile(r'"minikubeVersion":\s*"v(\d+)\.(\d+)\.(\d+)')
# some builds have a + behind it
KUBECTL_MINOR = re.compile(r'"minor":\s*"(\d+)')
# the first node has no name of its own
NODE = re.compile(r"^m(\d+)$")
DRIVER = re.compile(r"(?:Automatically selected|Using) the (\S+) driver")
ERROR_EVENT = "io.k8s.sigs.minikube.error"
KUBERNETES_STOPPED = "the machine is running, Kubernetes is not"
UNKNOWN = "can't be checked: minikube is not installed here"
OUTDATED_KUBECONFIG = "the kubeconfig has an outdated address of the API server"


@dataclass(frozen=True)
class ProfileNode:
    """A node by the name it has as a machine and in Kubernetes. `number` 1 is the control plane."""

    name: str
    number: int
    control: bool
    address: str

    @property
    def role(self) -> Literal["control", "worker"]:
        return "control" if self.control else "worker"


@dataclass(frozen=True)
class Profile:
    """A profile as minikube keeps it. Memory in MiB, `kubernetes` without the v."""

    name: str = ""
    driver: str = ""
    kubernetes: str = ""
    runtime: str = ""
    cpus: int = 0
    memory: int = 0
    services: str = DEFAULT_SERVICES  # the network of Services
    plain_registries: tuple[str, ...] = ()  # those its nodes ask without TLS
    nodes: tuple[ProfileNode, ...] = ()

    @property
    def exists(self) -> bool:
        return bool(self.name)

    def trusts(self, registry: str) -> bool:
        """Whether its nodes ask a registry without TLS: by its name and port.

        For dockerd also by the network it is in.
        """
        named = {entry.removeprefix("http://") for entry in self.plain_registries}
        if registry in named or self.runtime != "docker":
            return registry in named
        return any(_within(registry, entry) for entry in named if "/" in entry)


NO_PROFILE = Profile()


def _within(registry: str, network: str) -> bool:
    try:
        return ip_address(registry.rsplit(":", 1)[0]) in ip_network(network, strict=False)
    except ValueError:  # a name
        return False


@dataclass(frozen=True)
class NodeStatus:
    """One node's state in minikube's words, such as Running, Stopped, Nonexistent, Irrelevant."""

    name: str
    host: str = ""
    kubelet: str = ""
    apiserver: str = ""
    kubeconfig: str = ""

    @property
    def exists(self) -> bool:
        return self.host not in NO_MACHINE

    @property
    def running(self) -> bool:
        """Whether its machine and its Kubernetes run; a worker's API server is Irrelevant."""
        runs = self.host == self.kubelet == "Running"
        return runs and self.apiserver in ("Running", "Irrelevant")

    @property
    def state(self) -> str:
        """As in `NodeState`."""
        if self.running:
            return "running"
        if self.exists:
            return "stopped"
        return "missing"

    @property
    def detail(self) -> str:
        """What is wrong with it, in words."""
        if self.running:
            return OUTDATED_KUBECONFIG if self.kubeconfig == "Misconfigured" else ""
        return {"Running": KUBERNETES_STOPPED, UNKNOWN: UNKNOWN}.get(self.host, "")


@dataclass(frozen=True)
class DryRun:
    """What `minikube start --dry-run --output=json` came to.

    The driver it takes, or the error's id and words.
    """

    driver: str = ""
    error: str = ""
    message: str = ""


def parsed(text: str) -> Any:
    """What a JSON text holds; None where it is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _object(text: str) -> dict[str, Any]:
    content = parsed(text)
    return content if isinstance(content, dict) else {}


def version(text: str) -> Version:
    """(1, 36, 0) from `minikube version -o json`; () where it is another text."""
    return versions.parse(VERSION, text)


def kubectl_minor(text: str) -> int:
    """26 from `kubectl version --client -o json`; 0 where it is another text."""
    return sum(versions.parse(KUBECTL_MINOR, text))


def lists_profiles(text: str) -> bool:
    """Whether that is an answer of `minikube profile list -o json`: an error is JSON as well."""
    return "valid" in _object(text)


def profiles(text: str) -> dict[str, Profile]:
    """Profiles by name from `minikube profile list -o json`; NO_PROFILE for an invalid one."""
    listing = _object(text)
    known = {row["Name"]: NO_PROFILE for row in listing.get("invalid") or [] if row}
    for row in listing.get("valid") or []:
        if config := row.get("Config"):
            known[config["Name"]] = _profile(config)
    return known


def states(text: str) -> dict[str, str]:
    """By profile from `minikube profile list -o json` (not --light): running, stopped, or other."""
    words = {"OK": "running", "Running": "running"}
    rows = _object(text).get("valid") or []
    return {
        str(row["Name"]): words.get(row.get("Status"), str(row.get("Status") or "").lower())
        for row in rows
    }


def starting(text: str, name: str) -> bool:
    """Whether `minikube profile list -o json` (not --light) calls a profile half made."""
    rows = _object(text).get("valid") or []
    return any(row["Name"] == name and row.get("Status") == "Starting" for row in rows)


def profile(text: str) -> Profile:
    """From a profile's own config.json; NO_PROFILE where it is half of one."""
    try:
        return _profile(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return NO_PROFILE


def _profile(config: dict[str, Any]) -> Profile:
    name = config["Name"]
    kubernetes = config.get("KubernetesConfig") or {}
    nodes = tuple(_node(name, row) for row in config.get("Nodes") or [])
    if len(nodes) == 1:  # minikube calls the only node as the profile, whatever its own name
        nodes = (replace(nodes[0], name=name),)
    return Profile(
        name=name,
        driver=config.get("Driver", ""),
        kubernetes=kubernetes.get("KubernetesVersion", "").removeprefix("v"),
        runtime=kubernetes.get("ContainerRuntime", ""),
        cpus=config.get("CPUs", 0),
        memory=config.get("Memory", 0),
        services=kubernetes.get("ServiceCIDR") or DEFAULT_SERVICES,
        plain_registries=tuple(config.get("InsecureRegistry") or ()),
        nodes=nodes,
    )


def _node(profile: str, row: dict[str, Any]) -> ProfileNode:
    number = sum(versions.parse(NODE, row.get("Name", ""))) or FIRST_NODE
    address = row.get("IP", "")
    return ProfileNode(_machine(profile, number), number, bool(row.get("ControlPlane")), address)


def _machine(profile: str, number: int) -> str:
    return profile if number == FIRST_NODE else f"{profile}-m{number:02}"


def wanted_nodes(profile: str, existing: Sequence[ProfileNode], count: int) -> list[ProfileNode]:
    """So many nodes: those that are existing, then the next ones by minikube's numbers."""
    nodes = list(existing[:count])
    # a number that was given once is not given again as long as a higher one is existing
    number = max((node.number for node in existing), default=0)
    while len(nodes) < count:
        number += 1
        name = _machine(profile, number)
        nodes.append(ProfileNode(name, number, control=number == FIRST_NODE, address=""))
    return nodes


def statuses(text: str) -> dict[str, NodeStatus]:
    """Nodes by name from `minikube status -o json`; none where minikube can't tell.

    It prints one object for one node, and an array for more.
    """
    answer = parsed(text) or []
    rows = [answer] if isinstance(answer, dict) else answer
    return {row["Name"]: _status(row) for row in rows if isinstance(row, dict) and "Name" in row}


def _status(row: dict[str, str]) -> NodeStatus:
    keys = ("Host", "Kubelet", "APIServer", "Kubeconfig")
    return NodeStatus(row["Name"], *(row.get(key, "") for key in keys))


def dry_run(text: str) -> DryRun:
    """From the CloudEvents that a dry run prints, one JSON object a line."""
    result = DryRun()
    for line in text.splitlines():
        event = _object(line)
        data = event.get("data") or {}
        message = str(data.get("message", ""))
        # an error without a name repeats what minikube writes to standard error
        if event.get("type") == ERROR_EVENT and data.get("name"):
            result = replace(result, error=str(data["name"]), message=message)
        elif match := DRIVER.search(message):
            result = replace(result, driver=match[1])
    return result
