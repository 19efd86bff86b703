"""Probe pods: one on each node, of the API's image, there for the length of a verification."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import resources
from string import Template
from typing import Any

import yaml

from kubeup.core.errors import CommandError, KubeupError
from kubeup.facts import trouble
from kubeup.facts.pods import Seen
from kubeup.inspect.verify.model import Context, Problem

PORT = 8899
# by these a run finds its own pods, and those that a killed one left
LABEL = "app.kubernetes.io/managed-by"
OWNER = "kubeup-verify"
SELECTOR = f"{LABEL}={OWNER}"
RUN = "app.kubernetes.io/instance"
WAIT_SECONDS = 60.0
# then the reason why it is not ready yet is looked at, so that a hopeless one ends the wait
WATCH_SECONDS = 4
HERE = resources.files("kubeup.inspect.verify")
FIX_PODS = "fix `pods start` first, then `inv verify`"
Answers = Mapping[str, Mapping[str, Any]]  # by node; {"error": why} where it could not be asked


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

    What they are asked and answer is in `kubeup.inspect.verify.in_pod`.
    """

    def __init__(self, context: Context, stop: threading.Event) -> None:
        self._context, self._stop, self._run = context, stop, secrets.token_hex(3)
        self.all: tuple[Probe, ...] = ()
        self._names_seen: Answers = {}

    @property
    def ready(self) -> tuple[Probe, ...]:
        """Those that can be asked. Raises KubeupError where there is none."""
        ready = tuple(probe for probe in self.all if not probe.why)
        if not ready:
            raise not_tried("pods start")
        return ready

    @property
    def names_seen(self) -> Answers:
        """What was answered to `ask_names`. Raises KubeupError where nothing was asked."""
        if not self._names_seen:
            raise not_tried("names in the cluster")
        return self._names_seen

    def start(self) -> None:
        """Make the pods, and wait until each is ready or can't become it."""
        # of earlier runs: their deadline has ended them; another run's still run
        self._delete(SELECTOR, "--field-selector=status.phase=Failed")
        wanted = [
            Probe(spec.name, f"{OWNER}-{spec.name}-{self._run}") for spec in self._context.expected
        ]
        pods = [manifest(probe, self._context.api_image, self._run) for probe in wanted]
        # one call for all: each kubectl costs a start
        pod_list = {"apiVersion": "v1", "kind": "List", "items": pods}
        create = (*self._context.namespace, "create", "-f", "-")
        self._context.kubectl.write(*create, stdin=json.dumps(pod_list))
        with ThreadPoolExecutor(max(1, len(wanted))) as pool:
            self.all = tuple(pool.map(self._settled, wanted))

    def ask(self, questions: Mapping[str, Mapping[str, Any]]) -> Answers:
        """Put a question to the ready pod of each node named, side by side."""
        asked = [probe for probe in self.ready if probe.node in questions]
        with ThreadPoolExecutor(len(asked) or 1) as pool:
            answers = pool.map(lambda probe: self._answer(probe, questions[probe.node]), asked)
            return {probe.node: answer for probe, answer in zip(asked, answers, strict=True)}

    def ask_names(self, resolve: Sequence[str], ask: Sequence[str]) -> Answers:
        """Ask every node's pod for all names at once; several checks read the answers."""
        question = {"resolve": resolve, "ask": ask}
        self._names_seen = self.ask({probe.node: question for probe in self.ready})
        return self._names_seen

    def pause(self, seconds: float) -> None:
        """Wait; no longer where the verification is being ended."""
        self._stop.wait(seconds)

    def remove(self) -> None:
        """Delete this run's pods. Where the cluster is gone, their own deadline ends them."""
        with contextlib.suppress(CommandError):
            self._delete(f"{SELECTOR},{RUN}={self._run}")

    def _answer(self, probe: Probe, question: Mapping[str, Any]) -> dict[str, Any]:
        # on standard input, as the API's image has no program of ours in it
        script = HERE.joinpath("in_pod.py").read_text(encoding="utf-8")
        command = ("exec", "-i", probe.name, "--", "python3", "-I", "-", json.dumps(question))
        try:
            output = self._context.kubectl.read(
                *self._context.namespace, *command, stdin=script, timeout=30
            )
        except KubeupError as error:
            return {"error": error.said}
        answer: dict[str, Any] = json.loads(output.stdout)
        return answer

    def _delete(self, selector: str, *more: str) -> None:
        words = ("delete", "pod", "-l", selector, *more, "--wait=false", "--ignore-not-found")
        self._context.kubectl.write(*self._context.namespace, *words, timeout=30)

    def _settled(self, probe: Probe) -> Probe:
        kubectl, namespace = self._context.kubectl, self._context.namespace
        end = time.monotonic() + self._context.pace.seconds(WAIT_SECONDS)
        wait = ("wait", f"pod/{probe.name}", "--for=condition=Ready", f"--timeout={WATCH_SECONDS}s")
        while True:
            ready = kubectl.read(*namespace, *wait, ok=None).ok
            item = kubectl.json(*namespace, "get", "pod", probe.name)
            if ready or hopeless(item) or self._stop.is_set() or time.monotonic() > end:
                about = f"--field-selector=involvedObject.name={probe.name}"
                return seen(probe, item, [] if ready else self._context.items("events", about))


def hopeless(item: dict[str, Any]) -> bool:
    """Whether a pod won't become ready by waiting."""
    found = trouble.of_pod(item)
    return found is not None and not found.final


def not_tried(earlier: str) -> KubeupError:
    """Why a check has nothing to work on: an earlier one failed."""
    return KubeupError(
        "not tried",
        f"it needs what `{earlier}` makes, and that failed",
        f"fix `{earlier}` first, then `inv verify`",
    )


def seen(probe: Probe, item: dict[str, Any], events: Sequence[dict[str, Any]] = ()) -> Probe:
    """The probe as its pod's object, and where it is not ready its events, tell."""
    why = trouble.why(item, Seen(events))
    address = item.get("status", {}).get("podIP", "")
    return replace(probe, address=address, why=why, image_missing=trouble.image_missing(item))


def missing(probes: Sequence[Probe]) -> list[Problem]:
    """Why some nodes can't be judged."""
    return [
        Problem(f"{probe.node}: no probe pod ({probe.why})", FIX_PODS)
        for probe in probes
        if probe.why
    ]


def unasked(answers: Answers) -> list[Problem]:
    """The nodes whose pod could not be asked, and why."""
    return [
        Problem(f"{node}: could not be asked: {answer['error']}", "run `inv status`")
        for node, answer in answers.items()
        if "error" in answer
    ]


def manifest(probe: Probe, image: str, run: str) -> dict[str, Any]:
    """The pod of one probe."""
    template = Template(HERE.joinpath("probe_pod.yaml").read_text(encoding="utf-8"))
    values = {"name": probe.name, "node": probe.node, "image": image, "run": run, "port": PORT}
    # what is JSON is YAML
    text = template.substitute({name: json.dumps(value) for name, value in values.items()})
    pod: dict[str, Any] = yaml.safe_load(text)
    return pod
