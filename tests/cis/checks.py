"""The table: id and what is asked, how it is looked up, and why it is not met where it isn't.

The benchmark's text is CIS' own; these are our words. Checks that ask for a person's judgement of
an organisation (3.1, most of 5.1, 5.4, 5.5) are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tests.cis.facts import Node, Objects

Where = Literal["control", "node", "objects"]
# what speaks against it; '' where nothing does
Look = Callable[[Any], str]

MANIFESTS, PKI = "/etc/kubernetes/manifests", "/etc/kubernetes/pki"
API, MANAGER, SCHEDULER, ETCD = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "etcd",
)
STRONG = ("TLS_ECDHE_RSA_WITH_AES_", "TLS_ECDHE_ECDSA_WITH_AES_")
ROOT = "root:root"
UNAUDITED = "an audit log is written at each request; on one's own machine nobody reads it"


@dataclass(frozen=True)
class Check:
    id: str
    what: str
    where: Where
    look: Look
    unmet: str = ""  # why it is not met


def modes(pattern: str, most: int = 0o600, kind: str = "file") -> Look:
    """No more rights than `most`, for each that there is; there has to be one."""

    def found(node: Node) -> str:
        files = {path: one for path, one in node.at(pattern).items() if one.kind == kind}
        wrong = [f"{path} {one.mode:o}" for path, one in files.items() if one.mode & ~most]
        return ", ".join(wrong) if files else f"no {kind} {pattern}"

    return found


def owners(pattern: str, owner: str = ROOT) -> Look:
    def found(node: Node) -> str:
        files = node.at(pattern)
        wrong = [f"{path} {one.owner}" for path, one in files.items() if one.owner != owner]
        return ", ".join(wrong) if files else f"no file {pattern}"

    return found


def flag(program: str, name: str, wanted: str = "", default: str | None = None) -> Look:
    """A flag with that value, or with any; `default` is what a program does without it."""

    def found(node: Node) -> str:
        if program not in node.flags:
            return f"{program} does not run"
        value = node.flags[program].get(name, default)
        return "" if value is not None and wanted in ("", value) else f"--{name}={value}"

    return found


def without(program: str, name: str, refused: str = "") -> Look:
    """No such flag, or none with that value in its list."""

    def found(node: Node) -> str:
        if program not in node.flags:
            return f"{program} does not run"
        value = node.flags[program].get(name)
        bad = value is not None and (not refused or refused in value.split(","))
        return f"--{name}={value}" if bad else ""

    return found


def lists(program: str, name: str, item: str) -> Look:
    def found(node: Node) -> str:
        value = node.flags.get(program, {}).get(name, "")
        return "" if item in value.split(",") else f"--{name}={value}"

    return found


def every(*looks: Look) -> Look:
    def found(facts: object) -> str:
        return "; ".join(filter(None, (look(facts) for look in looks)))

    return found


def kubelet(path: str, good: Callable[[Any], bool], default: Any = None) -> Look:
    """A value of kubelet's configuration; `default` is kubelet's own."""

    def found(node: Node) -> str:
        if "kubelet" not in node.flags or not node.kubelet:
            return "kubelet does not run, or has no configuration"
        value: Any = node.kubelet
        for key in path.split("."):
            value = value.get(key, default) if isinstance(value, dict) else default
        return "" if good(value) else f"{path}: {value}"

    return found


def strong(suites: Any) -> bool:
    return bool(suites) and all(suite.startswith(STRONG) and "_GCM_" in suite for suite in suites)


def strong_api(node: Node) -> str:
    suites = node.flags.get(API, {}).get("tls-cipher-suites", "")
    return "" if strong([one for one in suites.split(",") if one]) else f"ciphers {suites!r}"


def own_authority(node: Node) -> str:
    ours, etcds = (node.texts.get(f"{PKI}/{name}") for name in ("ca.crt", "etcd/ca.crt"))
    return "" if ours and etcds and ours != etcds else "etcd has the cluster's authority, or none"


def admins(objects: Objects) -> str:
    """Whoever but the group of administrators has the role cluster-admin."""
    of = [row for row in objects.bindings if row["roleRef"]["name"] == "cluster-admin"]
    subjects = [subject["name"] for row in of for subject in row.get("subjects", ())]
    others = [name for name in subjects if name != "system:masters"]
    return ", ".join(others) if of else "no bindings were seen"


def each(rows: Callable[[Objects], Iterator[tuple[str, dict[str, Any]]]], bad: Look) -> Look:
    """Of all pods, or containers; there has to be one."""

    def found(objects: Objects) -> str:
        seen = list(rows(objects))
        return ", ".join(name for name, row in seen if bad(row)) if seen else "no pods were seen"

    return found


def pods(bad: Callable[[dict[str, Any]], Any]) -> Look:
    return each(Objects.specs, lambda row: "bad" if bad(row) else "")


def containers(bad: Callable[[dict[str, Any]], Any]) -> Look:
    return each(
        Objects.containers, lambda row: "bad" if bad(row.get("securityContext") or {}) else ""
    )


def _capabilities(context: dict[str, Any], kind: str) -> list[str]:
    return list((context.get("capabilities") or {}).get(kind) or ())


def _volumes(spec: dict[str, Any], kind: str) -> bool:
    return any(kind in volume for volume in spec.get("volumes", ()))


def _host_ports(spec: dict[str, Any]) -> bool:
    ports = (port for one in spec["containers"] for port in one.get("ports", ()))
    return any("hostPort" in port for port in ports)


def without_policies(objects: Objects) -> str:
    have = {row["metadata"]["namespace"] for row in objects.policies}
    names = [row["metadata"]["name"] for row in objects.namespaces]
    return ", ".join(name for name in names if name not in have) if names else "none were seen"


def _static(number: int, title: str, name: str) -> tuple[Check, Check]:
    path = f"{MANIFESTS}/{name}.yaml"
    return (
        Check(f"1.1.{number}", f"{title}'s static pod: 0600", "control", modes(path)),
        Check(f"1.1.{number + 1}", f"{title}'s static pod: root's", "control", owners(path)),
    )


def _kubeconfig(number: int, name: str) -> tuple[Check, Check]:
    path = f"/etc/kubernetes/{name}.conf"
    return (
        Check(f"1.1.{number}", f"{name}.conf: 0600", "control", modes(path)),
        Check(f"1.1.{number + 1}", f"{name}.conf: root's", "control", owners(path)),
    )


def _api(number: int, what: str, look: Look, unmet: str = "") -> Check:
    return Check(f"1.2.{number}", what, "control", look, unmet)


def _node(id_: str, what: str, look: Look, unmet: str = "") -> Check:
    return Check(id_, what, "node", look, unmet)


def _objects(id_: str, what: str, look: Look, unmet: str = "") -> Check:
    return Check(id_, what, "objects", look, unmet)


SERVICE = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
CONFIG = "/var/lib/kubelet/config.yaml"
CHECKS = (
    *_static(1, "the API server", API),
    *_static(3, "the controller manager", MANAGER),
    *_static(5, "the scheduler", SCHEDULER),
    *_static(7, "etcd", ETCD),
    Check("1.1.9", "the pod network's files: 0600", "node", modes("/etc/cni/net.d/*")),
    Check("1.1.10", "the pod network's files: root's", "node", owners("/etc/cni/net.d/*")),
    Check("1.1.11", "etcd's data: 0700", "control", modes("/var/lib/etcd", 0o700, "folder")),
    Check(
        "1.1.12",
        "etcd's data: of a user of its own",
        "control",
        owners("/var/lib/etcd", "etcd:etcd"),
        unmet="kubeadm runs etcd as root in its container; the folder is root's alone",
    ),
    *_kubeconfig(13, "admin"),
    *_kubeconfig(15, "scheduler"),
    *_kubeconfig(17, "controller-manager"),
    Check("1.1.19", "certificates and keys: root's", "control", owners(f"{PKI}*")),
    Check("1.1.20", "certificates: 0600", "control", modes(f"{PKI}/*.crt")),
    Check("1.1.21", "keys: 0600", "control", modes(f"{PKI}/*.key")),
    _api(
        1,
        "no anonymous requests",
        flag(API, "anonymous-auth", "false"),
        unmet="kubeadm's probes of /livez and joining nodes ask without a name; RBAC lets them "
        "see health, versions and the cluster's public certificate",
    ),
    _api(2, "no file of tokens", without(API, "token-auth-file")),
    _api(
        3,
        "external addresses of Services are refused",
        lists(API, "enable-admission-plugins", "DenyServiceExternalIPs"),
        unmet="ports.http is such a Service; who may write Services is the administrator alone",
    ),
    _api(
        4,
        "a certificate to show kubelets",
        every(flag(API, "kubelet-client-certificate"), flag(API, "kubelet-client-key")),
    ),
    _api(
        5,
        "kubelets' certificates are checked",
        flag(API, "kubelet-certificate-authority"),
    ),
    _api(6, "not everything is allowed", without(API, "authorization-mode", "AlwaysAllow")),
    _api(7, "nodes are held to what is theirs", lists(API, "authorization-mode", "Node")),
    _api(8, "RBAC", lists(API, "authorization-mode", "RBAC")),
    _api(
        9,
        "a limit on the rate of events",
        lists(API, "enable-admission-plugins", "EventRateLimit"),
        unmet="alpha in 1.26; kubelets have a limit of their own (4.2.8)",
    ),
    _api(10, "AlwaysAdmit is off", without(API, "enable-admission-plugins", "AlwaysAdmit")),
    _api(
        11,
        "images are pulled at each start",
        lists(API, "enable-admission-plugins", "AlwaysPullImages"),
        unmet="images that were loaded into the nodes are in no registry",
    ),
    _api(
        12,
        "security contexts are judged",
        lists(API, "enable-admission-plugins", "SecurityContextDeny"),
        unmet="deprecated in 1.27; Pod Security admission judges them",
    ),
    _api(13, "ServiceAccount is on", without(API, "disable-admission-plugins", "ServiceAccount")),
    _api(
        14,
        "NamespaceLifecycle is on",
        without(API, "disable-admission-plugins", "NamespaceLifecycle"),
    ),
    _api(15, "NodeRestriction", lists(API, "enable-admission-plugins", "NodeRestriction")),
    _api(16, "no profiling", flag(API, "profiling", "false", default="true")),
    _api(17, "an audit log", flag(API, "audit-log-path"), unmet=UNAUDITED),
    _api(18, "30 days of it", flag(API, "audit-log-maxage"), unmet=UNAUDITED),
    _api(19, "10 files of it", flag(API, "audit-log-maxbackup"), unmet=UNAUDITED),
    _api(20, "100 MB each", flag(API, "audit-log-maxsize"), unmet=UNAUDITED),
    _api(21, "a limit of time", without(API, "request-timeout", "0")),
    _api(
        22,
        "accounts that were deleted are refused",
        flag(API, "service-account-lookup", "true", default="true"),
    ),
    _api(23, "accounts' public key", flag(API, "service-account-key-file")),
    _api(
        24,
        "a certificate to show etcd",
        every(flag(API, "etcd-certfile"), flag(API, "etcd-keyfile")),
    ),
    _api(25, "TLS", every(flag(API, "tls-cert-file"), flag(API, "tls-private-key-file"))),
    _api(26, "an authority of clients", flag(API, "client-ca-file")),
    _api(27, "etcd's authority", flag(API, "etcd-cafile")),
    _api(
        28,
        "Secrets are encrypted in etcd",
        flag(API, "encryption-provider-config"),
        unmet="the key would lie on the same disk, which root alone reads as well",
    ),
    _api(30, "strong ciphers", strong_api),
    Check(
        "1.3.1",
        "ended pods are removed",
        "control",
        flag(MANAGER, "terminated-pod-gc-threshold"),
    ),
    Check("1.3.2", "no profiling", "control", flag(MANAGER, "profiling", "false", default="true")),
    Check(
        "1.3.3",
        "controllers have accounts of their own",
        "control",
        flag(MANAGER, "use-service-account-credentials", "true"),
    ),
    Check(
        "1.3.4",
        "accounts' private key",
        "control",
        flag(MANAGER, "service-account-private-key-file"),
    ),
    Check("1.3.5", "the authority that pods are told", "control", flag(MANAGER, "root-ca-file")),
    Check(
        "1.3.6",
        "kubelets' certificates are renewed",
        "control",
        without(MANAGER, "feature-gates", "RotateKubeletServerCertificate=false"),
    ),
    Check("1.3.7", "on loopback alone", "control", flag(MANAGER, "bind-address", "127.0.0.1")),
    Check(
        "1.4.1", "no profiling", "control", flag(SCHEDULER, "profiling", "false", default="true")
    ),
    Check("1.4.2", "on loopback alone", "control", flag(SCHEDULER, "bind-address", "127.0.0.1")),
    Check("2.1", "TLS", "control", every(flag(ETCD, "cert-file"), flag(ETCD, "key-file"))),
    Check("2.2", "clients show certificates", "control", flag(ETCD, "client-cert-auth", "true")),
    Check("2.3", "none that etcd makes up", "control", without(ETCD, "auto-tls", "true")),
    Check(
        "2.4",
        "TLS among members",
        "control",
        every(flag(ETCD, "peer-cert-file"), flag(ETCD, "peer-key-file")),
    ),
    Check("2.5", "members show them", "control", flag(ETCD, "peer-client-cert-auth", "true")),
    Check("2.6", "none that etcd makes up", "control", without(ETCD, "peer-auto-tls", "true")),
    Check("2.7", "an authority of etcd's own", "control", own_authority),
    Check("3.2.1", "an audit policy", "control", flag(API, "audit-policy-file"), unmet=UNAUDITED),
    _node("4.1.1", "kubelet's service: 0600", modes(SERVICE)),
    _node("4.1.2", "kubelet's service: root's", owners(SERVICE)),
    _node("4.1.5", "kubelet.conf: 0600", modes("/etc/kubernetes/kubelet.conf")),
    _node("4.1.6", "kubelet.conf: root's", owners("/etc/kubernetes/kubelet.conf")),
    _node("4.1.7", "the authority's certificate: 0600", modes(f"{PKI}/ca.crt")),
    _node("4.1.8", "the authority's certificate: root's", owners(f"{PKI}/ca.crt")),
    _node("4.1.9", "kubelet's configuration: 0600", modes(CONFIG)),
    _node("4.1.10", "kubelet's configuration: root's", owners(CONFIG)),
    _node(
        "4.2.1",
        "no anonymous requests",
        kubelet("authentication.anonymous.enabled", lambda value: value is False),
    ),
    _node(
        "4.2.2",
        "not everything is allowed",
        kubelet("authorization.mode", lambda value: value == "Webhook"),
    ),
    _node("4.2.3", "an authority of clients", kubelet("authentication.x509.clientCAFile", bool)),
    _node("4.2.4", "no port without a login", kubelet("readOnlyPort", lambda v: v == 0, 0)),
    _node(
        "4.2.5",
        "idle streams end",
        kubelet("streamingConnectionIdleTimeout", lambda value: value not in ("0", "0s", None)),
    ),
    _node("4.2.6", "kubelet's chains", kubelet("makeIPTablesUtilChains", bool, True)),
    _node("4.2.7", "no other host name", without("kubelet", "hostname-override")),
    _node("4.2.8", "a rate of events", kubelet("eventRecordQPS", lambda value: value > 0, 5)),
    _node(
        "4.2.9",
        "a certificate of the cluster's",
        lambda node: "" if node.signed else "kubelet's own",
    ),
    _node("4.2.10", "certificates are renewed", kubelet("rotateCertificates", bool)),
    _node(
        "4.2.11",
        "so are those it serves with",
        kubelet("featureGates.RotateKubeletServerCertificate", bool, True),
    ),
    _node("4.2.12", "strong ciphers", kubelet("tlsCipherSuites", strong)),
    _node("4.2.13", "a limit on processes", kubelet("podPidsLimit", lambda v: v > 0, -1)),
    _objects("5.1.1", "nobody is cluster-admin but administrators", admins),
    _objects(
        "5.1.6",
        "no tokens where none are needed",
        pods(lambda spec: spec.get("automountServiceAccountToken") is not False),
    ),
    _objects("5.2.2", "no privileged containers", containers(lambda c: c.get("privileged"))),
    _objects("5.2.3", "no processes of the host", pods(lambda spec: spec.get("hostPID"))),
    _objects("5.2.4", "no memory of the host", pods(lambda spec: spec.get("hostIPC"))),
    _objects("5.2.5", "no network of the host", pods(lambda spec: spec.get("hostNetwork"))),
    _objects(
        "5.2.6",
        "no more rights than at the start",
        containers(lambda c: c.get("allowPrivilegeEscalation") is not False),
    ),
    _objects(
        "5.2.7",
        "no root",
        pods(lambda spec: (spec.get("securityContext") or {}).get("runAsNonRoot") is not True),
    ),
    _objects(
        "5.2.8",
        "no raw packets",
        containers(lambda c: not {"ALL", "NET_RAW"} & set(_capabilities(c, "drop"))),
    ),
    _objects("5.2.9", "no capabilities added", containers(lambda c: _capabilities(c, "add"))),
    _objects(
        "5.2.10",
        "no capabilities",
        containers(lambda c: "ALL" not in _capabilities(c, "drop")),
    ),
    _objects("5.2.12", "no folders of nodes", pods(lambda spec: _volumes(spec, "hostPath"))),
    _objects("5.2.13", "no ports of nodes", pods(_host_ports)),
    _objects(
        "5.3.2",
        "NetworkPolicies in each namespace",
        without_policies,
        unmet="those of Kubernetes itself have none",
    ),
    _objects(
        "5.7.2",
        "the runtime's seccomp profile",
        pods(
            lambda spec: (
                ((spec.get("securityContext") or {}).get("seccompProfile") or {}).get("type")
                != "RuntimeDefault"
            )
        ),
    ),
    _objects(
        "5.7.4",
        "nothing in the namespace default",
        lambda objects: ", ".join(
            pod["metadata"]["name"]
            for pod in objects.pods
            if pod["metadata"]["namespace"] == "default"
        ),
        unmet="the application's names there, as mysql-headless.default.svc, are its contract",
    ),
)


def wrong(facts: Node | Objects, *where: Where) -> list[str]:
    """A line for each check that is not as the table says, on that kind of facts."""
    lines = []
    for check in CHECKS:
        if check.where not in where:
            continue
        against = check.look(facts)
        if against and not check.unmet:
            lines.append(f"{check.id} {check.what}: {against}")
        if not against and check.unmet:
            lines.append(f"{check.id} {check.what}: met, though {check.unmet}")
    return lines
