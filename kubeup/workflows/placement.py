"""Where the database runs: what is on record decides, and the settings may not say otherwise.

On another side or machine than its files lie on it would start with an empty data folder, so
every contradiction is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubeup.core.errors import Refused
from kubeup.core.record import CLUSTER, VM, Location, Record, Side
from kubeup.settings import Settings

SIDES: dict[Side, str] = {CLUSTER: "the cluster", VM: "a machine of its own"}
EMPTY = "it would start with an empty data folder"


def side(settings: Settings, known: Location | None) -> Side:
    """On which side the database runs, or is to run. Raises Refused as above."""
    wanted = settings.database.on
    if known is None:
        return CLUSTER if wanted == "auto" else wanted
    if wanted != "auto" and wanted != known.side:
        raise Refused(
            f"the settings want the database on {SIDES[wanted]}, its data are on "
            f"{SIDES[known.side]}",
            EMPTY,
            f"move them: `inv db.move {wanted}`, or set database.on to {known.side}",
        )
    return known.side


def require_node(node: str, nodes: Sequence[str]) -> None:
    """Raises Refused where the settings do without the node that has the data in the cluster."""
    if node not in nodes:
        raise Refused(
            f"the settings do without {node}, which has the database's data",
            EMPTY,
            "put back the count of nodes that it was made with: nodes.workers.count, or "
            "minikube.nodes",
        )


def machine(settings: Settings, record: Record, names: Sequence[str], usual: str) -> Location:
    """On which machine the database runs, or is to run, where it is on one.

    `names` are those of the provider's machines, `usual` is the one that is taken where nothing
    names any. Raises Refused as above, and where the settings name a machine that is not there.
    """
    known, wanted = record.on(VM), _wanted_machine(settings, names)
    holds = known if known and known.node and not known.saved else None
    if holds and not holds.address and holds.node not in names:
        raise Refused(
            f"the settings do without {holds.node}, which has the database's data",
            EMPTY,
            "put nodes.database.count, or nodes.workers.count, back; `inv db.move cluster` "
            "brings them away",
        )
    if holds and wanted and wanted.machine != holds.machine:
        raise Refused(
            f"the settings want the database on {wanted}, its data are on {holds}",
            EMPTY,
            f"`inv db.move {CLUSTER}` and `--drop-old` bring them away first, or put back "
            "database.vm or database.address",
        )
    return holds or wanted or Location(VM, usual)


def _wanted_machine(settings: Settings, names: Sequence[str]) -> Location | None:
    database = settings.database
    if database.address:
        return Location(VM, settings.database_machine, str(database.address))
    if not database.vm:
        return None
    for name in names:
        if database.vm in (name, name.removeprefix(f"{settings.slug}-")):
            return Location(VM, name)
    raise Refused(
        f"there is no machine {database.vm}",
        f"there are: {', '.join(names)}",
        "set database.vm to one of them",
    )
