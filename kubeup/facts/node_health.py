"""What a node itself tells of its services, its network and its certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubeup.facts.faults import Fault, Repair

DISK_PERCENT = 95
CLOCK_SECONDS = 60.0  # certificates and leases stand less than an hour
# Run as root on a node; a line each, its kind first. What is as it should be prints nothing but
# its units, the clock and an end, without which the node could not be asked.
SCRIPT = rf"""
for unit in containerd kubelet pod-network; do
  echo "unit $unit $(systemctl is-active $unit) $(systemctl is-enabled $unit 2>/dev/null)"
done
ls /etc/cni/net.d/*.conf* >/dev/null 2>&1 || echo "cni missing"
/usr/local/sbin/kubeup-pod-network check 2>&1 | sed 's/^/network /'
grep -q '^nameserver' /etc/resolv.conf || echo "names missing"
df -P / /var/lib/kubelet /var/lib/containerd |
  awk 'NR > 1 && $5 + 0 >= {DISK_PERCENT} && !seen[$1]++ {{print "disk", $6, $5}}'
if test -e /etc/kubeup/control-plane; then
  cd /etc/kubernetes/manifests
  for pod in etcd kube-apiserver kube-controller-manager kube-scheduler; do
    test -e $pod.yaml || echo "manifest $pod missing"
  done
  sha256sum --check --quiet --ignore-missing /etc/kubeup/manifests.sha256 2>/dev/null |
    sed -n 's/^\(.*\)\.yaml: FAILED$/manifest \1 changed/p'
  cd /etc/kubernetes/pki
  for file in *.crt etcd/*.crt; do
    test -e "$file" || continue
    openssl x509 -in "$file" -noout -checkend 604800 >/dev/null || echo "certificate $file"
  done
fi
echo "clock $(date +%s)"
echo end
"""


def faults(node: str, text: str, now: float) -> list[Fault]:
    """What is wrong with a node, by what SCRIPT printed there; `now` as time(2) has it here."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if ["end"] not in rows:
        return [Fault(node, f"{node} could not be asked", text.strip()[-200:])]
    found = [fault for kind, *words in rows if kind in READ for fault in READ[kind](node, words)]
    return [*found, *_clock(node, rows, now)]


def _unit(node: str, words: list[str]) -> Iterator[Fault]:
    unit, active, enabled = (*words, "unknown", "unknown")[:3]
    if active in ("active", "activating") and enabled == "enabled":
        return
    state = active if enabled == "enabled" else f"{active}, {enabled}"
    yield Fault(node, f"{unit} on {node} is {state}", "", Repair.UNITS, node, (unit,))


def _cni(node: str, _: list[str]) -> Iterator[Fault]:
    what = f"the pod network on {node} has no configuration"
    yield Fault(node, what, "/etc/cni/net.d is empty", Repair.CNI, node)


def _network(node: str, words: list[str]) -> Iterator[Fault]:
    what = f"{node} lacks a route or a rule of the pod network"
    # without its script it takes the play to bring it
    repair = Repair.CNI if words[-2:] == ["not", "found"] else Repair.POD_NETWORK
    yield Fault(node, what, " ".join(words), repair, node)


def _names(node: str, _: list[str]) -> Iterator[Fault]:
    what = f"{node} has no name server"
    yield Fault(node, what, "/etc/resolv.conf names none", Repair.NAMES, node)


def _disk(node: str, words: list[str]) -> Iterator[Fault]:
    place, percent = words
    yield Fault(node, f"the disk of {node} is full", f"{place} is at {percent}")


def _manifest(node: str, words: list[str]) -> Iterator[Fault]:
    pod, state = words
    yield Fault(
        "control plane",
        f"the manifest of {pod} is {state}",
        f"/etc/kubernetes/manifests/{pod}.yaml on {node}",
        Repair.STATIC_PODS,
        node,
        (pod,),
        users=state == "changed",
    )


def _certificate(node: str, words: list[str]) -> Iterator[Fault]:
    what = f"the certificate {words[0]} of the control plane has ended, or does within a week"
    repair = Repair.NONE if words[0].endswith("ca.crt") else Repair.CERTIFICATES
    yield Fault("control plane", what, f"in /etc/kubernetes/pki on {node}", repair, node)


def _clock(node: str, rows: list[list[str]], now: float) -> Iterator[Fault]:
    clock = next((float(row[1]) for row in rows if row[0] == "clock"), now)
    if abs(clock - now) > CLOCK_SECONDS:
        yield Fault(
            node,
            f"the clock of {node} is {abs(clock - now):.0f} s off",
            "certificates and leases are judged by it",
        )


READ: dict[str, Callable[[str, list[str]], Iterator[Fault]]] = {
    "unit": _unit,
    "cni": _cni,
    "network": _network,
    "names": _names,
    "disk": _disk,
    "manifest": _manifest,
    "certificate": _certificate,
}
