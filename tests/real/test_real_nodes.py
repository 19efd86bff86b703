"""What makes a container a node like a machine: a size of its own, evictions, a kubelet that
comes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.harness import CONTROL, NODES, WORKER_1, WORKER_2, Cluster, mended, mib, until
from tests.real.lone import Lone, lone
from tests.unit.provision.test_provision_roles import sysctl

pytestmark = pytest.mark.real

EDGE = 100 << 20  # kubelet's own: less than 100Mi left is too little
FILLER = "filler"


def test_the_units_say_nothing_that_systemd_does_not_understand(cluster: Cluster) -> None:
    units = "kubelet.service node-size.service pod-network.service"
    verify = "systemd-analyze verify --man=no --recursive-errors=no"
    assert cluster.on(CONTROL, f"{verify} {units} 2>&1") == ""


@pytest.mark.parametrize("name", NODES)
def test_kubelet_finds_its_folder_of_static_pods(cluster: Cluster, name: str) -> None:
    assert cluster.on(name, "stat -c '%a %U' /etc/kubernetes/manifests").split() == ["700", "root"]
    this_run = "$(systemctl show -p InvocationID --value kubelet)"
    told = cluster.on(name, f"journalctl -q -o cat _SYSTEMD_INVOCATION_ID={this_run}")
    assert "kubelet" in told.lower() and "Unable to read config path" not in told


def test_a_kubelet_that_ends_again_and_again_comes_back(cluster: Cluster) -> None:
    """Seven ends in about ten seconds: systemd's own limit is five starts in that time."""
    script = """
    kubelet() { systemctl show -p MainPID --value kubelet; }
    for _ in $(seq 7); do
      for _ in $(seq 100); do pid=$(kubelet); test "$pid" != 0 && break; sleep 0.1; done
      test "$pid" != 0 && kill -KILL "$pid" || exit 1
      while test "$(kubelet)" = "$pid"; do sleep 0.05; done
    done"""
    with mended(
        lambda: cluster.on(WORKER_1, "systemctl reset-failed kubelet; systemctl start kubelet")
    ):
        cluster.on(WORKER_1, script)
        until(
            lambda: "active" in cluster.on(WORKER_1, "systemctl is-active kubelet; true").split(),
            "kubelet runs again",
            10,
        )
        until(lambda: WORKER_1 in cluster.ready_nodes(), "the node is ready", 60)


@pytest.mark.parametrize("name", NODES)
def test_a_nodes_size_is_its_containers(cluster: Cluster, name: str) -> None:
    """Where kubelet would see its host's: what is given out to pods, and what `free` tells."""
    assert cluster.capacity(name) == (2, 2048)
    given = looked_at(cluster, name)["status"]["allocatable"]
    assert (given["cpu"], mib(given["memory"])) == ("2", 2048 - (EDGE >> 20))
    free = cluster.on(name, "free --kibi | sed -n 2p").split()
    assert int(free[1]) == 2048 << 10 and 0 < int(free[2]) < 2048 << 10


def test_what_is_in_use_is_the_containers_own(cluster: Cluster) -> None:
    """What kubelet evicts by is the node's size without what its own group has in use."""
    memory = summary(cluster, WORKER_2)
    assert memory["availableBytes"] + memory["workingSetBytes"] == 2048 << 20
    files = "cat memory/memory.usage_in_bytes 2>/dev/null || cat memory.current"
    used = cluster.on(WORKER_2, f"cd /sys/fs/cgroup; {files}")
    assert memory["workingSetBytes"] < int(used) * 1.2


def test_a_missing_parameter_is_passed_over_in_a_container_alone(cluster: Cluster) -> None:
    """As where the host has not loaded br_netfilter, with the node's own file and sysctl."""
    file, absent = "/etc/sysctl.d/90-kubeup.conf", "/run/absent.conf"
    for containers, sign in ((True, "-"), (False, "")):
        cluster.on(WORKER_1, f"sed -n 's/^-*net.bridge/{sign}net.absent/p' {file} >{absent}")
        assert cluster.on(WORKER_1, f"grep -c absent {absent}").strip() == "2"
        command = " ".join(sysctl(containers)).replace(file, absent)
        told = cluster.on(WORKER_1, f"{command} 2>&1; echo ended $?", check=False)
        assert "ended 0\n" in told if containers else "cannot stat" in told, told


def summary(cluster: Cluster, node: str) -> dict[str, Any]:
    """A node's memory as kubelet counts it."""
    found: dict[str, Any] = json.loads(measured(cluster, node))["node"]["memory"]
    return found


def measured(cluster: Cluster, node: str) -> str:
    path = f"/api/v1/nodes/{node}/proxy/stats/summary"
    return cluster.kubectl("get", "--raw", path, check=False)


def looked_at(cluster: Cluster, node: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "node", node, "-o", "json"))
    return found


def pressed(cluster: Cluster, node: str) -> bool:
    rows = looked_at(cluster, node)["status"]["conditions"]
    return any(row["type"] == "MemoryPressure" and row["status"] == "True" for row in rows)


@pytest.fixture
def soon_well(cluster: Cluster) -> Iterator[None]:
    """A worker that says for some seconds that it lacks memory, instead of kubelet's five
    minutes.
    """
    file, restart = "/var/lib/kubelet/config.yaml", "systemctl restart kubelet"
    change = "s/^evictionPressureTransitionPeriod: .*/evictionPressureTransitionPeriod: 30s/"
    with mended(lambda: cluster.on(WORKER_2, f"mv {file}.kept {file}; {restart}")):
        cluster.on(WORKER_2, f"sed -i.kept '{change}' {file}; grep -q 30s {file} && {restart}")
        until(lambda: "availableBytes" in measured(cluster, WORKER_2), "kubelet measures again", 60)
        until(lambda: WORKER_2 in cluster.ready_nodes(), "the node is ready", 60)
        yield
        cluster.kubectl("delete", "pod", FILLER, "--ignore-not-found", "--timeout=60s")


@pytest.fixture
def filler(cluster: Cluster, soon_well: None) -> dict[str, Any]:
    """A pod without requests on a worker that takes its memory until less is left than has to
    be.
    """
    api = cluster.objects("deployments", "-l", "app=api")[0]["spec"]["template"]["spec"]
    take = summary(cluster, WORKER_2)["availableBytes"] - EDGE * 2 // 3
    script = f"import time; taken = b'x' * {take}; time.sleep(900)"
    container = {
        "name": FILLER,
        "image": api["containers"][0]["image"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", script],
    }
    spec = {
        "nodeName": WORKER_2,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": FILLER}, "spec": spec}


@pytest.mark.long
def test_a_pod_that_fills_its_node_is_evicted_alone(
    cluster: Cluster, filler: dict[str, Any]
) -> None:
    """And the node says so, until it has memory again."""
    before = {name: pod for name, pod in cluster.pods().items() if name != FILLER}
    assert not pressed(cluster, WORKER_2)
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(filler))
    until(lambda: evicted(cluster), "the pod is evicted", 120, every=2)
    until(lambda: pressed(cluster, WORKER_2), "the node tells of it", 30)
    assert {name: pod for name, pod in cluster.pods().items() if name != FILLER} == before
    assert cluster.ready_nodes() == set(NODES)
    until(lambda: summary(cluster, WORKER_2)["availableBytes"] > EDGE, "it is free again", 60)
    until(lambda: not pressed(cluster, WORKER_2), "the node is well again", 90, every=2)
    assert "memory-pressure" not in json.dumps(
        looked_at(cluster, WORKER_2)["spec"].get("taints", [])
    )


def evicted(cluster: Cluster) -> bool:
    status = json.loads(cluster.kubectl("get", "pod", FILLER, "-o", "json"))["status"]
    assert "OOMKilled" not in json.dumps(status), status
    return bool(status.get("reason") == "Evicted")


# a machine that has Docker already


@pytest.fixture
def docker(cluster: Cluster, tmp_path: Path) -> Iterator[Lone]:
    with lone(cluster, tmp_path) as made:
        yield made


def base(machine: Lone) -> tuple[int, str]:
    done = machine.play("--tags", "base")
    return done.returncode, done.stdout + done.stderr


def packages(machine: Lone) -> set[str]:
    query = "dpkg-query --show --showformat '${db:Status-Status} ${Package}\n'"
    return set(machine.on(f"{query} | sed -n 's/^installed //p'").split())


def test_a_machine_keeps_its_docker(docker: Lone) -> None:
    """Its containerd conflicts with the distribution's. What is missing is installed beside it."""
    docker.has_dockers_containerd("1.7.27-1")
    docker.on("dpkg --purge ipset")
    before = packages(docker)
    code, told = base(docker)
    assert code == 0, told
    assert packages(docker) >= before | {"ipset"} and not packages(docker) & {"containerd", "runc"}
    assert docker.play("--tags", "containerd").returncode == 0
    assert "kubeup" in docker.on("head -1 /etc/containerd/config.toml")
    assert base(docker)[0] == 0  # which is then its own to write anew


@pytest.mark.parametrize(
    ("version", "line", "why"),
    [
        ("1.5.11-1", "", "containerd.io 1.5.11-1 is too old for Kubernetes 1.26"),
        ("1.7.27-1", "oom_score = 1", "/etc/containerd/config.toml was changed by somebody"),
    ],
)
def test_a_docker_that_does_not_fit_is_refused_first(
    docker: Lone, version: str, line: str, why: str
) -> None:
    """Before anything is changed."""
    docker.has_dockers_containerd(version)
    docker.on(f"echo '{line}' >>/etc/containerd/config.toml" if line else "true")
    docker.on("touch /mark; sleep 1.1")
    before = packages(docker)
    code, told = base(docker)
    assert code != 0 and why in told, told
    assert packages(docker) == before
    assert (
        docker.on("find /etc /usr /opt /srv -newer /mark; ls -d /etc/kubeup 2>/dev/null; true")
        == ""
    )
