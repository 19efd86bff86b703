"""Ways to break a part of a cluster or of its surroundings: a row each, which tests and docs read.

Each says which of doctor's lines has to name its cause, by words that are the cause's alone, and
what `up` does about it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from tests.real.faults.certificates import self_signed
from tests.real.harness import ADDRESSES, CONTROL, WORKER_1, WORKER_2, Cluster

MANIFESTS = "/etc/kubernetes/manifests"
SYSTEM = ("-n", "kube-system")
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "none"},
    "spec": {"hard": {"pods": "0"}},
}


@dataclass(frozen=True)
class Breakage:
    """`what` is done, how; words that `doctor` has to say; the steps with which `up` mends it.

    Where `up` has no step for it, `undo` is what a person does by the advice.
    """

    what: str
    do: Callable[[Cluster], Any]
    says: str
    steps: frozenset[str]
    undo: Callable[[Cluster], Any] | None = None

    @property
    def mended_by(self) -> str:
        return "`inv up`" if self.steps else "by hand, as doctor says"


def _kubectl(*words: str, stdin: str = "") -> Callable[[Cluster], str]:
    return lambda cluster: cluster.kubectl(*words, stdin=stdin)


def _patch(what: str, patch: object, *where: str) -> Callable[[Cluster], str]:
    words = ("patch", what, "--type=merge", "-p", json.dumps(patch))
    return _kubectl(*where, *words)


def _on(node: str, script: str) -> Callable[[Cluster], str]:
    return lambda cluster: cluster.on(node, script)


def _steps(*names: str) -> frozenset[str]:
    return frozenset(names)


def _corefile(text: str) -> object:
    return {"data": {"Corefile": text}}


def _scaled(name: str, *where: str) -> Callable[[Cluster], str]:
    return _kubectl(*where, "scale", name, "--replicas=0")


DEAD_UPSTREAM = """\
.:53 {
    errors
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa
    forward . 192.0.2.53
}
"""
# of the API server: the same names, and good until yesterday
END_CERTIFICATE = """
cd /etc/kubernetes/pki
names=$(openssl x509 -in apiserver.crt -noout -ext subjectAltName | tail -1)
echo "subjectAltName=$names" | sed 's/IP Address:/IP:/g' > /tmp/names
echo "extendedKeyUsage=serverAuth" >> /tmp/names
openssl req -new -key apiserver.key -subj /CN=kube-apiserver |
  openssl x509 -req -CA ca.crt -CAkey ca.key -set_serial 9 -days -1 -extfile /tmp/names > /tmp/ended
cp /tmp/ended apiserver.crt
pkill -x kube-apiserver
"""
NOWHERE = {"spec": {"template": {"spec": {"nodeSelector": {"none": "here"}}}}}
OBJECTS = _steps("repair/objects")
UNITS = _steps(f"repair/units-{WORKER_1}", "cluster/answers")
NETWORK = _steps(f"repair/pod-network-{WORKER_1}", "cluster/answers")
STATIC = _steps(f"repair/static-pods-{CONTROL}", "cluster/answers")

KUBE_SYSTEM = (
    Breakage(
        "CoreDNS' configuration emptied",
        _patch("configmap/coredns", _corefile(""), *SYSTEM),
        "ConfigMap coredns was changed: data.Corefile",
        OBJECTS,
    ),
    Breakage(
        "CoreDNS sent to a name server that is not there",
        _patch("configmap/coredns", _corefile(DEAD_UPSTREAM), *SYSTEM),
        "ConfigMap coredns was changed: data.Corefile",
        OBJECTS,
    ),
    Breakage(
        "CoreDNS scaled to nothing",
        _scaled("deployment/coredns", *SYSTEM),
        "Deployment coredns was changed: spec.replicas 0, was 2",
        OBJECTS,
    ),
    Breakage(
        "CoreDNS deleted",
        _kubectl(*SYSTEM, "delete", "deployment", "coredns"),
        "Deployment coredns is gone",
        OBJECTS,
    ),
    Breakage(
        "the Service of cluster DNS deleted",
        _kubectl(*SYSTEM, "delete", "service", "kube-dns"),
        "Service kube-dns is gone",
        OBJECTS,
    ),
    Breakage(
        "the Service of cluster DNS selecting nothing",
        _patch("service/kube-dns", {"spec": {"selector": {"k8s-app": "none"}}}, *SYSTEM),
        "spec.selector.k8s-app none, was kube-dns",
        OBJECTS,
    ),
    Breakage(
        "CoreDNS without its rights",
        _kubectl("delete", "clusterrolebinding", "system:coredns"),
        "ClusterRoleBinding system:coredns is gone",
        OBJECTS,
    ),
    Breakage(
        "kube-proxy on no node",
        _patch("daemonset/kube-proxy", NOWHERE, *SYSTEM),
        "nodeSelector.none here, was missing",
        OBJECTS,
    ),
    Breakage(
        "kube-proxy deleted",
        _kubectl(*SYSTEM, "delete", "daemonset", "kube-proxy"),
        "DaemonSet kube-proxy is gone",
        OBJECTS,
    ),
    Breakage(
        "kube-proxy's configuration emptied",
        _patch("configmap/kube-proxy", {"data": {"config.conf": ""}}, *SYSTEM),
        "ConfigMap kube-proxy was changed",
        OBJECTS,
    ),
    Breakage(
        "metrics-server deleted",
        _kubectl(*SYSTEM, "delete", "deployment", "metrics-server"),
        "Deployment/metrics-server is gone",
        _steps("cluster/metrics"),
    ),
    Breakage(
        "metrics-server's API unregistered",
        _kubectl("delete", "apiservice", "v1beta1.metrics.k8s.io"),
        "APIService v1beta1.metrics.k8s.io is gone",
        OBJECTS,
    ),
    Breakage(
        "what enforces NetworkPolicies on no node",
        _patch("daemonset/kube-router", NOWHERE, *SYSTEM),
        "DaemonSet kube-router was changed",
        OBJECTS,
    ),
)
NODES = (
    Breakage(
        "a worker cordoned",
        _kubectl("cordon", WORKER_1),
        f"{WORKER_1} takes no new pods: it is cordoned",
        _steps(f"repair/scheduling-{WORKER_1}"),
    ),
    Breakage(
        "a worker tainted",
        _kubectl("taint", "node", WORKER_2, "example.org/mine=1:NoExecute"),
        f"{WORKER_2} has the taint example.org/mine:NoExecute",
        _steps(f"repair/scheduling-{WORKER_2}"),
    ),
    Breakage(
        "a worker deleted from the cluster",
        _kubectl("delete", "node", WORKER_1),
        f"{WORKER_1} is no node of the cluster any more",
        _steps(f"repair/register-{WORKER_1}", "cluster/answers"),
    ),
    Breakage(
        "the control plane's node deleted from the cluster",
        _kubectl("delete", "node", CONTROL),
        f"{CONTROL} is no node of the cluster any more",
        _steps(f"repair/register-{CONTROL}", "cluster/answers"),
    ),
    Breakage(
        "kubelet stopped and disabled",
        _on(WORKER_1, "systemctl disable --now kubelet"),
        f"kubelet on {WORKER_1} is inactive, disabled",
        UNITS,
    ),
    Breakage(
        "containerd not started with its node",
        _on(WORKER_1, "systemctl disable containerd"),
        f"containerd on {WORKER_1} is active, disabled",
        UNITS,
    ),
    Breakage(
        "containerd stopped",
        _on(WORKER_1, "systemctl stop containerd"),
        f"containerd on {WORKER_1} is inactive",
        UNITS,
    ),
    Breakage(
        "the pod network's configuration removed",
        _on(WORKER_1, "rm /etc/cni/net.d/*"),
        f"the pod network on {WORKER_1} has no configuration",
        _steps(f"repair/cni-{WORKER_1}", "cluster/answers"),
    ),
    Breakage(
        "a route to another node's pods removed",
        _on(WORKER_1, "ip route del 10.246.2.0/24"),
        f"ip route replace 10.246.2.0/24 via {ADDRESSES[WORKER_2]}",
        NETWORK,
    ),
    Breakage(
        "the pods' way out removed",
        _on(
            WORKER_1,
            "iptables -t nat -D POSTROUTING -s 10.246.1.0/24 ! -d 10.246.0.0/16 -j MASQUERADE",
        ),
        "-A POSTROUTING -s 10.246.1.0/24",
        NETWORK,
    ),
    Breakage(
        "Services' addresses let out of a node",
        _on(WORKER_1, "iptables -D FORWARD -d 10.98.0.0/16 -j REJECT"),
        "-A FORWARD -d 10.98.0.0/16 -j REJECT",
        NETWORK,
    ),
    Breakage(
        "a node that forwards nothing",
        _on(WORKER_1, "sysctl -qw net.ipv4.ip_forward=0"),
        "sysctl -qw net.ipv4.ip_forward=1",
        NETWORK,
    ),
    Breakage(
        "the pod network's script removed",
        _on(WORKER_1, "rm /usr/local/sbin/kubeup-pod-network"),
        f"{WORKER_1} lacks a route or a rule of the pod network",
        _steps(f"repair/cni-{WORKER_1}", "cluster/answers"),
    ),
    Breakage(
        "a node without a name server",
        _on(WORKER_1, ": > /etc/resolv.conf"),
        f"{WORKER_1} has no name server",
        _steps(f"repair/names-{WORKER_1}"),
    ),
    Breakage(
        "the pod network's service disabled",
        _on(WORKER_1, "systemctl disable --now pod-network"),
        f"pod-network on {WORKER_1} is inactive, disabled",
        UNITS,
    ),
)
CONTROL_PLANE = (
    *(
        Breakage(
            f"the manifest of {name} removed",
            _on(CONTROL, f"rm {MANIFESTS}/{name}.yaml"),
            f"the manifest of {name} is missing",
            STATIC,
        )
        for name in ("kube-scheduler", "kube-controller-manager", "etcd", "kube-apiserver")
    ),
    Breakage(
        "the scheduler started with a flag that it does not know",
        _on(
            CONTROL,
            f"sed -i 's/- kube-scheduler$/&\\n    - --none=here/' {MANIFESTS}/kube-scheduler.yaml",
        ),
        "the manifest of kube-scheduler is changed",
        STATIC,
    ),
    Breakage(
        "the API server's certificate ended",
        _on(CONTROL, END_CERTIFICATE),
        "apiserver.crt",
        _steps(f"repair/certificates-{CONTROL}", "cluster/answers"),
    ),
)


def _no_pods(cluster: Cluster) -> None:
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(QUOTA))
    cluster.kubectl("delete", "pod", "-l", "app=api", "--wait=false")


def _password_by_sql(cluster: Cluster) -> None:
    """As an administrator would, past `.env`."""
    sql = "ALTER USER 'api'@'%' IDENTIFIED BY 'changed by SQL'"
    cluster.kubectl(
        *("exec", "mysql-0", "--", "sh", "-c"),
        f'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql -uroot -e "{sql}"',
    )
    cluster.kubectl("delete", "pod", "-l", "app=api")


APPLICATION = (
    Breakage(
        "the API scaled to nothing",
        _scaled("deployment/api"),
        "Deployment api",
        _steps("deploy/api"),
    ),
    Breakage(
        "the API of an image that is not there",
        _kubectl("set", "image", "deployment/api", "*=example.org/none:1"),
        "Deployment api",
        _steps("deploy/api"),
    ),
    Breakage(
        "the Secret edited by hand",
        _patch("secret/mysecret", {"stringData": {"MYSQL_PASSWORD": "by hand"}}),
        "Secret mysecret",
        _steps("deploy/data", "deploy/db", "deploy/api"),
    ),
    Breakage(
        "the UI's Service selecting nothing",
        _patch("service/ui", {"spec": {"selector": {"app": "none"}}}),
        "Service ui",
        _steps("deploy/ui"),
    ),
    Breakage(
        "the UI deleted",
        _kubectl("delete", "deployment", "ui"),
        "Deployment ui",
        _steps("deploy/ui"),
    ),
    Breakage(
        "a quota that takes no pods",
        _no_pods,
        "exceeded quota",
        frozenset(),
        undo=_kubectl("delete", "quota", "none"),
    ),
    Breakage(
        "the API's password changed in the database by SQL",
        _password_by_sql,
        "error 1045",
        _steps("db/passwords", "deploy/api", "db/old-passwords"),
    ),
    Breakage(
        "the database's StatefulSet deleted",
        _kubectl("delete", "statefulset", "mysql"),
        "StatefulSet mysql",
        _steps("deploy/data", "deploy/db"),
    ),
)


def _foreign_authority(cluster: Cluster) -> None:
    """As where another cluster had this address before."""
    _edit_kubeconfig(cluster, "clusters", "certificate-authority-data")


def _foreign_user(cluster: Cluster) -> None:
    _edit_kubeconfig(cluster, "users", "client-certificate-data", "client-key-data")


def _edit_kubeconfig(cluster: Cluster, part: str, certificate: str, key: str = "") -> None:
    path = cluster.state / "kubeconfig"
    config = yaml.safe_load(path.read_text())
    pem, private = self_signed()
    entry = config[part][0][part.removesuffix("s")]
    entry[certificate] = base64.b64encode(pem).decode()
    if key:
        entry[key] = base64.b64encode(private).decode()
    path.write_text(yaml.safe_dump(config))


ACCESS = (
    Breakage(
        "a kubeconfig with another authority",
        _foreign_authority,
        "its certificate is of another cluster's authority",
        _steps("cluster/provision", "cluster/answers"),
    ),
    Breakage(
        "a kubeconfig with another user",
        _foreign_user,
        "it does not know who asks",
        _steps("cluster/provision", "cluster/answers"),
    ),
    Breakage(
        "the kubeconfig removed",
        lambda cluster: (cluster.state / "kubeconfig").unlink(),
        "is missing, or names no cluster",
        _steps("cluster/provision", "cluster/answers"),
    ),
    Breakage(
        "the kubeconfig emptied",
        lambda cluster: (cluster.state / "kubeconfig").write_text(""),
        "does not lead to this profile's cluster: it is empty",
        frozenset(),
        undo=lambda cluster: (cluster.state / "kubeconfig").unlink(),
    ),
    Breakage(
        "a worker's machine stopped",
        lambda cluster: cluster.podman("stop", "--time", "5", WORKER_1),
        f"{WORKER_1} stopped",
        _steps(f"node/{WORKER_1}", "cluster/answers"),
    ),
)
BREAKAGES = (*KUBE_SYSTEM, *NODES, *CONTROL_PLANE, *APPLICATION, *ACCESS)
