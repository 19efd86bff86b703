"""The orders that must not be left to chance: what comes after what, and why.

A plan maker says what each step needs. Here is declared, once, what no plan may get wrong however
it was made: where somebody forgets an edge, `kubeup.core.plan.plan_of` refuses the plan with the
reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kubeup.core import ids
from kubeup.core.ids import Kind, StepId
from kubeup.core.services import NAMES

Sort = StepId | Kind  # one step, or all of a kind


@dataclass(frozen=True)
class After:
    """`this` comes after `that`, by needs from one to the other, wherever a plan has both.

    Where it does so `always`, no plan has `this` without `that`, or without a fact in its place.
    """

    this: Sort
    that: Sort
    why: str
    always: bool = False


def always(this: Sort, that: Sort, why: str) -> After:
    return After(this, that, why, always=True)


GONE = (Kind.REMOVAL, Kind.HALF)
# what would lose rows otherwise, or lock somebody out of them
DATA = (
    # the move
    After(ids.ADMIT, ids.START_IN_CLUSTER, "only a server that runs tells whether it holds rows"),
    After(ids.ADMIT, ids.MACHINE_SERVICE, "only a server that runs tells whether it holds rows"),
    always(ids.FREEZE, ids.ADMIT, "writes are not stopped for a move that is refused"),
    always(ids.COPY, ids.ADMIT, "rows that are there would be overwritten"),
    always(ids.COPY, ids.FREEZE, "a row that is written later would not be in the copy"),
    always(ids.SWITCH, ids.COPY, "until then the other side lacks rows"),
    always(ids.SEE, ids.SWITCH, "until then the API writes on the side that is left"),
    always(ids.TIDY, ids.SEE, "until then it is not known whether the copy works"),
    always(ids.STOP_LEFT, ids.SEE, "until then no other side is known to work"),
    always(ids.FORGET_LEFT, ids.DROP_LEFT, "data that are not on record are never removed"),
    After(ids.FORGET_LEFT, ids.DROP_SAVED, "they would be put back on a side that is in use again"),
    # the database and its files
    always(ids.START_IN_CLUSTER, ids.LOOK_AT_DATA, "files of another Secret don't fit it"),
    always(ids.DEPLOY_DATABASE, ids.LOOK_AT_DATA, "files of another Secret don't fit it"),
    After(ids.LOOK_AT_DATA, ids.PASSWORDS, "it marks data with the Secret that is made of them"),
    After(ids.LOOK_AT_DATA, ids.SET_PASSWORDS, "until then the data have others"),
    always(ids.LOOK_AT_DATA, ids.RESTORE_DATA, "it marks an empty folder as new"),
    always(ids.MACHINE_SERVICE, ids.RESTORE_DATA, "it would start empty in their place"),
    After(ids.DEPLOY_DATABASE, ids.RESTORE_DATA, "it would start empty in their place"),
    After(ids.DEPLOY_DATABASE, ids.MACHINE_SERVICE, "the database's name would have no endpoint"),
    After(ids.MIGRATE, ids.RESTORE_BACKUP, "the tables that it changes are about to be exchanged"),
    After(ids.RESTORE_BACKUP, ids.FETCH_BACKUP, "it is not here before"),
    # backups by themselves
    After(ids.SCHEDULE, ids.DEPLOY_DATABASE, "the server makes their account"),
    After(ids.SCHEDULE, ids.MACHINE_SERVICE, "the server makes their account"),
    After(ids.SCHEDULE, ids.SET_PASSWORDS, "their account's password is made of root's"),
    After(ids.SCHEDULE, ids.TAKE_PASSWORDS, "their account's password is made of root's"),
    After(ids.SCHEDULE, ids.SWITCH, "until then the side that is left is backed up"),
    *(
        After(end, server, "it takes their account away")
        for end in (ids.UNSCHEDULE_CLUSTER, ids.UNSCHEDULE_VM)
        for server in (ids.DEPLOY_DATABASE, ids.MACHINE_SERVICE)
    ),
    After(Kind.DEPLOY, ids.CHOOSE_SCHEDULE, "what is deployed follows from the record"),
    # passwords
    After(ids.SET_PASSWORDS, ids.NEXT_PASSWORDS, "what is not on disk is lost with the run"),
    always(ids.TAKE_PASSWORDS, ids.SET_PASSWORDS, "the database does not take them yet"),
    After(ids.MACHINE_SERVICE, ids.PASSWORDS, "an empty database keeps those that it starts with"),
    After(ids.MACHINE_SERVICE, ids.SET_PASSWORDS, "it would get others than its files have"),
    After(ids.MACHINE_SERVICE, ids.TAKE_PASSWORDS, "it would get the earlier ones"),
    After(Kind.DEPLOY, ids.PASSWORDS, "the Secret is made of them"),
    After(Kind.DEPLOY, ids.TAKE_PASSWORDS, "the Secret would get the earlier ones"),
    always(
        ids.DEPLOY_DATABASE, ids.SET_PASSWORDS, "the Secret would have others than the database"
    ),
    always(ids.DEPLOY_API, ids.SET_PASSWORDS, "the API would be locked out"),
    always(ids.DISCARD_PASSWORDS, ids.SET_PASSWORDS, "until then there are no others"),
    always(ids.DISCARD_PASSWORDS, ids.DEPLOY_DATABASE, "the Secret still has them"),
    always(ids.DISCARD_PASSWORDS, ids.DEPLOY_API, "the API still uses them"),
    # who it lets in
    *(
        always(start, ids.CERTIFICATE, "the server starts with it")
        for start in (ids.DEPLOY_DATABASE, ids.MACHINE_SERVICE, ids.START_IN_CLUSTER)
    ),
    always(ids.DEPLOY_API, ids.CERTIFICATE, "the API trusts its authority alone"),
    After(ids.DEPLOY_API, ids.DEPLOY_DATABASE, "it demands TLS, which has to be offered first"),
    After(ids.DEPLOY_API, ids.MACHINE_SERVICE, "it demands TLS, which has to be offered first"),
    always(ids.REQUIRE_TLS, ids.DEPLOY_API, "an API that talks plain text would be locked out"),
    always(ids.REQUIRE_TLS, ids.ROOT_LOCAL, "with it a database counts as closed"),
    After(ids.ROOT_LOCAL, ids.DEPLOY_DATABASE, "it is asked once it runs as it is to"),
    After(ids.ROOT_LOCAL, ids.MACHINE_SERVICE, "it is asked once it runs as it is to"),
    After(ids.ROOT_LOCAL, ids.SET_PASSWORDS, "root comes in by the new ones"),
    # machines that go
    *(
        always(gone, save, "the database's files go with their machine")
        for gone in GONE
        for save in (ids.SAVE_CLUSTER, ids.SAVE_MACHINE)
    ),
    *(always(gone, ids.LEAVE, "pods are moved before their node goes") for gone in GONE),
    After(ids.LEAVE, ids.UNPUBLISH, "the address may become another machine's"),
    After(Kind.SAVE, Kind.NODE, "a stopped machine can't be read"),
    After(Kind.SAVE, ids.ANSWERS, "the API server is asked to end the database first"),
    After(Kind.LEFTOVER, Kind.REMOVAL, "machines are still on it"),
    After(ids.FORGET_CONTEXT, Kind.REMOVAL, "it is the way to a cluster that is still there"),
    After(ids.FORGET_ACCESS, Kind.REMOVAL, "it is the way to a cluster that is still there"),
    After(ids.FORGET_ACCESS, Kind.LOSS, "where data lie is known for as long as they are there"),
)
# what can't work otherwise
WORK = (
    *(After(ids.load(name), ids.image(name), "there is nothing to bring yet") for name in NAMES),
    *(After(ids.push(name), ids.image(name), "there is nothing to bring yet") for name in NAMES),
    *(After(ids.deploy(name), ids.load(name), "its pods would wait for it") for name in NAMES),
    *(After(ids.deploy(name), ids.push(name), "its pods would wait for it") for name in NAMES),
    After(ids.SYSTEM_IMAGES, ids.KUBERNETES, "they have the binaries in them"),
    After(ids.LOCAL_IMAGE, ids.KUBERNETES, "it has the binaries in it"),
    After(ids.LOCAL_DISK, ids.LOCAL_IMAGE, "its programs fill it"),
    After(ids.LOCAL_DISK, ids.SYSTEM_IMAGES, "it is filled with them"),
    After(Kind.NODE, Kind.HALF, "what is made anew takes its place"),
    After(ids.PROVISION, Kind.NODE, "the play runs on them"),
    After(ids.PROVISION, Kind.RESIZE, "kubelet starts anew with it"),
    After(ids.FORWARDING, Kind.NODE, "the engine puts its rules first when a node starts"),
    After(ids.PROVISION, ids.FORWARDING, "workers reach the API server by it"),
    After(ids.PROVISION, ids.KEY, "the play reaches nodes with it"),
    After(ids.PROVISION, ids.KUBERNETES, "the play brings it to them"),
    After(ids.PROVISION, ids.SYSTEM_IMAGES, "the play brings them along"),
    After(ids.PROVISION, ids.CNI, "the play applies it"),
    After(ids.ANSWERS, ids.PROVISION, "until then there is no cluster"),
    After(ids.ANSWERS, ids.KUBERNETES, "this machine asks by its kubectl"),
    After(ids.ANSWERS, Kind.NODE, "they are the ones that are waited for"),
    After(ids.ANSWERS, Kind.RESIZE, "kubelet starts anew with it"),
    After(ids.ANSWERS, ids.FORWARDING, "workers reach the API server by it"),
    After(ids.ANSWERS, Kind.SNAPSHOT, "the nodes that answer are about to go"),
    After(ids.NETWORK, ids.ANSWERS, "the API server tells of it"),
    After(Kind.LOAD, ids.PROVISION, "the container runtime comes with it"),
    After(Kind.DATA, ids.PROVISION, "the folder comes with it"),
    After(Kind.DATA, Kind.NODE, "the folder lies on one"),
    After(ids.MACHINE_AUTHORITIES, Kind.NODE, "it may be one of these machines"),
    After(ids.MACHINE_PACKAGES, Kind.NODE, "it may be one of these machines"),
    After(ids.MACHINE_PACKAGES, ids.MACHINE_AUTHORITIES, "packages come from sites to be trusted"),
    After(ids.MACHINE_IMAGE, ids.MACHINE_PACKAGES, "docker takes it"),
    After(ids.MACHINE_IMAGE, ids.DATABASE_IMAGE, "there is nothing to bring yet"),
    After(ids.MACHINE_SERVICE, ids.MACHINE_IMAGE, "it runs that image"),
    After(ids.MACHINE_SERVICE, ids.PROVISION, "its folder comes with it"),
    After(Kind.DEPLOY, ids.ANSWERS, "there is no API server to apply it"),
    After(Kind.WAIT, ids.ANSWERS, "there is no API server to ask"),
)
ORDERS = (*DATA, *WORK)


def broken(needs: Mapping[StepId, Collection[StepId]], held: Collection[StepId]) -> list[str]:
    """What a plan gets wrong: its steps with their needs, each after those, and what holds."""
    before, steps, there = _before(needs), _by_sort(needs), _by_sort((*needs, *held))
    return [
        wrong
        for rule in ORDERS
        if rule.this in steps
        for wrong in _breaches(rule, before, steps, there)
    ]


def _by_sort(found: Iterable[StepId]) -> dict[Sort, list[StepId]]:
    sorts = dict[Sort, list[StepId]]()
    for one in found:
        sorts.setdefault(one, []).append(one)
        sorts.setdefault(one.kind, []).append(one)
    return sorts


def _before(needs: Mapping[StepId, Collection[StepId]]) -> dict[StepId, set[StepId]]:
    """All that is done before each step, by needs of needs as well."""
    found: dict[StepId, set[StepId]] = {}
    for one, direct in needs.items():
        found[one] = set(direct).union(*(found.get(need, ()) for need in direct))
    return found


def _breaches(
    rule: After,
    before: Mapping[StepId, Collection[StepId]],
    steps: Mapping[Sort, Sequence[StepId]],
    there: Collection[Sort],
) -> Iterator[str]:
    these, those = steps[rule.this], steps.get(rule.that, ())
    if rule.always and rule.that not in there:
        yield f"{these[0]} without {rule.that}, or a fact in its place: {rule.why}"
    yield from (
        f"{this} does not wait for {that}: {rule.why}"
        for this in these
        for that in those
        if this != that and that not in before[this]
    )
