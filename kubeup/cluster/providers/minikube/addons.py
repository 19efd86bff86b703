"""What a start of minikube leaves to be set in a cluster: metrics, names and Services."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from kubeup.cluster.providers.base import ToolCommand
from kubeup.cluster.providers.minikube.actions import Nodes, run_on_all
from kubeup.core.plan import Log
from kubeup.system import cache
from kubeup.system.kubectl import Kubectl

# appended behind kube-proxy's own rules: only what they did not rewrite comes so far. The rules of
# routing are for what kube-router accepts before (see the template kubeup-pod-network.j2)
UNIT = """[Unit]
Description=Services' addresses are for this node's own rules
Before=kubelet.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for chain in OUTPUT FORWARD; do \\
  iptables -w -A $chain -d {services} -p tcp -j REJECT --reject-with tcp-reset; \\
  iptables -w -A $chain -d {services} -j REJECT; done; \
  ip rule show pref 200 | grep -q . || ip rule add pref 200 iif lo to {services} lookup main; \
  ip rule show pref 201 | grep -q . || ip rule add pref 201 to {services} unreachable'
[Install]
WantedBy=multi-user.target
"""
INSTALL = (
    "cat >/etc/systemd/system/kubeup-services.service && systemctl daemon-reload && systemctl "
    "enable --no-reload --quiet kubeup-services && "
    "systemctl start kubeup-services"
)
ARGUMENTS = "/spec/template/spec/containers/0/args"
RESOLUTION = "--metric-resolution=15s"
# as in ansible/roles/control_plane/files/coredns.yaml, which says why
SHORT = (
    (r"(?m)^(\s*)ttl 30$", r"\1ttl 1"),
    (r"(?m)^(\s*)cache 30$", r"\1cache 30 {\n\1   success 9984 30 1\n\1   denial 9984 2\n\1}"),
)
# annotation of CoreDNS's pods: the Corefile that they were started with
COREFILE = "kubeup/corefile"


def _patch(kubectl: Kubectl, log: Log, kind: str, name: str, patch: Any, *how: str) -> None:
    words = ("-n", "kube-system", "patch", kind, name, *how)
    kubectl.write(*words, f"--patch={json.dumps(patch)}", log=log)


@dataclass(frozen=True)
class SetMetricsResolution:
    """Let metrics-server measure every 15 s, as upstream's own manifest has it.

    minikube's addon measures every 60 s, and is set back to that at each start. There are numbers
    after two rounds, so they would be missing for two minutes. `enable` comes first, where
    metrics-server is not there yet.
    """

    kubectl: Kubectl
    enable: ToolCommand | None = None

    def commands(self) -> tuple[str, ...]:
        return self.enable.commands() if self.enable else ()

    def run(self, log: Log) -> None:
        if self.enable:
            self.enable.run(log)
        where = ("-n", "kube-system", "--field-selector=metadata.name=metrics-server")
        for deployment in self.kubectl.items(*where, "deployments"):
            args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
            wanted = [re.sub(r"^--metric-resolution\b.*", RESOLUTION, arg) for arg in args]
            if wanted != args:
                patch = [{"op": "replace", "path": ARGUMENTS, "value": wanted}]
                _patch(self.kubectl, log, "deployment", "metrics-server", patch, "--type=json")


@dataclass(frozen=True)
class ShortenDnsCache:
    """Let CoreDNS keep an answer about the cluster's own names for 1 or 2 s instead of 30.

    An API that asks a moment before its database has an address is told so for half a minute, on a
    cluster with two CoreDNS by one of them. It would find out of a new Corefile within two minutes,
    so it is started anew; the one there is answers until then.
    """

    kubectl: Kubectl

    def run(self, log: Log) -> None:
        configuration, deployment = self.kubectl.items(
            "-n", "kube-system", "configmap/coredns", "deployment/coredns"
        )
        corefile = configuration["data"]["Corefile"]
        wanted = forgetful(corefile)
        if wanted != corefile:
            _patch(self.kubectl, log, "configmap", "coredns", {"data": {"Corefile": wanted}})
        digest = cache.digest(wanted)
        metadata = deployment["spec"]["template"]["metadata"]
        if metadata.get("annotations", {}).get(COREFILE) != digest:
            template = {"metadata": {"annotations": {COREFILE: digest}}}
            strategy = {"rollingUpdate": {"maxUnavailable": 0}}
            spec = {"strategy": strategy, "template": template}
            _patch(self.kubectl, log, "deployment", "coredns", {"spec": spec})


def forgetful(corefile: str) -> str:
    """A Corefile whose usual lines about time are short; other lines stay as they are."""
    for usual, short in SHORT:
        corefile = re.sub(usual, short, corefile)
    return corefile


@dataclass(frozen=True)
class KeepServicesInside:
    """Reject what leaves a node for a Service's address, now and after each restart.

    A started node runs its pods before kube-proxy's rules are back. What they send to a Service
    then goes out by the default route, and whoever answers there is taken for the Service while the
    connection lasts: the API server keeps the one to metrics-server for good. Seen as a metrics API
    that stays unavailable after stop and start.
    """

    nodes: Nodes
    services: str

    def run(self, log: Log) -> None:
        unit = UNIT.format(services=self.services)
        # what it leads to where it is not done
        failure = (
            "metrics may be unavailable after a restart: traffic to Services can't be kept inside"
        )
        run_on_all(self.nodes(), failure, log, "sh", "-c", INSTALL, stdin=unit)
