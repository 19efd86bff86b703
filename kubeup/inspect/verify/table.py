"""The checks of a verification, in the order in which they are shown: a row each."""

from __future__ import annotations

from kubeup.core.services import SERVICES
from kubeup.inspect.verify.checks import (
    cluster_names,
    http_port,
    metrics,
    node_ports,
    nodes,
    outside_names,
    pods_across_nodes,
    pods_start,
    policies,
    product_in_database,
    product_read,
    product_removed,
    product_written,
    storage,
    wrong_order,
)
from kubeup.inspect.verify.run import Check

# from the nodes up to the application: what comes first explains what fails later
CHECKS = (
    Check(
        "nodes",
        "every node is Ready, at the wanted version, with an address of its own",
        nodes.look,
    ),
    Check(
        "pods start",
        "every node, the control plane too, starts a pod of the API's image",
        pods_start.look,
    ),
    Check(
        "pods across nodes",
        "a pod on each node reaches the pods on all others",
        pods_across_nodes.look,
        after=("pods start",),
    ),
    Check(
        "names in the cluster",
        "cluster DNS has each name's right address, on every node",
        cluster_names.look,
        after=("pods start",),
    ),
    Check(
        "name in the wrong order",
        "cluster DNS refuses a name that can't exist",
        wrong_order.look,
        after=("names in the cluster",),
    ),
    Check(
        "names outside",
        "a pod resolves names outside exactly where its node does",
        outside_names.look,
        after=("names in the cluster",),
    ),
    Check(
        "network policies",
        "a pod that is neither the API nor the UI reaches neither the database nor the API",
        policies.look,
        after=("pods start",),
    ),
    Check(
        "storage",
        "the database's claim is bound to a volume that stays on its node and is kept",
        storage.look,
    ),
    *map(node_ports.check, (service for service in SERVICES if service.check)),
    Check(
        "HTTP port ui",
        "the UI's page is there at every node's address, without its NodePort",
        http_port.look,
        applies=lambda settings: settings.ports.http > 0,
    ),
    Check(
        "product written",
        "the UI takes a product with a picture, through the API, as from a browser",
        product_written.look,
    ),
    Check(
        "product read",
        "the API gives back the product and the same picture",
        product_read.look,
        after=("product written",),
    ),
    Check(
        "product in the database",
        "the row and the picture's digest are in the database itself",
        product_in_database.look,
        after=("product written",),
    ),
    Check(
        "product removed",
        "the UI deletes it, and the API has it no more",
        product_removed.look,
        after=("product read", "product in the database"),
    ),
    Check("metrics", "metrics-server measures every node", metrics.look),
)
