"""From nothing to a verified application, and that a second run changes nothing."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest
import yaml

from tests.real.conftest import Brought
from tests.real.harness import ADDRESSES, CONTROL, LINES, NODES, WORKER_2, Cluster, output

pytestmark = pytest.mark.real

ASK = "exec 3<>/dev/tcp/{}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3"
OTHER_CLUSTER = """\
apiVersion: v1
kind: Config
clusters:
- {name: kubernetes, cluster: {server: "https://192.0.2.9:6443"}}
contexts:
- {name: kubernetes-admin@kubernetes, context: {cluster: kubernetes, user: kubernetes-admin}}
current-context: kubernetes-admin@kubernetes
users:
- {name: kubernetes-admin, user: {token: of-the-other-cluster}}
"""


def test_looking_changes_nothing(fresh: Brought) -> None:
    assert (
        not fresh.before["containers"]
        and not fresh.before["volumes"]
        and not fresh.before["networks"]
    )
    assert fresh.after_looking == fresh.before


def test_the_plan_tells_reason_and_time_of_each_step(fresh: Brought) -> None:
    ids = [step["id"] for step in fresh.data]
    assert len(ids) == len(set(ids))
    assert {f"node/{name}" for name in NODES} < set(ids) and {
        "cluster/provision",
        "deploy/db",
        "deploy/api",
        "deploy/ui",
    } < set(ids)
    for step in fresh.data:
        assert step["reason"] and step["title"] and step["seconds"] > 0, step
        assert set(step["needs"]) & set(ids) == {need for need in step["needs"] if need in ids}
    assert [step["id"] for step in fresh.data if "e2e-worker-2" in step["title"]] == [
        "node/e2e-worker-2"
    ]
    for step in fresh.data:
        assert step["title"] in fresh.dry.out and step["reason"] in fresh.dry.out


def test_up_ends_well_with_every_line_verified(fresh: Brought) -> None:
    assert fresh.up.code == 0, str(fresh.up)
    good = re.findall(r"^ ✔ (.+?)\s+[\d.]+ s  ", fresh.up.out, re.MULTILINE)
    assert sorted(good) == sorted(LINES)
    assert "✘" not in fresh.up.out
    for step in fresh.data:
        assert re.search(rf"(done|same) +{re.escape(step['title'])} \(", fresh.up.out), step[
            "title"
        ]


def test_the_addresses_it_prints_answer(fresh: Brought) -> None:
    found = re.findall(r"^(UI|API) +(http://\S+)$", fresh.up.out, re.MULTILINE)
    assert [name for name, _ in found] == ["UI", "UI", "API"]
    assert found[0][1] == f"http://{ADDRESSES[WORKER_2]}/"
    for _, url in found:
        assert httpx.get(url, trust_env=False).status_code == 200, url


def test_the_ui_answers_at_the_nodes_addresses(cluster: Cluster) -> None:
    (service,) = cluster.objects("services", "-l", "app=ui")
    assert service["spec"]["externalIPs"] == list(ADDRESSES.values())
    for address in ADDRESSES.values():
        page = httpx.get(f"http://{address}/", trust_env=False)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        # kube-proxy takes what a node itself sends, as well
        assert "200 OK" in cluster.on(CONTROL, f"bash -c {shlex.quote(ASK.format(address))}")


def test_three_nodes_at_the_version_and_addresses_of_the_settings(cluster: Cluster) -> None:
    nodes = {node["metadata"]["name"]: node for node in cluster.objects("nodes")}
    assert cluster.ready_nodes() == set(NODES) == set(nodes)
    for name, node in nodes.items():
        assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.26.1"
        assert {"type": "InternalIP", "address": ADDRESSES[name]} in node["status"]["addresses"]
    pods = {
        row["status"]["podIP"]
        for row in cluster.objects("pods")
        if not row["spec"].get("hostNetwork")
    }
    assert pods and all(address.startswith("10.246.") for address in pods)
    services = {row["spec"]["clusterIP"] for row in cluster.objects("services")} - {"None"}
    assert services and all(address.startswith("10.98.") for address in services)


def test_it_says_its_version_as_the_released_one_does(cluster: Cluster) -> None:
    """CoreDNS decides by major and minor what it reads: without them an EndpointSlice has no
    name.
    """
    told = json.loads(cluster.kubectl("get", "--raw", "/version"))
    assert (told["major"], told["minor"], told["gitVersion"], told["gitTreeState"]) == (
        "1",
        "26",
        "v1.26.1",
        "clean",
    )
    assert "instead of EndpointSlices" not in cluster.kubectl(
        "-n", "kube-system", "logs", "-l", "k8s-app=kube-dns", "--tail=-1"
    )


@pytest.mark.parametrize("name", NODES)
def test_a_service_address_that_nobody_has_leads_nowhere(cluster: Cluster, name: str) -> None:
    """It must not leave the node: who answers there, outside, would be taken for the Service
    until the connection ends.
    """
    script = "import socket; socket.create_connection(('10.98.200.200', 443), 3)"
    assert "refused" in cluster.on(name, f'python3 -c "{script}" 2>&1 | tail -1; true')


@pytest.mark.parametrize("name", NODES)
def test_a_nodes_processes_have_no_limit_of_their_own(cluster: Cluster, name: str) -> None:
    """podman's own, 2048, is less than 110 pods need."""
    files = "cat pids/pids.max 2>/dev/null || cat pids.max"
    assert cluster.on(name, f"cd /sys/fs/cgroup; {files}").strip() == "max"


@pytest.mark.parametrize("name", NODES)
def test_the_kernel_enforces_a_nodes_size(cluster: Cluster, name: str) -> None:
    assert cluster.limits(name) == (2.0, 2048)


def test_a_node_can_not_take_more_memory_than_it_has(cluster: Cluster) -> None:
    """The process asks to be the one that is ended, so that nothing else on the node is."""
    script = (
        "open('/proc/self/oom_score_adj', 'w').write('1000'); len(b'x' * (3 << 30)); "
        "print('got it')"
    )
    assert "got it" not in cluster.on(WORKER_2, f'exec python3 -c "{script}"', check=False)
    assert cluster.ready_nodes() == set(NODES)


def test_a_second_up_finds_nothing_to_do_and_changes_nothing(cluster: Cluster) -> None:
    before = (
        cluster.containers(),
        cluster.volumes(),
        cluster.pods(),
        cluster.workloads(),
        len(cluster.journal),
    )
    again = cluster.up()
    assert "Nothing to do." in again.out
    assert again.seconds < 15
    assert (
        cluster.containers(),
        cluster.volumes(),
        cluster.pods(),
        cluster.workloads(),
        len(cluster.journal),
    ) == before
    assert cluster.plan() == []
    assert cluster.inv("deploy.diff").out == "Nothing to do.\n"


def test_the_play_itself_changes_nothing_when_run_again(cluster: Cluster) -> None:
    before = cluster.containers(), cluster.pods()
    cluster.inv("cluster.provision")
    assert (cluster.containers(), cluster.pods()) == before
    assert cluster.plan() == []


def test_status_and_list_tell_what_is_there(cluster: Cluster) -> None:
    status = cluster.inv("status", "--json").json
    assert {row["name"]: row["address"] for row in status["machines"]} == ADDRESSES
    assert all(row["state"] == "running" for row in status["machines"]) and status["answers"]
    images = cluster.inv("images.list", "--json").json
    assert {row["part"] for row in images} == {"db", "api", "ui"} and all(
        row["built"] and set(row["nodes"]) == set(NODES) for row in images
    )
    assert cluster.inv("doctor").code == 0


def test_the_kubeconfig_is_the_profiles_own(cluster: Cluster) -> None:
    path = cluster.inv("cluster.kubeconfig").out.strip()
    assert path == str(cluster.state / "kubeconfig")
    assert (cluster.state / "kubeconfig").stat().st_mode & 0o077 == 0
    assert cluster.kubectl("config", "current-context").strip() == "kubeup-e2e"
    assert f"https://{ADDRESSES[CONTROL]}:6443" in cluster.kubectl("config", "view")


def test_merging_into_ones_own_kubeconfig_keeps_what_is_there(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The file of a person who has another cluster, made by kubeadm too: its user has the name
    that all of those have.
    """
    own = tmp_path / "config"
    own.write_text(OTHER_CLUSTER)
    for _ in range(2):
        ran = cluster.inv("cluster.kubeconfig", "--merge", env={"KUBECONFIG": str(own)})
    assert "kubeup-e2e" in ran.out and str(own) in ran.out
    after = yaml.safe_load(own.read_text())
    assert after["current-context"] == "kubernetes-admin@kubernetes"
    for kind, rows in yaml.safe_load(OTHER_CLUSTER).items():
        for row in rows if isinstance(rows, list) else []:
            assert row in after[kind]
    assert sorted(row["name"] for row in after["contexts"]) == [
        "kubernetes-admin@kubernetes",
        "kubeup-e2e",
    ]
    assert own.stat().st_mode & 0o077 == 0
    backups = sorted(tmp_path.glob("config.kubeup-*"))
    assert backups and backups[0].read_text() == OTHER_CLUSTER
    nodes = output(
        str(cluster.project.kubectl.path),
        "--kubeconfig",
        str(own),
        "--context",
        "kubeup-e2e",
        "get",
        "nodes",
        "-o",
        "name",
    )
    assert nodes.split() == [f"node/{name}" for name in NODES]
