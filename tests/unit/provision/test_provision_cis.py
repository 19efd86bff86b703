"""The table of tests/cis on what kubeadm 1.26.1 makes of the play's configuration.

`control.json` was recorded from `kubeadm init phase` (certs, kubeconfig, control-plane, etcd,
kubelet-start) in an empty folder, and from the play's own tasks after it; that kubelet's
certificate is signed was put in by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import jinja2
import pytest
import yaml
from builders import DATA

from kubeup.cluster.provision.inventory import ANSIBLE
from kubeup.core.state import PROJECT
from tests.cis.checks import CHECKS, wrong
from tests.cis.facts import Node, Objects, node

RECORDED = (DATA / "cis" / "control.json").read_text()
CONFIG = "/var/lib/kubelet/config.yaml"
MANIFEST = "/etc/kubernetes/manifests/etcd.yaml"
ADMIN = {
    "roleRef": {"name": "cluster-admin"},
    "subjects": [{"kind": "Group", "name": "system:masters"}],
}
Facts = dict[str, Any]


def on_nodes(facts: Facts) -> list[str]:
    return wrong(node(json.dumps(facts)), "control", "node")


def test_all_is_as_the_table_says() -> None:
    assert on_nodes(json.loads(RECORDED)) == []
    assert len({check.id for check in CHECKS}) == len(CHECKS)


def test_what_is_not_met_is_told_to_users() -> None:
    text = (PROJECT / "SECURITY.md").read_text("utf-8")
    told = {
        (name, why)
        for names, why in re.findall(r"^\| (\d[^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
        for name in re.split(r", (?=\d+\.)", names)
    }
    assert told == {(f"{one.id} {one.what}", one.unmet) for one in CHECKS if one.unmet}


def test_what_was_not_seen_is_not_met() -> None:
    for facts in (Node(), Objects()):
        where = ("objects",) if isinstance(facts, Objects) else ("control", "node")
        wanted = [check for check in CHECKS if check.where in where and not check.unmet]
        assert len([line for line in wrong(facts, *where) if "met, though" not in line]) == len(
            wanted
        )


def mode(path: str, value: int) -> Callable[[Facts], None]:
    return lambda facts: facts["files"][path].__setitem__(1, value)


def owner(path: str, value: str) -> Callable[[Facts], None]:
    return lambda facts: facts["files"][path].__setitem__(2, value)


def says(program: str, *flags: str) -> Callable[[Facts], None]:
    """Flags in place of those of the same names."""

    def change(facts: Facts) -> None:
        names = tuple(flag.partition("=")[0] for flag in flags)
        kept = [one for one in facts["processes"][program] if one.partition("=")[0] not in names]
        facts["processes"][program] = [*kept, *(flag for flag in flags if "=" in flag)]

    return change


def configured(**more: Any) -> Callable[[Facts], None]:
    """Of kubelet."""

    def change(facts: Facts) -> None:
        config = yaml.safe_load(facts["texts"][CONFIG]) | more
        facts["texts"][CONFIG] = yaml.safe_dump(
            {key: value for key, value in config.items() if value is not None}
        )

    return change


def one_authority(facts: Facts) -> None:
    texts = facts["texts"]
    texts["/etc/kubernetes/pki/etcd/ca.crt"] = texts["/etc/kubernetes/pki/ca.crt"]


API, WEAK = "kube-apiserver", "TLS_RSA_WITH_AES_128_CBC_SHA"


@pytest.mark.parametrize(
    ("change", "ids"),
    [
        (mode(MANIFEST, 0o644), ["1.1.7"]),
        (owner(MANIFEST, "nobody:root"), ["1.1.8"]),
        (mode("/etc/cni/net.d/10-pods.conflist", 0o644), ["1.1.9"]),
        (mode("/var/lib/etcd", 0o755), ["1.1.11"]),
        (mode("/etc/kubernetes/admin.conf", 0o640), ["1.1.13"]),
        (owner("/etc/kubernetes/pki/sa.key", "root:staff"), ["1.1.19"]),
        (mode("/etc/kubernetes/pki/ca.crt", 0o644), ["1.1.20", "4.1.7"]),
        (mode("/etc/kubernetes/pki/etcd/ca.key", 0o644), ["1.1.21"]),
        (says(API, "--token-auth-file=/tokens"), ["1.2.2"]),
        (says(API, "--kubelet-client-key"), ["1.2.4"]),
        (says(API, "--authorization-mode=AlwaysAllow"), ["1.2.6", "1.2.7", "1.2.8"]),
        (says(API, "--enable-admission-plugins=NodeRestriction,AlwaysAdmit"), ["1.2.10"]),
        (says(API, "--disable-admission-plugins=ServiceAccount"), ["1.2.13"]),
        (says(API, "--enable-admission-plugins"), ["1.2.15"]),
        (says(API, "--profiling"), ["1.2.16"]),
        (says(API, "--profiling=true"), ["1.2.16"]),
        (says(API, "--service-account-lookup=false"), ["1.2.22"]),
        (says(API, "--tls-cipher-suites"), ["1.2.30"]),
        (says(API, f"--tls-cipher-suites={WEAK}"), ["1.2.30"]),
        (says("kube-controller-manager", "--terminated-pod-gc-threshold"), ["1.3.1"]),
        (says("kube-controller-manager", "--profiling"), ["1.3.2"]),
        (says("kube-controller-manager", "--bind-address=0.0.0.0"), ["1.3.7"]),
        (says("kube-scheduler", "--profiling"), ["1.4.1"]),
        (says("etcd", "--client-cert-auth=false"), ["2.2"]),
        (says("etcd", "--auto-tls=true"), ["2.3"]),
        (one_authority, ["2.7"]),
        (mode(CONFIG, 0o644), ["4.1.9"]),
        (configured(authentication={"anonymous": {"enabled": True}}), ["4.2.1", "4.2.3"]),
        (configured(authorization={"mode": "AlwaysAllow"}), ["4.2.2"]),
        (configured(readOnlyPort=10255), ["4.2.4"]),
        (configured(streamingConnectionIdleTimeout="0s"), ["4.2.5"]),
        (configured(makeIPTablesUtilChains=False), ["4.2.6"]),
        (says("kubelet", "--hostname-override=x"), ["4.2.7"]),
        (configured(eventRecordQPS=0), ["4.2.8"]),
        (configured(rotateCertificates=None), ["4.2.10"]),
        (configured(tlsCipherSuites=None), ["4.2.12"]),
        (configured(podPidsLimit=-1), ["4.2.13"]),
        (says(API, "--anonymous-auth=false"), ["1.2.1"]),
    ],
)
def test_what_differs_is_told(change: Callable[[Facts], None], ids: list[str]) -> None:
    facts: Facts = json.loads(RECORDED)
    change(facts)
    assert [line.split()[0] for line in on_nodes(facts)] == ids


def test_what_was_recorded_is_of_this_play() -> None:
    source = ANSIBLE / "roles/control_plane/templates/kubeadm.yaml.j2"
    text = jinja2.Template(source.read_text("utf-8")).render(kubeup_cni="bridge")
    rows = {row["kind"]: row for row in yaml.safe_load_all(text)}
    facts = node(RECORDED)
    cluster = rows["ClusterConfiguration"]
    for program, part in (
        (API, "apiServer"),
        ("kube-controller-manager", "controllerManager"),
        ("kube-scheduler", "scheduler"),
    ):
        assert cluster[part]["extraArgs"].items() <= facts.flags[program].items()
    for key in ("podPidsLimit", "tlsCipherSuites"):
        assert rows["KubeletConfiguration"][key] == facts.kubelet[key]


def objects(change: Callable[[dict[str, Any]], None] = lambda _: None) -> Objects:
    """The application as its manifests describe it; one of its pods changed."""
    pods = []
    for file in sorted((PROJECT / "manifests/base").glob("*/*.yaml")):
        for row in yaml.safe_load_all(file.read_text("utf-8")):
            if row["kind"] in ("Deployment", "StatefulSet"):
                at = {"name": row["metadata"]["name"], "namespace": "default"}
                pods.append({"metadata": at, "spec": row["spec"]["template"]["spec"]})
    change(pods[0]["spec"])
    namespaces = [{"metadata": {"name": name}} for name in ("default", "kube-system")]
    return Objects(pods, namespaces, [ADMIN])


def test_the_application_is_as_the_table_says() -> None:
    assert wrong(objects(), "objects") == [] and len(objects().pods) == 3


def with_context(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda spec: spec["containers"][0]["securityContext"].update(values)


def with_spec(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda spec: spec.update(values)


@pytest.mark.parametrize(
    ("change", "ids"),
    [
        (with_spec(automountServiceAccountToken=True), ["5.1.6"]),
        (with_context(privileged=True), ["5.2.2"]),
        (with_spec(hostPID=True), ["5.2.3"]),
        (with_spec(hostIPC=True), ["5.2.4"]),
        (with_spec(hostNetwork=True), ["5.2.5"]),
        (with_context(allowPrivilegeEscalation=True), ["5.2.6"]),
        (with_spec(securityContext={}), ["5.2.7", "5.7.2"]),
        (with_context(capabilities={}), ["5.2.8", "5.2.10"]),
        (with_context(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}), ["5.2.9"]),
        (with_spec(volumes=[{"hostPath": {"path": "/"}}]), ["5.2.12"]),
    ],
)
def test_a_pod_that_differs_is_told(
    change: Callable[[dict[str, Any]], None], ids: list[str]
) -> None:
    assert [line.split()[0] for line in wrong(objects(change), "objects")] == ids


def test_another_administrator_is_told() -> None:
    other = {
        "roleRef": {"name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    }
    seen = objects()
    (line,) = wrong(Objects(seen.pods, seen.namespaces, [ADMIN, other]), "objects")
    assert line.startswith("5.1.1") and line.endswith(": default")
