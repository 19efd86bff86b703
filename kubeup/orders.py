"""The orders that must not be left to chance: what comes after what, and why. Every plan is held against them.

A plan maker says what each step needs. Here is declared once what no plan may get wrong, however
it was made: an edge that somebody forgets makes `kubeup.plan.plan_of` refuse the whole plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from kubeup import ids
from kubeup.ids import Kind, StepId

Sort = StepId | Kind  # one step, or all of a kind
Needs = Mapping[StepId, Collection[StepId]]


@dataclass(frozen=True)
class After:
    """`this` comes after `that`, by needs from one to the other, wherever a plan has both.

    Where it is `always` so, there is no `this` without `that`, or without a fact in its place.
    """

    this: Sort
    that: Sort
    why: str
    always: bool = False


# what would lose rows, or lock somebody out of them
DATA = (
    # the move
    After(ids.ADMIT, ids.START_IN_CLUSTER, "only a server that runs tells whether it holds rows"),
    After(ids.ADMIT, ids.MACHINE_SERVICE, "only a server that runs tells whether it holds rows"),
    After(ids.FREEZE, ids.ADMIT, "nobody is kept from writing for a move that is refused", True),
    After(ids.COPY, ids.ADMIT, "rows that are there would be overwritten", True),
    After(ids.COPY, ids.FREEZE, "a row that is written later would not be in the copy", True),
    After(ids.SWITCH, ids.COPY, "until then the other side lacks rows", True),
    After(ids.SEE, ids.SWITCH, "before that the API writes on the side that is left", True),
    After(ids.TIDY, ids.SEE, "what the copy was made of is all there is until then", True),
    After(ids.STOP_LEFT, ids.SEE, "a side that was not seen to work can't be the only one", True),
    After(ids.FORGET_LEFT, ids.DROP_LEFT, "data that nobody knows of are never removed", True),
    # the database on its files
    After(ids.START_IN_CLUSTER, ids.LOOK_AT_DATA, "files of another Secret would be spoilt", True),
    After(ids.deploy("db"), ids.LOOK_AT_DATA, "files of another Secret would be spoilt", True),
    After(ids.deploy("db"), ids.RESTORE_DATA, "a database that starts empty takes their place"),
    After(ids.deploy("db"), ids.MACHINE_SERVICE, "its name would lead to nobody"),
    After(ids.LOOK_AT_DATA, ids.RESTORE_DATA, "it leaves its mark in an empty folder", True),
    After(ids.MACHINE_SERVICE, ids.RESTORE_DATA, "a database that starts empty takes their place", True),
    After(ids.MIGRATE, ids.RESTORE_BACKUP, "the tables that would be changed are about to go"),
    # passwords
    After(ids.SET_PASSWORDS, ids.NEXT_PASSWORDS, "what is not written down is lost with the run"),
    After(ids.TAKE_PASSWORDS, ids.SET_PASSWORDS, "the database would not take them", True),
    After(ids.MACHINE_SERVICE, ids.SET_PASSWORDS, "it would be started with others than its files have"),
    After(ids.MACHINE_SERVICE, ids.TAKE_PASSWORDS, "it would be started with the earlier ones"),
    After(ids.MACHINE_SERVICE, ids.PASSWORDS, "an empty database takes the ones that it starts with"),
    After(Kind.DEPLOY, ids.PASSWORDS, "the Secret is made of them"),
    After(ids.deploy("db"), ids.SET_PASSWORDS, "the Secret would have others than the database", True),
    After(ids.deploy("api"), ids.SET_PASSWORDS, "the API would be locked out", True),
    After(ids.deploy("db"), ids.TAKE_PASSWORDS, "the Secret would have the earlier ones"),
    After(ids.deploy("api"), ids.TAKE_PASSWORDS, "the API would have the earlier ones"),
    After(ids.DISCARD_PASSWORDS, ids.SET_PASSWORDS, "they are the only ones until then", True),
    After(ids.DISCARD_PASSWORDS, ids.deploy("db"), "the Secret still has them", True),
    After(ids.DISCARD_PASSWORDS, ids.deploy("api"), "the API still uses them", True),
    # machines that go
    *(After(Kind.REMOVAL, save, "the database's files go with their machine", True)
      for save in ids.SAVES),
    After(Kind.REMOVAL, ids.LEAVE, "pods are moved, and nobody waits for a node that is gone", True),
    After(Kind.SAVE, Kind.NODE, "a machine that sleeps gives nothing"),
    After(Kind.SAVE, ids.ANSWERS, "the API server would start again what was ended"),
    After(ids.LEAVE, ids.UNPUBLISH, "the address may become another machine's"),
    After(Kind.LEFTOVER, Kind.REMOVAL, "machines are reached through it"),
    After(ids.FORGET_ACCESS, Kind.REMOVAL, "it is the way to a cluster that is still there"),
    After(ids.FORGET_ACCESS, Kind.LOSS, "where data lie is not forgotten before they are gone"),
)
# what can't work otherwise
WORK = (
    After(Kind.IMAGE, Kind.ROOTFS, "it is built on it"),
    After(ids.LOCAL_IMAGE, ids.KUBERNETES, "it has the binaries in it"),
    After(ids.SYSTEM_IMAGES, ids.KUBERNETES, "they have the binaries in them"),
    After(ids.LOCAL_DISK, ids.SYSTEM_IMAGES, "it is filled with them"),
    After(ids.LOCAL_DISK, Kind.IMAGE, "it is filled with them"),
    After(Kind.NODE, ids.KEY, "nodes are reached with it"),
    After(Kind.NODE, Kind.REMOVAL, "what is made anew takes the place of what was there"),
    After(Kind.RESIZE, Kind.NODE, "a node that sleeps has no limits"),
    After(ids.PROVISION, Kind.NODE, "the play needs them"),
    After(ids.PROVISION, ids.KUBERNETES, "the play brings it"),
    After(ids.PROVISION, ids.SYSTEM_IMAGES, "the play brings them"),
    After(ids.PROVISION, ids.CNI, "the play applies it"),
    After(ids.ANSWERS, ids.PROVISION, "before that there is no cluster"),
    After(ids.ANSWERS, Kind.SNAPSHOT, "the nodes that answer are about to go"),
    After(ids.NETWORK, ids.ANSWERS, "it is the API server that tells"),
    After(Kind.LOAD, ids.PROVISION, "the container runtime is the play's"),
    After(Kind.DATA, ids.PROVISION, "the folder is the play's"),
    After(ids.MACHINE_SERVICE, ids.PROVISION, "the folder is the play's"),
    After(ids.MACHINE_SERVICE, Kind.NODE, "it runs there"),
    After(ids.MACHINE_SERVICE, ids.MACHINE_IMAGE, "it runs that image"),
    After(ids.MACHINE_IMAGE, ids.MACHINE_PACKAGES, "docker takes it"),
    After(ids.MACHINE_PACKAGES, ids.MACHINE_AUTHORITIES, "they come from sites that have to be trusted"),
    After(Kind.LOAD, Kind.IMAGE, "there is nothing to bring"),
    After(Kind.PUSH, Kind.IMAGE, "there is nothing to bring"),
    After(ids.MACHINE_IMAGE, ids.image("db"), "there is nothing to bring"),
    After(Kind.DEPLOY, ids.ANSWERS, "nobody is there to apply it"),
    After(Kind.STAND, ids.ANSWERS, "nobody is there to be asked"),
)
