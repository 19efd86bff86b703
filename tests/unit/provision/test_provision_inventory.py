from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import interpreters
import jinja2
import pytest
import yaml
from builders import SANDBOX, settings, state, three

from kubeup.cluster.provision import inventory as inventories
from kubeup.cluster.provision import play
from kubeup.cluster.provision.inventory import ANSIBLE, InventoryInputs
from kubeup.cluster.release import source
from kubeup.core.pace import Pace
from kubeup.facts import certificates, registries
from kubeup.facts.host import HostFacts
from kubeup.system.ssh import SshTarget


@pytest.fixture
def made_of(tmp_path: Path) -> Callable[..., InventoryInputs]:
    def make(keys: str = "", host: HostFacts = SANDBOX, **machines: Any) -> InventoryInputs:
        chosen, where = settings(tmp_path, keys), state(tmp_path)
        ssh_targets = [
            SshTarget(
                one.name,
                one.role,
                one.address,
                chosen.ssh.user,
                where.private_key,
                where.known_hosts,
            )
            for one in chosen.nodes_list()
        ]
        return InventoryInputs(
            chosen,
            where,
            host,
            three(**machines),
            source.choose("auto", host),
            ssh_targets,
            Path("/cache/images.tar"),
        )

    return make


def variables(inventory_inputs: InventoryInputs) -> dict[str, Any]:
    found: dict[str, Any] = inventories.inventory(inventory_inputs)["nodes"]["vars"]
    return found


def test_hosts_and_groups(made_of: Callable[..., InventoryInputs], tmp_path: Path) -> None:
    whole = inventories.inventory(made_of())
    assert whole["nodes"]["hosts"]["dev-worker-1"] == {
        "ansible_host": "192.168.60.11",
        "ansible_port": 22,
        "ansible_user": "vagrant",
        "kubeup_address": "192.168.60.11",
        "kubeup_pod_range": "10.244.1.0/24",
    }
    assert whole["control"] == {"hosts": {"dev-control": {}}}
    assert whole["workers"] == {"hosts": {"dev-worker-1": {}, "dev-worker-2": {}}}
    assert shlex.split(whole["nodes"]["vars"]["ansible_ssh_common_args"]) == [
        f'-oUserKnownHostsFile="{tmp_path}/state/known_hosts"',
        "-oStrictHostKeyChecking=yes",
        "-oIdentitiesOnly=yes",
        f'-oIdentityFile="{tmp_path}/state/id_rsa"',
    ]


def test_variables_for_nodes_in_containers(made_of: Callable[..., InventoryInputs]) -> None:
    found = variables(made_of(limited=True, cgroup_driver="cgroupfs"))
    assert found["kubeup_cgroup_driver"] == "cgroupfs"
    assert (
        found["kubeup_limited_nodes"]
        is found["kubeup_container_nodes"]
        is found["kubeup_node_has_release"]
        is True
    )
    assert (found["kubeup_version"], found["kubeup_context"]) == ("1.26.1", "kubeup-dev")
    assert found["kubeup_pause_image"] == "registry.k8s.io/pause:3.9"
    assert [one["name"] for one in found["kubeup_binaries"]] == ["kubeadm", "kubelet", "kubectl"]
    assert found["kubeup_registries"] == found["kubeup_ca_certificates"] == []


def test_nodes_are_told_of_a_proxy_and_are_no_others_for_it(
    made_of: Callable[..., InventoryInputs],
) -> None:
    behind = replace(
        SANDBOX,
        proxies={
            "https_proxy": "http://proxy.example.org:3128",
            "http_proxy": "http://127.0.0.1:3128",
        },
    )
    found = variables(made_of(host=behind))
    assert {name: value for name, value in found["kubeup_proxies"].items() if name.islower()} == {
        "https_proxy": "http://proxy.example.org:3128",
        "no_proxy": "localhost,127.0.0.1,::1,.svc,.cluster.local,"
        "192.168.60.0/24,10.244.0.0/16,10.96.0.0/16",
    }
    assert variables(made_of())["kubeup_proxies"] == {}
    # another network tomorrow is no reason to touch nodes that work
    assert inventories.digest(made_of(host=behind)) == inventories.digest(made_of())


def test_authorities_and_mirrors_make_a_node_another(
    made_of: Callable[..., InventoryInputs],
) -> None:
    mirrored = made_of("images: {mirrors: {docker.io: ['https://mirror.example.com']}}")
    (registry,) = variables(mirrored)["kubeup_registries"]
    assert registry["name"] == "docker.io" and "mirror.example.com" in registry["hosts"]
    trusting = replace(made_of(), authorities=("a certificate",))
    (certificate,) = variables(trusting)["kubeup_ca_certificates"]
    assert certificate["pem"] == "a certificate" and certificate["name"].startswith("kubeup-")
    # unlike a proxy, which is another one tomorrow, they are carried to nodes that are there
    assert len({inventories.digest(one) for one in (made_of(), mirrored, trusting)}) == 3


def test_the_play_knows_our_files_by_the_words_in_them() -> None:
    def found_by(role: str, file: str) -> dict[str, str]:
        tasks = yaml.safe_load((inventories.ANSIBLE / "roles" / role / "tasks" / file).read_text())
        (row,) = (row["ansible.builtin.find"] for row in tasks if "ansible.builtin.find" in row)
        return dict(row)

    assert re.match(found_by("containerd", "registry.yml")["contains"], registries.MARK)
    assert found_by("base", "certificates.yml")["patterns"] == f"{certificates.PREFIX}*.crt"


def test_a_node_is_no_other_for_its_size(made_of: Callable[..., InventoryInputs]) -> None:
    """It sees that itself, and no longer the machine's."""
    digest, larger = inventories.digest(made_of()), replace(SANDBOX, memory=131072, cpus=64)
    assert inventories.digest(made_of("nodes: {workers: {memory: 2048}}")) == digest
    assert inventories.digest(made_of(host=larger)) == digest


def test_a_slow_day_makes_no_node_another_one(made_of: Callable[..., InventoryInputs]) -> None:
    slow = replace(SANDBOX, pace=Pace(9))
    assert (variables(made_of())["kubeup_pace"], variables(made_of(host=slow))["kubeup_pace"]) == (
        1,
        9,
    )
    assert inventories.digest(made_of(host=slow)) == inventories.digest(made_of())


@pytest.mark.parametrize(
    ("times", "control", "discovery"),
    [(None, "240s", "300s"), (9, "2160s", "2700s"), ("9", "2160s", "2700s")],
)
def test_kubeadms_own_limits_follow(times: object, control: str, discovery: str) -> None:
    more = {} if times is None else {"kubeup_pace": times}
    words = [
        "kubeadm",
        "join",
        "192.168.60.10:6443",
        "--token",
        "a.b",
        "--discovery-token-ca-cert-hash",
        "sha256:c",
    ]
    assert f"timeoutForControlPlane: {control}\n" in rendered(
        "control_plane/templates/kubeadm.yaml.j2", **more
    )
    assert (
        yaml.safe_load(rendered("worker/templates/join.yaml.j2", worker_words=words, **more))[
            "discovery"
        ]["timeout"]
        == discovery
    )


def rendered(template: str, **variables: object) -> str:
    return str(
        jinja2.Template((ANSIBLE / "roles" / template).read_text(encoding="utf-8")).render(
            **variables
        )
    )


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("10.244.0.0/16", ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]),
        ("10.9.4.0/22", ["10.9.4.0/24", "10.9.5.0/24", "10.9.6.0/24"]),
    ],
)
def test_each_node_has_a_range_of_its_own(
    tmp_path: Path, network: str, expected: list[str]
) -> None:
    chosen = settings(tmp_path, f"network: {{pod_cidr: {network}}}")
    assert list(inventories.pod_ranges(chosen, chosen.nodes_list()).values()) == expected


@pytest.mark.parametrize("registry", ["192.168.1.5:5000", "localhost:5000", "docker.io"])
def test_a_registry_is_asked_without_tls_where_it_is_said_alone(
    tmp_path: Path, registry: str
) -> None:
    keys = f"images: {{via: registry, prefix: ana, registry: '{registry}'}}"
    assert settings(tmp_path, keys).images.plain_registries == ()


def test_a_registry_without_tls(tmp_path: Path) -> None:
    keys = "images: {registry: '192.168.1.5:5000', prefix: ana, insecure: true}"
    assert settings(tmp_path, keys).images.plain_registries == ("192.168.1.5:5000",)


@pytest.mark.parametrize(
    "keys",
    [
        "network: {pod_cidr: 10.200.0.0/16}",
        "network: {service_cidr: 10.97.0.0/16}",
        "images: {registry: '192.168.1.5:5000', prefix: ana, insecure: true}",
    ],
)
def test_a_setting_that_a_node_carries_changes_the_digest(
    made_of: Callable[..., InventoryInputs], keys: str
) -> None:
    assert inventories.digest(made_of(keys)) != inventories.digest(made_of())


@pytest.mark.parametrize(
    "keys",
    [
        "ports: {api: 31007}",
        "database: {storage: 3Gi}",
        "environment: 'another label'",
        "ssh: {user: ana}",
    ],
)
def test_a_setting_that_no_node_carries_does_not(
    made_of: Callable[..., InventoryInputs], keys: str
) -> None:
    assert inventories.digest(made_of(keys)) == inventories.digest(made_of())


def test_where_things_lie_does_not_change_a_node(
    made_of: Callable[..., InventoryInputs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made_of()
    first = inventories.digest(before)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    moved = replace(
        before,
        state=replace(before.state, folder=tmp_path / "other"),
        images=Path("/elsewhere/images.tar"),
    )
    assert inventories.digest(moved) == first


def test_another_release_or_another_role_is_another_digest(
    made_of: Callable[..., InventoryInputs],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = made_of()
    first = inventories.digest(before)
    assert inventories.digest(replace(before, release=source.choose("download", SANDBOX))) != first
    (tmp_path / "ansible").mkdir()
    (tmp_path / "ansible" / "site.yml").write_text("[]")
    monkeypatch.setattr(inventories, "ANSIBLE", tmp_path / "ansible")
    assert inventories.digest(before) != first


@pytest.mark.processes
def test_plain_ansible_reads_the_same_from_the_file_and_runs_none_of_it(
    made_of: Callable[..., InventoryInputs], tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    running = "{{ lookup('pipe', 'touch " + str(canary) + "') }}"
    before = made_of()
    named = replace(before, state=replace(before.state, folder=tmp_path / running))
    whole = inventories.inventory(named)["nodes"]
    file = tmp_path / "inventory.yml"
    file.write_text(play.text(inventories.inventory(named)), encoding="utf-8")
    read = interpreters.ansible(file)
    assert read == {name: whole["vars"] | own for name, own in whole["hosts"].items()}
    assert running in read["dev-control"]["kubeup_kubeconfig"] and not canary.exists()
