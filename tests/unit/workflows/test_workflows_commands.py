"""What `--commands` shows of a step is what it starts: the same lines, in the same order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import recorded
from scenarios import NAMES as MACHINES
from scenarios import (
    World,
    another_size,
    local_down,
    nodes_provisioned_otherwise,
    nothing_there,
    start,
    through_a_registry,
    vagrants_machines,
    worker_removed,
    world,
)

from kubeup.application import watch
from kubeup.application.external import Published
from kubeup.application.network import WaitForNetwork
from kubeup.application.overlay import Overlay
from kubeup.cluster.providers.local import disks, nodes
from kubeup.cluster.providers.local.forwarding import NodesNetwork
from kubeup.cluster.providers.vagrant import facts
from kubeup.cluster.provision.cni import PrepareManifest
from kubeup.cluster.release import build
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Explained, Step
from kubeup.core.shell import Output
from kubeup.core.state import write_private
from kubeup.facts.forwarding import Forwarding
from kubeup.system import cache, ssh
from kubeup.system.kubectl import Kubectl
from kubeup.workflows.nodes import WaitForNodes

# what waits for what nobody brings about here, and what this process fetches itself: the line that
# is shown does the same by hand
LEFT_OUT = (WaitForNodes, WaitForNetwork, PrepareManifest)
SCENES = (
    nothing_there,
    through_a_registry,
    nodes_provisioned_otherwise,
    another_size,
    vagrants_machines,
    start,
    worker_removed,
    local_down,
)
# folders that are new each time, and what stands for them in a line that is shown
NEW = (
    (re.compile(r"/\.([^/ ]+)\.\w{8}(?=[/ ]|$)"), r"/\1"),  # `cache.made_whole`
    (re.compile(r"/contexts/\w+"), "/contexts/NEW"),
    (re.compile(r"^\S+/go build"), "go build"),  # the one that an earlier step brings
    (re.compile(r"^\S+ -m ansible playbook"), "ansible-playbook"),
    (re.compile(r"^cd \S+ && "), ""),  # where a shell has to be for vagrant
)


NODES = [
    item for item in json.loads(recorded("diagram/cluster.json"))["items"] if item["kind"] == "Node"
]


class Recorded:
    """Every command line that changes something on this machine, or by its tools."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.asked: list[str] = []
        self.images: set[str] = set()

    def read(self, *argv: str, **_: Any) -> Output:
        """Nothing is there, but for what was imported before."""
        self.asked.append(plain(shell.shown(argv)))
        there = self.images.intersection(argv)
        return Output(0, "", "") if there else Output(1, "", "no such object")

    def write(self, *argv: str, **_: Any) -> str:
        self.lines.append(plain(shell.shown(argv)))
        if "import" in argv:
            self.images.add(argv[-1])
        return ""

    def save(self, *argv: str, into: Path, **_: Any) -> None:
        into.touch()
        self.lines.append(plain(f"{shell.shown(argv)} > {into}"))


def plain(line: str) -> str:
    for pattern, stands in NEW:
        line = pattern.sub(stands, line)
    return line


@pytest.fixture
def carried(tmp_path: Path) -> Iterator[tuple[World, Recorded]]:
    with world(tmp_path) as there:
        yield there, Recorded()


def put_to_work(there: World, ran: Recorded) -> None:
    """What the plan was made of stays as it is; from here on it is carried out, on nothing."""
    wanted = Forwarding("dev", "podman1", IPv4Network("10.9.0.0/24"), IPv4Network("10.8.0.0/16"))
    for owner, name, value in (
        (shell, "write", ran.write),
        (shell, "save", ran.save),
        (shell, "read", ran.read),
        (cache, "_link", lambda file, target: target.touch()),
        (shell, "which", lambda tool: f"/usr/bin/{tool}"),
        (ssh, "feed", lambda *_, **__: Output(0, "", "")),
        (ssh, "run", lambda *_, **__: Output(0, "", "")),
        (build, "go_tool", lambda: "/usr/lib/go-1.19/bin/go"),
        (disks, "copy_disk", lambda *_: None),
        (disks, "complete_disk", lambda *_: True),
        (disks, "named", lambda _, names: [SimpleNamespace(name=one) for one in names]),
        (nodes, "bears", lambda *_: True),
        (nodes, "wait_for_sshd", lambda *_: None),
        (ssh, "known_hosts_line", lambda *_: ""),
        (NodesNetwork, "forwarding", lambda _: wanted),
        (Kubectl, "require_access", lambda _: None),
        (Kubectl, "items", lambda *_: NODES),
        (watch, "until_ready", lambda *_: None),
        # which `vagrant up` has printed
        (facts, "host_keys", lambda _: dict.fromkeys(MACHINES, "ssh-ed25519 AAAA")),
        (Overlay, "published", lambda _: Published()),
    ):
        there.patch.setattr(owner, name, value)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_what_is_shown_is_what_is_started(scene: Any, carried: tuple[World, Recorded]) -> None:
    there, ran = carried
    plan = scene(there)
    put_to_work(there, ran)
    write_private(there.folder / "state" / "id_rsa.pub", "ssh-rsa AAAA ana")
    for step in plan:
        if isinstance(step.action, LEFT_OUT):
            continue
        ran.lines.clear()
        ran.asked.clear()
        ran.images.clear()
        there.passwords()
        shown = [plain(line) for line in lines(step)]
        failed = carried_out(step)
        started = [line for line in shown if line not in ran.asked]
        assert ran.lines == started, (step.id, failed)


def lines(step: Step) -> tuple[str, ...]:
    return step.action.commands() if isinstance(step.action, Explained) else ()


def carried_out(step: Step) -> str:
    """Why it failed, on a machine that has nothing; '' where it did not."""
    try:
        step.action.run(lambda _: None)
    except (KubeupError, OSError, ValueError) as error:
        return repr(error)
    return ""
