"""Line: cluster DNS refuses a name with `svc` before the namespace, which can't exist."""

from __future__ import annotations

from kubeup.inspect.verify.model import Verdict, bad, good
from kubeup.inspect.verify.probes import Answers
from kubeup.inspect.verify.run import Run

NAME = "mysql-headless.svc.default.cluster.local"


def look(run: Run) -> Verdict:
    return evaluate(run.probes.names_seen)


def evaluate(seen: Answers) -> Verdict:
    """Judge that the name does not exist, as in every cluster."""
    # any other code than NXDOMAIN says that a name server did not know, or made an address up
    codes = {node: answer.get("error") or answer["ask"][NAME] for node, answer in seen.items()}
    wrong = [f"{node}: {code}" for node, code in codes.items() if code != "NXDOMAIN"]
    if not wrong:
        return good(
            f"{NAME} is NXDOMAIN: it can never resolve, the order is "
            "<service>.<namespace>.svc.cluster.local"
        )
    verdict = bad(
        "the name server does not answer NXDOMAIN for a name that can't exist",
        "\n".join(wrong),
        "run `inv status`: coredns has to be ready; a wildcard in its Corefile or in the node's "
        "own DNS would also do this",
    )
    return verdict.because(f"{NAME} should be NXDOMAIN, as `svc` is no namespace")
