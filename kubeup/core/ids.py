"""What steps are called. Each id is made here and nowhere else, so that nobody can misspell one.

A plan's reader sees an id's name; what kind of step it is, is asked of its `kind`. Several kinds
share a beginning: `node/dev-control` makes a node in one plan and removes it in another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from kubeup.core import services


class Kind(Enum):
    """What a step does."""

    HOST = "changes this machine itself"
    PROVIDER = "brings the provider's tool, or what it reads"
    KEY = "makes the SSH key"
    SECRETS = "changes passwords or certificates in files of this machine"
    ROOTFS = "makes a root file system"
    RELEASE = "brings a part of Kubernetes to this machine"
    SYSTEM_IMAGES = "makes the archive of Kubernetes' own images"
    IMAGE = "makes an image of the application"
    LOCAL = "makes what nodes that are containers stand on"
    NODE = "makes, starts, stops or admits machines"
    RESIZE = "gives a node another size"
    SNAPSHOT = "saves, restores or forgets a snapshot"
    REMOVAL = "removes machines with their disks"
    HALF = "removes machines whose making was cut off"
    LEFTOVER = "removes what machines leave behind"
    CLUSTER = "makes Kubernetes, or waits for it"
    LEAVE = "takes a node out of the cluster"
    FORGET = "forgets the way to a cluster that is no more"
    LOAD = "brings an image to nodes"
    PUSH = "brings an image to a registry"
    DEPLOY = "applies a part of the application"
    WAIT = "waits for a part of the application"
    SETTLE = "waits for a part of Kubernetes"
    DELETE = "takes the application off the cluster"
    DATA = "looks at the database's files, or puts saved ones back"
    SAVE = "saves the database's files to this machine"
    LOSS = "removes data, asked for by name"
    DATABASE = "does something to the database"
    MOVE = "moves the database, or removes what a move has left"
    CACHE = "frees a part of the cache"
    ADDON = "switches an addon of the provider's"


MATERIAL = frozenset({Kind.ROOTFS, Kind.SYSTEM_IMAGES, Kind.IMAGE})  # made for other steps alone


@dataclass(frozen=True)
class StepId:
    """The name of a step, as the journal and `plan --json` print it, and its kind."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.name}>"


def any_of(ids: Collection[StepId], *kinds: Kind) -> bool:
    """Whether one of these ids is of such a kind."""
    return any(one.kind in kinds for one in ids)


# this machine
PACKAGES = StepId(Kind.HOST, "host/packages")
NETWORKS_CONF = StepId(Kind.HOST, "host/networks")
FETCH_MINIKUBE = StepId(Kind.PROVIDER, "provider/minikube")
VAGRANT_FILES = StepId(Kind.PROVIDER, "vagrant/files")
KEY = StepId(Kind.KEY, "ssh/key")
PASSWORDS = StepId(Kind.SECRETS, "secrets/env")
NEXT_PASSWORDS = StepId(Kind.SECRETS, "secrets/next")
TAKE_PASSWORDS = StepId(Kind.SECRETS, "secrets/take")
CERTIFICATE = StepId(Kind.SECRETS, "secrets/certificate")

# what everything is made of
GO = StepId(Kind.RELEASE, "release/go")
KUBERNETES = StepId(Kind.RELEASE, "release/kubernetes")
OWN_KUBECTL = StepId(Kind.RELEASE, "release/own-kubectl")
CNI = StepId(Kind.RELEASE, "release/cni")
SYSTEM_IMAGES = StepId(Kind.SYSTEM_IMAGES, "image/system")

# machines
LOCAL_NETWORK = StepId(Kind.LOCAL, "local/network")
LOCAL_IMAGE = StepId(Kind.LOCAL, "local/image")
LOCAL_DISK = StepId(Kind.LOCAL, "local/disk")
FORWARDING = StepId(Kind.LOCAL, "local/forwarding")
RESTART_RESIZED = StepId(Kind.NODE, "node/resize")
NODE_ACCESS = StepId(Kind.NODE, "node/access")
HOST_KEYS = StepId(Kind.NODE, "node/host-keys")
NODE_KUBECTL = StepId(Kind.NODE, "node/kubectl")
REMOVE_HALVES = StepId(Kind.HALF, "vagrant/halves")
UNFORWARD = StepId(Kind.LEFTOVER, "local/forwarding")
REMOVE_LOCAL_NETWORK = StepId(Kind.LEFTOVER, "local/network")
REMOVE_NETWORK = StepId(Kind.LEFTOVER, "remove/network")
DISALLOW_NETWORK = StepId(Kind.LEFTOVER, "host/networks")

# the cluster
PROVISION = StepId(Kind.CLUSTER, "cluster/provision")
ANSWERS = StepId(Kind.CLUSTER, "cluster/answers")
NETWORK = StepId(Kind.CLUSTER, "cluster/network")
METRICS = StepId(Kind.CLUSTER, "cluster/metrics")
POLICIES = StepId(Kind.CLUSTER, "cluster/policies")
SERVICES = StepId(Kind.CLUSTER, "cluster/services")
NAMES = StepId(Kind.CLUSTER, "cluster/names")
TRUST = StepId(Kind.CLUSTER, "cluster/trust")
BASELINE = StepId(Kind.CLUSTER, "cluster/baseline")
UNPUBLISH = StepId(Kind.LEAVE, "deploy/address")
LEAVE = StepId(Kind.LEAVE, "cluster/leave")
FORGET_ACCESS = StepId(Kind.FORGET, "cluster/access")
FORGET_CONTEXT = StepId(Kind.FORGET, "cluster/context")

# the application and its data
DELETE_APPLICATION = StepId(Kind.DELETE, "deploy/delete")
LOOK_AT_DATA = StepId(Kind.DATA, "deploy/data")
RESTORE_DATA = StepId(Kind.DATA, "data/restore")

# the database
SET_PASSWORDS = StepId(Kind.DATABASE, "db/passwords")
DISCARD_PASSWORDS = StepId(Kind.DATABASE, "db/old-passwords")
ROOT_LOCAL = StepId(Kind.DATABASE, "db/root")
REQUIRE_TLS = StepId(Kind.DATABASE, "db/tls")
MACHINE_AUTHORITIES = StepId(Kind.DATABASE, "db/vm-authorities")
MACHINE_PACKAGES = StepId(Kind.DATABASE, "db/vm-packages")
MACHINE_IMAGE = StepId(Kind.DATABASE, "db/vm-image")
MACHINE_SERVICE = StepId(Kind.DATABASE, "db/vm-service")
BACKUP = StepId(Kind.DATABASE, "db/backup")
FETCH_BACKUP = StepId(Kind.DATABASE, "db/fetch")
CHOOSE_SCHEDULE = StepId(Kind.DATABASE, "db/schedule-choice")
SCHEDULE = StepId(Kind.DATABASE, "db/schedule")
RESTORE_BACKUP = StepId(Kind.DATABASE, "db/restore")
MIGRATE = StepId(Kind.DATABASE, "db/migrate")

# its move
START_IN_CLUSTER = StepId(Kind.MOVE, "db/cluster")
ADMIT = StepId(Kind.MOVE, "db/move-admit")
FREEZE = StepId(Kind.MOVE, "db/move-freeze")
COPY = StepId(Kind.MOVE, "db/move-copy")
SWITCH = StepId(Kind.MOVE, "db/move-switch")
SEE = StepId(Kind.MOVE, "db/move-see")
TIDY = StepId(Kind.MOVE, "db/move-tidy")
STOP_LEFT = StepId(Kind.MOVE, "db/move-stop")
THAW = StepId(Kind.MOVE, "db/move-thaw")
DROP_SAVED = StepId(Kind.MOVE, "db/drop-saved")
DROP_LEFT = StepId(Kind.MOVE, "db/drop-old")
FORGET_LEFT = StepId(Kind.MOVE, "db/dropped")


def rootfs(name: str) -> StepId:
    return StepId(Kind.ROOTFS, f"rootfs/{name}")


def release(name: str) -> StepId:
    """Of a binary that is downloaded, or of a build."""
    return StepId(Kind.RELEASE, f"release/{name}")


def image(part: str) -> StepId:
    return StepId(Kind.IMAGE, f"image/{part}")


def load(part: str) -> StepId:
    return StepId(Kind.LOAD, f"load/{part}")


def push(part: str) -> StepId:
    return StepId(Kind.PUSH, f"push/{part}")


def node(name: str) -> StepId:
    """Of a node, or of all that a provider makes at once, by their profile's name."""
    return StepId(Kind.NODE, f"node/{name}")


def resize(name: str) -> StepId:
    return StepId(Kind.RESIZE, f"resize/{name}")


def snapshot(verb: str) -> StepId:
    return StepId(Kind.SNAPSHOT, f"node/{verb}")


def removal(name: str) -> StepId:
    return StepId(Kind.REMOVAL, f"node/{name}")


def profile_removal(name: str) -> StepId:
    """Of all that is there of a profile, at once: it may be started in the same plan."""
    return StepId(Kind.REMOVAL, f"remove/{name}")


def leftover(name: str) -> StepId:
    """Of the removal of something that outlived its node."""
    return StepId(Kind.LEFTOVER, f"remove/{name}")


def half_removal(name: str) -> StepId:
    """Of a profile without a single whole machine."""
    return StepId(Kind.HALF, f"remove/{name}")


def deploy(part: str) -> StepId:
    return StepId(Kind.DEPLOY, f"deploy/{part}")


def wait_for(part: str) -> StepId:
    """Of waiting for a part that was applied before."""
    return StepId(Kind.WAIT, f"deploy/{part}")


def repair(what: str) -> StepId:
    """Of putting right what is not as it was made."""
    return StepId(Kind.CLUSTER, f"repair/{what}")


def settle(part: str) -> StepId:
    """Of waiting for a part of Kubernetes that is as it was made, and does not run."""
    return StepId(Kind.SETTLE, f"repair/{part}")


def save(side: str) -> StepId:
    return StepId(Kind.SAVE, f"data/save-{side}")


SAVE_CLUSTER, SAVE_MACHINE = save("cluster"), save("vm")
DATABASE_IMAGE = image(services.DATABASE.name)
DEPLOY_DATABASE, DEPLOY_API = deploy(services.DATABASE.name), deploy(services.API.name)


def unschedule(side: str) -> StepId:
    """Of the end of backups that run by themselves on one side."""
    return StepId(Kind.DATABASE, f"db/unschedule-{side}")


UNSCHEDULE_CLUSTER, UNSCHEDULE_VM = unschedule("cluster"), unschedule("vm")


def loss(name: str) -> StepId:
    """Of the removal of a node's data, or of an archive of them."""
    return StepId(Kind.LOSS, f"data/{name}")


def seal(verb: str) -> StepId:
    return StepId(Kind.SECRETS, f"secrets/{verb}")


def free(kind: str) -> StepId:
    return StepId(Kind.CACHE, f"cache/{kind}")


def addon(name: str) -> StepId:
    return StepId(Kind.ADDON, f"addon/{name}")
