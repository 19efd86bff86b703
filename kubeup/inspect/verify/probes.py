"""Probe pods: one on each node, of the API's image, there for the length of a verification."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from kubeup.core.errors import CommandError, KubeupError
from kubeup.inspect.verify import reasons
from kubeup.inspect.verify.lines import Context, Verdict, bad, good
from kubeup.system.kubectl import Kubectl

PORT = 8899
LABEL = "app.kubernetes.io/managed-by"
OWNER = "kubeup-verify"
SELECTOR = f"{LABEL}={OWNER}"
RUN = "app.kubernetes.io/instance"
WAIT_SECONDS = 60.0
# then the reason why it is not ready yet is looked at, so that a hopeless one ends the wait
WATCH_SECONDS = 4

SERVER = f"""
import socket, sys
server = socket.create_server(("", {PORT}), backlog=64)
while True:
    connection = server.accept()[0]
    try:
        connection.sendall(sys.argv[1].encode())
    except OSError:
        pass
    connection.close()
"""


@dataclass(frozen=True)
class Probe:
    """A probe pod: its node, name and address, and why it is not ready ('' when it is)."""

    node: str
    name: str
    address: str = ""
    why: str = ""
    image_missing: bool = False


class Probes:
    """The probe pods of one run.

    What they are asked and answer is in `kubeup.inspect.verify.inside`.
    """

    def __init__(self, context: Context, stop: threading.Event) -> None:
        self._context, self._stop, self._run = context, stop, secrets.token_hex(3)
        self.all: tuple[Probe, ...] = ()
        self.names_seen: Mapping[str, Any] = {}

    @property
    def ready(self) -> tuple[Probe, ...]:
        return tuple(probe for probe in self.all if not probe.why)

    def start(self) -> Verdict:
        """Remove what earlier runs left, make the pods, and wait until each is ready or can't
        become it.
        """
        kubectl = self._context.kubectl
        # their deadline has ended them; another run's still run
        delete(kubectl, SELECTOR, "--field-selector=status.phase=Failed")
        wanted = [
            Probe(spec.name, f"{OWNER}-{spec.name}-{self._run}") for spec in self._context.expected
        ]
        pods = [manifest(probe, self._context.api_image, self._run) for probe in wanted]
        kubectl.write(
            "-n",
            kubectl.namespace,
            "create",
            "-f",
            "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}),
        )
        with ThreadPoolExecutor(max(1, len(wanted))) as pool:
            self.all = tuple(pool.map(self._settled, wanted))
        return evaluate(self.all, self._context.api_image)

    def ask(self, questions: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Put a question to the ready pod of each node named, side by side; {"error": why} where
        it could not be asked.
        """
        asked = [probe for probe in self.ready if probe.node in questions]
        with ThreadPoolExecutor(max(1, len(asked))) as pool:
            answers = pool.map(lambda probe: self._answer(probe, questions[probe.node]), asked)
            return {probe.node: answer for probe, answer in zip(asked, answers, strict=True)}

    def pause(self, seconds: float) -> None:
        """Wait; no longer where the verification is being ended."""
        self._stop.wait(seconds)

    @cached_property
    def _script(self) -> str:
        return (
            resources.files("kubeup.inspect.verify")
            .joinpath("inside.py")
            .read_text(encoding="utf-8")
        )

    def _answer(self, probe: Probe, question: Mapping[str, Any]) -> dict[str, Any]:
        kubectl = self._context.kubectl
        command = ("exec", "-i", probe.name, "--", "python3", "-I", "-", json.dumps(question))
        try:
            answer: dict[str, Any] = json.loads(
                kubectl.read(
                    "-n", kubectl.namespace, *command, stdin=self._script, timeout=30
                ).stdout
            )
        except KubeupError as error:
            return {"error": error.why or error.what}
        return answer

    def remove(self) -> None:
        """Delete this run's pods. Where the cluster is gone, their own deadline ends them."""
        with contextlib.suppress(CommandError):
            delete(self._context.kubectl, f"{SELECTOR},{RUN}={self._run}")

    def _settled(self, probe: Probe) -> Probe:
        kubectl = self._context.kubectl
        end = time.monotonic() + self._context.pace.seconds(WAIT_SECONDS)
        wait = ("wait", f"pod/{probe.name}", "--for=condition=Ready", f"--timeout={WATCH_SECONDS}s")
        while True:
            ready = kubectl.read("-n", kubectl.namespace, *wait, ok=None).ok
            item = kubectl.json("-n", kubectl.namespace, "get", "pod", probe.name)
            if ready or reasons.hopeless(item) or self._stop.is_set() or time.monotonic() > end:
                return seen(probe, item, "" if ready else self._event(probe))

    def _event(self, probe: Probe) -> str:
        kubectl = self._context.kubectl
        return reasons.last_event(
            kubectl.items(
                "-n",
                kubectl.namespace,
                "events",
                "--field-selector",
                f"involvedObject.name={probe.name}",
            )
        )


def seen(probe: Probe, item: dict[str, Any], event: str = "") -> Probe:
    """The probe as its pod's object, and where it is not ready its last event, tell."""
    trouble = reasons.pod_trouble(item)
    # what is hopeless says why itself, what is still being made does not
    why = (
        f"{trouble}, last event: {event}"
        if trouble and event and not reasons.hopeless(item)
        else trouble
    )
    return Probe(
        probe.node,
        probe.name,
        item.get("status", {}).get("podIP", ""),
        why,
        reasons.image_missing(item),
    )


def evaluate(probes: Sequence[Probe], image: str) -> Verdict:
    """Judge whether each node started its pod."""
    failed = [probe for probe in probes if probe.why]
    if not failed:
        return good(f"ready on {', '.join(probe.node for probe in probes)}")
    cause = "\n".join(f"{probe.node}: {probe.why}" for probe in failed)
    detail = f"{len(failed)} of {len(probes)} nodes did not start a pod of {image}"
    if any(probe.image_missing for probe in failed):
        cause = f"the image {image} is not on the node and can't be pulled there\n{cause}"
        return bad(detail, cause, "run `inv up`: it puts the image on every node")
    return bad(detail, cause, "run `inv status`, and `inv cluster.start` where a node is stopped")


def missing(probes: Sequence[Probe]) -> list[str]:
    """Why some nodes can't be judged, a line each."""
    return [f"{probe.node}: no probe pod ({probe.why})" for probe in probes if probe.why]


def delete(kubectl: Kubectl, selector: str, *more: str) -> None:
    kubectl.write(
        "-n",
        kubectl.namespace,
        "delete",
        "pod",
        "-l",
        selector,
        *more,
        "--wait=false",
        "--ignore-not-found",
        timeout=30,
    )


def manifest(probe: Probe, image: str, run: str) -> dict[str, Any]:
    """The pod of one probe.

    It goes through the scheduler, as a DaemonSet's pods do, and onto any node, whatever its taints.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": probe.name,
            "labels": {LABEL: OWNER, "app.kubernetes.io/name": OWNER, RUN: run},
        },
        "spec": {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [_on(probe.node)]
                    }
                }
            },
            "tolerations": [{"operator": "Exists"}],
            "restartPolicy": "OnFailure",
            "activeDeadlineSeconds": 300,
            "terminationGracePeriodSeconds": 0,
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(probe.node, image)],
        },
    }


def _on(node: str) -> dict[str, Any]:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}


def _container(label: str, image: str) -> dict[str, Any]:
    return {
        "name": "probe",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-I", "-c", SERVER, label],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 60},
        "resources": {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "96Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def targets(probes: Iterable[Probe]) -> dict[str, tuple[str, int]]:
    return {probe.node: (probe.address, PORT) for probe in probes}
