"""At which nodes' addresses the UI answers, and what keeps it from one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from builders import error_of, reach, recorded, state

from kubeup.application import apply
from kubeup.application.external import External, Published
from kubeup.core.errors import Refused
from kubeup.core.shell import Output
from kubeup.system import ssh
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget

NAMES = ("dev-control", "dev-worker-1", "dev-worker-2")
ADDRESSES = tuple(f"192.168.60.1{number}" for number in range(3))
TAKEN = "port 80 of dev-worker-1 can't be the UI's: {} has it"
NGINX = 'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=77,fd=6))\n'
ITEMS = [
    *json.loads(recorded("diagram/cluster.json"))["items"],
    *json.loads(recorded("diagram/default.json"))["items"],
]


@dataclass(frozen=True)
class Recorded(Kubectl):
    """A kubectl that answers with what a cluster said."""

    mode: str = 'mode: ""\n'
    objects: list[dict[str, Any]] = field(default_factory=lambda: copy.deepcopy(ITEMS))

    @property
    def service(self) -> dict[str, Any]:
        return next(
            one
            for one in self.objects
            if (one["kind"], one["metadata"]["name"]) == ("Service", "ui")
        )

    def items(self, *words: str) -> list[dict[str, Any]]:
        return [self.service] if words[0] == "services" else self.objects

    def read(
        self,
        *words: str,
        ok: tuple[int, ...] | None = (0,),
        stdin: str | None = None,
        timeout: float = 60,
    ) -> Output:
        assert words[:3] == ("get", "configmap", "kube-proxy")
        return Output(0, self.mode, "")


Make = Callable[..., tuple[External, list[str]]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Three nodes, what ss says on each, and the names of those that were asked."""

    def one(
        said: dict[str, Output] | None = None, port: int = 80, named: bool = False, **more: Any
    ) -> tuple[External, list[str]]:
        asked: list[str] = []

        def run_all(
            ssh_targets: Sequence[SshTarget], *command: str, root: bool
        ) -> dict[str, Output]:
            assert command == ("ss", "-Hltnp", f"sport = :{port}") and root
            asked.extend(node.name for node in ssh_targets)
            return {
                node.name: (said or {}).get(node.name, Output(0, "", "")) for node in ssh_targets
            }

        monkeypatch.setattr(ssh, "run_all", run_all)
        monkeypatch.setattr(ssh, "known", lambda _, node: node.name != more.get("stranger"))
        ssh_targets = tuple(
            reach(name, address=address) for name, address in zip(NAMES, ADDRESSES, strict=True)
        )
        kubectl = Recorded(
            Path("kubectl"),
            tmp_path / "kubeconfig",
            "kubeup-dev",
            mode=more.get("mode", 'mode: ""\n'),
        )
        return External(port, named, lambda: ssh_targets, kubectl, state(tmp_path)), asked

    return one


def service(external: External) -> dict[str, Any]:
    assert isinstance(external.kubectl, Recorded)
    found: dict[str, Any] = external.kubectl.service
    return found


def test_every_node_where_the_port_is_free(make: Make) -> None:
    external, asked = make()
    found = external.now()
    assert found == Published(80, ADDRESSES) and sorted(asked) == sorted(NAMES)
    assert (found.url(ADDRESSES[2]), found.url("192.168.60.99")) == ("http://192.168.60.12/", "")
    assert replace(found, port=8080).url(ADDRESSES[2]) == "http://192.168.60.12:8080/"
    external.now()
    assert len(asked) == 3  # each once in a run


def test_a_node_that_the_service_has_is_not_asked_again(make: Make) -> None:
    external, asked = make()
    service(external)["spec"]["externalIPs"] = list(ADDRESSES[:2])
    assert external.now().addresses == ADDRESSES and asked == ["dev-worker-2"]
    assert external.has(ADDRESSES[0]) and not external.has(ADDRESSES[2])
    service(external)["spec"]["ports"][0]["port"] = 8080  # decided on for another port
    assert external.decided() == ()


def test_where_the_service_has_all_nodes_it_is_read_once_in_a_run(make: Make) -> None:
    external, _ = make()
    service(external)["spec"]["externalIPs"] = list(ADDRESSES)
    first = external.found()
    service(external)["spec"]["externalIPs"] = []
    assert external.found() is first
    another = reach("dev-worker-3", address="192.168.60.13")
    more = replace(external, nodes=lambda: (*external.nodes(), another))
    assert more.found() is not first


def test_a_node_whose_port_is_taken_is_left_out(make: Make) -> None:
    external, _ = make({"dev-worker-1": Output(0, NGINX, "")})
    others = (ADDRESSES[0], ADDRESSES[2])
    assert external.now() == Published(80, others, (TAKEN.format("nginx"),))


def test_a_port_that_the_settings_name_has_to_be_free(make: Make) -> None:
    external, _ = make({"dev-worker-1": Output(0, NGINX, "")}, named=True)
    error = error_of(external.now)
    assert (
        isinstance(error, Refused)
        and error.what == "port 80 of dev-worker-1 can't be the UI's: nginx has it"
        and "ports.http" in error.next
    )


def test_where_another_service_has_the_address(make: Make) -> None:
    external, _ = make()
    other = copy.deepcopy(service(external))
    other["metadata"]["name"] = "theirs"
    other["spec"]["externalIPs"] = [ADDRESSES[1]]
    external.kubectl.items("nodes").append(other)
    assert external.now().left_out == (TAKEN.format("Service default/theirs"),)


@pytest.mark.parametrize("mode", ["mode: ipvs\n", ""])
def test_a_kube_proxy_that_would_take_the_nodes_addresses(make: Make, mode: str) -> None:
    found = make(mode=mode)[0].now()
    assert (
        found.addresses == ()
        and len(found.left_out) == 3
        and "kube-proxy in the mode" in found.left_out[0]
    )


def test_a_node_that_can_not_be_asked_counts_as_free_until_something_is_applied(make: Make) -> None:
    external, _ = make(
        {"dev-worker-1": Output(ssh.UNREACHED, "", "no answer")}, stranger="dev-worker-2"
    )
    found = external.now()
    assert found.addresses == ADDRESSES and found.unasked == ("dev-worker-1", "dev-worker-2")
    assert "dev-worker-1, dev-worker-2" in error_of(apply.require_asked, found).what
    apply.require_asked(replace(found, unasked=()))


def test_a_node_without_ss_does_not_count_as_free(make: Make) -> None:
    external, _ = make({"dev-worker-1": Output(127, "", "ss: not found")})
    (words,) = external.now().left_out
    assert words.startswith("port 80 of dev-worker-1") and "ss: not found" in words


def test_a_node_that_leaves_gives_its_address_back(make: Make) -> None:
    external, asked = make()
    service(external)["spec"]["externalIPs"] = list(ADDRESSES)
    assert replace(external, leaving="dev-worker-2").now().addresses == ADDRESSES[:2]
    service(external)["spec"]["externalIPs"] = list(ADDRESSES[1:])
    assert replace(external, leaving="dev-worker-2").now() == Published(80, ADDRESSES[1:2])
    assert asked == []


def test_no_port_asks_nobody(make: Make) -> None:
    external, asked = make(port=0)
    assert external.now() == Published() and asked == []


def test_a_program_that_came_later_waits_in_vain(make: Make) -> None:
    external, _ = make({"dev-worker-1": Output(0, NGINX, ""), "dev-worker-2": Output(0, NGINX, "")})
    service(external)["spec"]["externalIPs"] = list(ADDRESSES[:2])
    assert external.shadowed() == ("nginx on dev-worker-1",)
    pod = next(one for one in external.kubectl.items("pods") if one["kind"] == "Pod")
    pod["spec"]["nodeName"] = "dev-control"
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": 8000, "hostPort": 80}]
    first = f"Pod default/{pod['metadata']['name']} on dev-control"
    assert external.shadowed() == (first, "nginx on dev-worker-1")


def test_nodes_that_do_not_run_are_not_asked(make: Make) -> None:
    external, asked = make({"dev-worker-1": Output(0, NGINX, "")})
    service(external)["spec"]["externalIPs"] = list(ADDRESSES)
    assert external.on(["dev-control", "dev-worker-2"]).shadowed() == ()
    assert "dev-worker-1" not in asked and asked
