"""All checks of a verification, in the order in which they are shown, and the run itself."""

from __future__ import annotations

import threading
from functools import partial

from kubeup.inspect.verify import metrics, names, network, nodeports, nodes, policies, storage
from kubeup.inspect.verify.lines import Check, Context, Line
from kubeup.inspect.verify.probes import Probes
from kubeup.inspect.verify.product import Product
from kubeup.inspect.verify.runner import Tell, run_checks


def run(context: Context, tell: Tell | None = None) -> list[Line]:
    """Verify a cluster. `tell` gets each line when it is done; the list has all of them in a fixed
    order.

    Independent checks run side by side. What they make, pods and a product, is gone afterwards,
    also after an interrupt.
    """
    stop = threading.Event()
    probes, product = Probes(context, stop), Product(context)
    try:
        return run_checks(checks(context, probes, product, stop), tell, stop)
    finally:
        product.clean()
        probes.remove()


def checks(
    context: Context, probes: Probes, product: Product, stop: threading.Event
) -> tuple[Check, ...]:
    """Every check of a run."""
    return (
        Check(
            "nodes",
            "every node is Ready, at the wanted version, with an address of its own",
            partial(nodes.look, context),
        ),
        *_in_pods(context, probes),
        Check(
            "network policies",
            "it is said where NetworkPolicies are not enforced",
            partial(policies.look, context),
        ),
        Check(
            "storage",
            "the database's claim is bound to a volume that stays on its node and is kept",
            partial(storage.look, context),
        ),
        Check(
            "NodePort api",
            "the API answers on every node and is connected to its database",
            partial(nodeports.look, context, "api"),
        ),
        Check(
            "NodePort ui",
            "the UI's page is there on every node",
            partial(nodeports.look, context, "ui"),
        ),
        *_at_addresses(context),
        *_of_product(context, product),
        Check(
            "metrics", "metrics-server measures every node", partial(metrics.look, context, stop)
        ),
    )


def _in_pods(context: Context, probes: Probes) -> tuple[Check, ...]:
    started, resolved = ("pods start",), ("names in the cluster",)
    return (
        Check(
            "pods start",
            "every node, the control plane too, starts a pod of the API's image",
            probes.start,
        ),
        Check(
            "pods across nodes",
            "a pod on each node reaches the pods on all others",
            partial(network.look, probes),
            started,
        ),
        Check(
            "names in the cluster",
            "cluster DNS has each name's right address, on every node",
            partial(names.look, context, probes),
            started,
        ),
        Check(
            "name in the wrong order",
            "cluster DNS refuses a name that can't exist",
            partial(names.wrong_order, probes),
            resolved,
        ),
        Check(
            "names outside",
            "a pod resolves names outside exactly where its node does",
            partial(names.outside, context, probes),
            resolved,
        ),
    )


def _at_addresses(context: Context) -> tuple[Check, ...]:
    proves = "the UI's page is there at every node's address, without its NodePort"
    check = Check("HTTP port ui", proves, partial(nodeports.look_published, context))
    return (check,) if context.settings.ports.http else ()


def _of_product(context: Context, product: Product) -> tuple[Check, ...]:
    where = (
        "the StatefulSet's database"
        if context.database_in_cluster
        else "the database outside the cluster"
    )
    return (
        Check(
            "product written",
            "the UI takes a product with a picture, through the API, as from a browser",
            product.write,
        ),
        Check(
            "product read",
            "the API gives back the product and the same picture",
            product.read,
            ("product written",),
        ),
        Check(
            "product in the database",
            f"the row and the picture's digest are in {where}",
            product.look_in_database,
            ("product written",),
        ),
        Check(
            "product removed",
            "the UI deletes it, and the API has it no more",
            product.remove,
            ("product read", "product in the database"),
        ),
    )
