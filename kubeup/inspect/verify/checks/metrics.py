"""Line: `kubectl top nodes` has a row with numbers for every node."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from kubeup.core.shell import Output
from kubeup.facts import trouble
from kubeup.inspect.verify.model import Context, Verdict, bad, good
from kubeup.inspect.verify.run import Run

# metrics-server needs two scrapes, 15 s apart, and the metrics API can't be watched
WAIT_SECONDS = 60.0
# name, CPU, CPU %, memory, memory %
ROW = re.compile(r"^(\S+) +(\d+m?) +\S+ +(\d+(?:Ki|Mi|Gi)?) ", re.MULTILINE)


def look(run: Run) -> Verdict:
    context = run.context
    names = [spec.name for spec in context.expected]
    end = time.monotonic() + context.pace.seconds(WAIT_SECONDS)
    while True:
        output = context.kubectl.read("top", "nodes", "--no-headers", ok=None, timeout=20)
        verdict = evaluate(names, output)
        if verdict.ok:
            return verdict
        if time.monotonic() > end or _absent(context) or run.stop.wait(1):
            return _explained(context, verdict)


def evaluate(names: Sequence[str], output: Output) -> Verdict:
    """Judge one answer of `kubectl top nodes`."""
    usage = {name: f"{cpu} {memory}" for name, cpu, memory in ROW.findall(output.stdout)}
    missing = [name for name in names if name not in usage]
    if not missing:
        return good(", ".join(f"{name} {usage[name]}" for name in names))
    # kubectl's discovery cache complains line by line before the error itself
    errors = [line for line in output.stderr.strip().splitlines() if "memcache.go" not in line]
    return bad(
        f"no numbers for {len(missing)} of {len(names)} nodes",
        errors[-1] if errors else f"no numbers for {', '.join(missing)}",
        "run `inv status`: metrics-server has to be ready",
    )


def _absent(context: Context) -> bool:
    """Whether there is no metrics-server at all, so that waiting is of no use."""
    get = ("-n", "kube-system", "get", "deployment", "metrics-server")
    return not context.kubectl.read(*get, ok=None).ok


def _explained(context: Context, verdict: Verdict) -> Verdict:
    pods = context.system_pods("metrics-server")
    # it may run without having measured anything yet
    if pods:
        return verdict.because(trouble.of_pods("metrics-server", pods))
    return verdict.because(
        "metrics-server is not in the cluster", "run `inv up`: it installs metrics-server"
    )
