"""From recorded objects to the picture."""

import json
from dataclasses import asdict, replace

from kubeup.cluster.providers.base import NodeState
from kubeup.inspect.diagram.reading import picture
from kubeup.inspect.diagram.text import text


def test_nodes_and_their_machines(well):
    assert [
        (node.name, node.role, node.address, node.version, node.machine, node.ok)
        for node in well.nodes
    ] == [
        ("dev-control", "control", "192.168.60.10", "v1.26.1", "running", True),
        ("dev-worker-1", "worker", "192.168.60.11", "v1.26.1", "running", True),
        ("dev-worker-2", "worker", "192.168.60.12", "v1.26.1", "running", True),
    ]
    assert not well.unscheduled_pods


def test_the_databases_own_machine_is_no_node_that_is_missing():
    found = picture(
        (),
        [
            NodeState("dev-db", "db", "192.168.60.9", "running"),
            NodeState("dev-worker-1", "worker", "192.168.60.11", "running"),
        ],
    )
    assert [(node.title, node.why) for node in found.nodes] == [
        ("the database's machine", ""),
        ("worker", "not in the cluster"),
    ]
    assert [node.name for node in found.only("db").nodes] == ["dev-db"]
    assert "Ready" not in text(found)


def test_pods_lie_on_their_nodes_applications_first(well):
    assert [[pod.part for pod in node.pods if pod.part] for node in well.nodes] == [
        [],
        ["db"],
        ["ui", "api"],
    ]
    assert well.nodes[1].pods[0].claims == ("data-mysql-0",)


def test_services_say_how_they_are_reached_and_what_is_behind(well):
    ui, api, db = (well.service(part) for part in ("ui", "api", "db"))
    assert [service.words for service in (ui, api, db)] == [
        "NodePort 30001 → 80",
        "NodePort 31000 → 8000",
        "headless 3306",
    ]
    assert db.pods == ("mysql-0",)
    assert api.pods[0].startswith("api-")
    own = next(service for service in well.services if service.name == "kubernetes")
    assert (own.outside, own.ok) == (("192.168.60.10",), True)


def test_a_service_at_the_nodes_own_addresses_is_reached_there(well):
    ui = replace(well.service("ui"), external=("192.168.60.10", "192.168.60.11"))
    assert ui.words == "NodePort 30001 → 80, 80 on 2 nodes"
    assert ui.urls("192.168.60.10") == ("http://192.168.60.10", "http://192.168.60.10:30001")
    assert ui.urls("192.168.60.12") == ("http://192.168.60.12:30001",)
    other = replace(ui, ports=(replace(ui.ports[0], own=8080),))
    assert other.urls("192.168.60.11")[0] == "http://192.168.60.11:8080"


def test_the_volume_and_where_it_lies(well):
    (volume,) = well.volumes
    assert (volume.claim, volume.node, volume.path, volume.policy, volume.part, volume.ok) == (
        "data-mysql-0",
        "dev-worker-1",
        "/var/lib/kubeup/data/mysql",
        "Retain",
        "db",
        True,
    )


def test_who_talks_to_whom(well):
    assert [(link.source, link.target, link.label, link.ok) for link in well.links] == [
        ("browser", "ui", "http://192.168.60.10:30001", True),
        ("browser", "api", "http://192.168.60.10:31000", True),
        ("ui", "api", "api:8000", True),
        ("api", "db", "mysql-headless:3306", True),
    ]


def test_what_is_wrong_has_its_reason(broken):
    assert all("cni plugin not initialized" in node.why for node in broken.nodes)
    assert [pod.name.rsplit("-", 2)[0] for pod in broken.unscheduled_pods] == [
        "coredns",
        "coredns",
        "metrics-server",
    ]
    api = next(pod for pod in broken.pods if pod.part == "api")
    assert api.why.startswith("ImagePullBackOff: Back-off pulling image")
    assert not broken.service("api").ok
    assert [link.ok for link in broken.links] == [True, False, False, False]


def test_a_part_has_what_belongs_to_it_alone(well):
    part = well.only("db")
    assert [node.name for node in part.nodes] == ["dev-worker-1"]
    assert [pod.name for pod in part.pods] == ["mysql-0"]
    assert [(one.kind, one.name) for one in part.workloads] == [("StatefulSet", "mysql")]
    assert [(link.source, link.target) for link in part.links] == [("api", "db")]
    assert part.volumes


def test_machines_alone_make_a_picture(machines):
    stopped = picture((), [replace(machine, state="stopped") for machine in machines])
    assert [node.why for node in stopped.nodes] == ["the machine is stopped"] * 3


def test_a_stopped_machine_explains_its_node(objects, machines):
    found = picture(objects, (*machines[:2], replace(machines[2], state="stopped")))
    assert [node.why for node in found.nodes] == ["", "", "the machine is stopped"]


def test_a_cordoned_node_is_shown_as_such(objects, machines):
    next(item for item in objects if item["kind"] == "Node")["spec"]["unschedulable"] = True
    assert picture(objects, machines).nodes[0].why == "cordoned"


def test_a_pending_claim_has_no_volume(objects, machines):
    kept = [item for item in objects if item["kind"] != "PersistentVolume"]
    claim = next(item for item in kept if item["kind"] == "PersistentVolumeClaim")
    claim["spec"].pop("volumeName")
    claim["status"] = {"phase": "Pending"}
    (volume,) = picture(kept, machines).volumes
    assert (volume.claim, volume.name, volume.size, volume.why) == (
        "data-mysql-0",
        "",
        "1Gi",
        "Pending",
    )


def test_pods_of_a_verification_are_left_out(objects, machines):
    objects[-1:] = [item for item in objects if item["kind"] == "Pod"][:1]
    objects[-1]["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "kubeup-verify"
    assert objects[-1]["metadata"]["name"] not in [
        pod.name for pod in picture(objects, machines).pods
    ]


def test_it_is_json(well):
    data = json.loads(json.dumps(asdict(well)))
    assert data["nodes"][1]["pods"][0]["name"] == "mysql-0"
