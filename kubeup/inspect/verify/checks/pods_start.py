"""Line: every node, the control plane too, starts a pod of the API's image."""

from __future__ import annotations

from collections.abc import Sequence

from kubeup.inspect.verify.model import Verdict, bad, good
from kubeup.inspect.verify.probes import Probe
from kubeup.inspect.verify.run import Run


def look(run: Run) -> Verdict:
    run.probes.start()
    return evaluate(run.probes.all, run.context.api_image)


def evaluate(probes: Sequence[Probe], image: str) -> Verdict:
    """Judge whether each node started its pod."""
    failed = [probe for probe in probes if probe.why]
    if not failed:
        return good(f"ready on {', '.join(probe.node for probe in probes)}")
    verdict = bad(
        f"{len(failed)} of {len(probes)} nodes did not start a pod of {image}",
        "\n".join(f"{probe.node}: {probe.why}" for probe in failed),
        "run `inv status`, and `inv cluster.start` where a node is stopped",
    )
    # a missing image is no fault of the node's, and `up` knows how to bring it
    if not any(probe.image_missing for probe in failed):
        return verdict
    return verdict.because(
        f"the image {image} is not on the node and can't be pulled there",
        "run `inv up`: it puts the image on every node",
    )
