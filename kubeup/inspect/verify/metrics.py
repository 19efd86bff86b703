"""Check: `kubectl top nodes` has a row with numbers for every node."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kubeup.core.shell import Output
from kubeup.inspect.verify import reasons
from kubeup.inspect.verify.lines import Context, Verdict, bad, good

# metrics-server needs two scrapes, 15 s apart, and the metrics API can't be watched
WAIT_SECONDS = 60.0
NUMBER = re.compile(r"^\d+(m|Ki|Mi|Gi|%)?$")


@dataclass(frozen=True)
class Usage:
    """A node's row of `kubectl top nodes`."""

    node: str
    cpu: str
    memory: str

    @property
    def real(self) -> bool:
        return bool(NUMBER.match(self.cpu) and NUMBER.match(self.memory))


def look(context: Context, stop: threading.Event) -> Verdict:
    names = [spec.name for spec in context.expected]
    end = time.monotonic() + context.pace.seconds(WAIT_SECONDS)
    while True:
        output = context.kubectl.read("top", "nodes", "--no-headers", ok=None, timeout=20)
        verdict = evaluate(names, output)
        if verdict.ok or time.monotonic() > end:
            return verdict if verdict.ok else _explained(context, verdict)
        if _absent(context) or stop.wait(1):
            return _explained(context, verdict)


def parse(text: str) -> tuple[Usage, ...]:
    """The rows of `kubectl top nodes --no-headers`: name, CPU, CPU %, memory, memory %."""
    rows = [line.split() for line in text.splitlines()]
    return tuple(Usage(row[0], row[1], row[3]) for row in rows if len(row) >= 5)


def evaluate(names: Sequence[str], output: Output) -> Verdict:
    """Judge one answer of `kubectl top nodes`."""
    usages = {usage.node: usage for usage in parse(output.stdout)}
    missing = [name for name in names if name not in usages or not usages[name].real]
    if not missing:
        return good(", ".join(f"{name} {usages[name].cpu} {usages[name].memory}" for name in names))
    said = [line for line in output.stderr.strip().splitlines() if "memcache.go" not in line]
    cause = said[-1] if said else f"no numbers for {', '.join(missing)}"
    return bad(
        f"no numbers for {len(missing)} of {len(names)} nodes",
        cause,
        "run `inv status`: metrics-server has to be ready",
    )


def _absent(context: Context) -> bool:
    """Whether there is no metrics-server at all, so that waiting is of no use."""
    return not context.kubectl.read(
        "-n", "kube-system", "get", "deployment", "metrics-server", ok=None
    ).ok


def _explained(context: Context, verdict: Verdict) -> Verdict:
    trouble = reasons.workload_trouble(
        "metrics-server",
        context.kubectl.items("-n", "kube-system", "pods", "-l", "k8s-app=metrics-server"),
    )
    if trouble.endswith("has no pod"):
        return bad(
            verdict.detail,
            f"metrics-server is not in the cluster\n{verdict.cause}",
            "run `inv up`: it installs metrics-server",
        )
    return bad(verdict.detail, f"{trouble}\n{verdict.cause}", verdict.next) if trouble else verdict
