"""Plans and carries out the application's rollout."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubeup.application import stale, watch
from kubeup.application.external import PUBLISHED, Published
from kubeup.application.overlay import Overlay
from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import StepId
from kubeup.core.plan import Holds, Log, Paced, Planned, Step
from kubeup.core.services import API, DATABASE, NAMES, WITH_PASSWORDS, service
from kubeup.facts import manifests
from kubeup.system.kubectl import MANAGER, Kubectl

TYPED = ("apply", "--server-side", "--force-conflicts", f"--field-manager={MANAGER}")
APPLY = (*TYPED, "-f", "-")
RESTART = ("rollout", "restart", f"deployment/{API.name}")
DIFF = ("diff", "--server-side", "--force-conflicts", f"--field-manager={MANAGER}")
SECRET = f"Secret {stale.SECRET}"
API_WORKLOAD = f"Deployment {API.name}"
PASSWORD_KEYS = ("ROOT_PASSWORD", "MYSQL_PASSWORD")
VOLUMES = ("data-mysql-0", "mysql-backups")
# the API server's words, see ValidateStatefulSetUpdate in kubernetes/pkg/apis/apps/validation
IMMUTABLE = "Forbidden: updates to statefulset spec for fields other than"
NEW_PASSWORDS = "the passwords are new"
NOTHING: Mapping[str, str] = {}
SAME_PASSWORDS = Holds(ids.SET_PASSWORDS, "the database has those of .env")


@dataclass(frozen=True)
class Deployment:
    """The application as it should be, and the cluster it goes to.

    `boots` tells since when the nodes' machines run.
    """

    overlay: Overlay
    kubectl: Kubectl
    boots: Callable[[], Mapping[str, datetime]] = dict

    def has_pods(self, part: str) -> bool:
        return part != DATABASE.name or not self.overlay.machine

    def render(self) -> str:
        with self.overlay.written() as folder:
            return shell.read(str(self.kubectl.path), "kustomize", str(folder)).stdout

    def diff(self, parts: Sequence[str] = NAMES) -> str:
        """What applying would change, in diff's format; '' where nothing.

        Secrets' values are masked by kubectl.
        """
        if tuple(parts) == NAMES:
            with self.overlay.written() as folder:
                answer = self.kubectl.read(*DIFF, "-k", str(folder), ok=None)
        else:
            wanted = manifests.documents(self.render())
            chosen = [one for part in parts for one in manifests.of_part(wanted, part)]
            answer = self.kubectl.read(*DIFF, "-f", "-", stdin=manifests.text(chosen), ok=None)
        if IMMUTABLE in answer.stderr:
            raise Refused(
                "the database's claim can't be resized",
                "Kubernetes does not change the volumeClaimTemplates of a StatefulSet",
                "put database.storage back; the volume is a folder of its node and takes what "
                "fits on that disk",
            )
        if answer.code > 1 or (answer.code == 1 and "diff -u" not in answer.stdout):
            raise shell.failed((str(self.kubectl.path), *DIFF), answer.code, answer.stderr)
        return answer.stdout


@dataclass(frozen=True)
class ApplyPart(Paced):
    """Apply one part and watch it until it is ready, or can't become ready by itself.

    `restarts`: its pods are made anew though their template stays.
    """

    deployment: Deployment
    part: str
    wait: float = 300
    restarts: bool = False

    def commands(self) -> tuple[str, ...]:
        kubectl = self.deployment.kubectl
        return tuple(kubectl.shown(*words) for words in (APPLY, *self._then()))

    def _then(self) -> Iterator[tuple[str, ...]]:
        """What comes once it is applied."""
        if self.part == DATABASE.name:
            yield from endpoints_to_forget(bool(self.deployment.overlay.machine))
        if self.restarts:
            yield RESTART

    def run(self, log: Log) -> None:
        self.run_unless(never, log)

    def run_unless(self, stopped: Callable[[], bool], log: Log) -> None:
        kubectl = self.deployment.kubectl
        published = self.deployment.overlay.published() if self.part == PUBLISHED else Published()
        require_asked(published)
        rendered = manifests.documents(self.deployment.render())
        # others read the database's Secret: whichever comes first brings it
        brings = self.part in WITH_PASSWORDS and self.part != DATABASE.name
        secret = [one for one in rendered if brings and manifests.key(one) == SECRET]
        documents = [*secret, *manifests.of_part(rendered, self.part)]
        release_volume(kubectl, self.part)
        kubectl.write(*APPLY, stdin=manifests.text(documents), log=log)
        for command in self._then():
            kubectl.write(*command, log=log)
        for words in published.left_out:
            log(f"{words}: left out")
        if self.deployment.has_pods(self.part):
            watch.until_ready(
                kubectl, self.part, self.deployment.boots(), self.wait, log, stopped, self.pace
            )


def endpoints_to_forget(outside: bool) -> tuple[tuple[str, ...], ...]:
    """What removes the addresses that a Service keeps of its other side.

    One that lost its selector keeps those of its pods, one that got a selector those written by
    hand.
    """
    if outside:
        theirs = (
            "kubernetes.io/service-name=mysql-headless,"
            "endpointslice.kubernetes.io/managed-by!=kubeup"
        )
        return (
            ("delete", "endpoints", "mysql-headless", "--ignore-not-found"),
            ("delete", "endpointslices", "-l", theirs),
        )
    return (("delete", "endpointslice", "mysql-vm", "--ignore-not-found"),)


def require_asked(published: Published) -> None:
    """Raises KubeupError where a node can't tell whether its port is free: it may be in use."""
    if published.unasked:
        nodes = ", ".join(published.unasked)
        raise KubeupError(
            f"port {published.port} can't be checked on {nodes}",
            "the node is not ready, or can't be reached by SSH",
            "`inv up` mends the node; ports.http: 0 does without that port",
        )


@dataclass(frozen=True)
class ApplyService:
    """Apply the UI's Service alone, as it is to be now."""

    deployment: Deployment

    def commands(self) -> tuple[str, ...]:
        return (self.deployment.kubectl.shown(*APPLY),)

    def run(self, log: Log) -> None:
        rendered = manifests.documents(self.deployment.render())
        service = [one for one in rendered if manifests.key(one) == f"Service {PUBLISHED}"]
        self.deployment.kubectl.write(*APPLY, stdin=manifests.text(service), log=log)


def never() -> bool:
    return False


def release_volume(kubectl: Kubectl, part: str) -> None:
    """Let a volume whose claim was deleted be bound again; its data stay.

    It keeps that claim's uid, and another claim of the same name has another one.
    """
    if part != DATABASE.name:
        return
    told = """-o=jsonpath={range .items[*]}{.metadata.name} {.status.phase}{"\\n"}{end}"""
    rows = kubectl.read("get", "persistentvolumes", told).stdout.splitlines()
    for volume in VOLUMES:
        if f"{volume} Released" in rows:
            without = '--patch=[{"op":"remove","path":"/spec/claimRef/uid"}]'
            kubectl.write("patch", "persistentvolume", volume, "--type=json", without)


class ForgottenPasswords(Refused):
    """Passwords in `.env` that the database does not have, and no way to give them to it."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "the passwords in .env are not the ones that the database was made with",
            f"it reads them on an empty data folder only, so the API would be locked out; {why}",
            "put the earlier values back into .env; `kubectl get secret mysecret -o yaml` has them",
        )


def plan(
    deployment: Deployment,
    diff: str | None,
    needs: tuple[StepId, ...] = (),
    parts: Sequence[str] = NAMES,
    carry: Callable[[], list[Step]] | None = None,
    again: Mapping[str, str] = NOTHING,
    is_stale: bool = False,
) -> list[Planned]:
    """A step for each part that differs from what the cluster has.

    By kubectl's `diff`; None where there is nothing to compare with. `carry` plans how a database
    that is there gets new passwords; it raises ForgottenPasswords where that can't be done. Some
    come `again`, for a reason, though nothing differs; so does an API that `is_stale`, by
    `kubeup.application.stale`, or becomes it.
    """
    if diff is None:
        reasons = dict.fromkeys(parts, "not on the cluster yet")
        first = Holds(ids.SET_PASSWORDS, "nothing is deployed yet that has others")
        return [first, *_deploy_steps(deployment, reasons, needs)]
    changes = set(manifests.changed(diff))
    if not changes and not again and not is_stale:
        return [SAME_PASSWORDS]
    # the Secret was not compared, and comes along
    alone = DATABASE.name not in parts and bool(set(parts) & set(WITH_PASSWORDS))
    carried = list[Planned](
        _carried(deployment, parts, carry) if SECRET in changes or alone else []
    )
    anew = dict.fromkeys(WITH_PASSWORDS, NEW_PASSWORDS) if carried else dict(again)
    changed = _by_part(deployment, changes, parts)
    # other passwords are in the pods' template as well, by their fingerprint
    restarts = is_stale or (SECRET in changes and API_WORKLOAD not in changes and not carried)
    if restarts and API.name in parts:
        anew.setdefault(API.name, stale.WHY)
    reasons = _reasons(deployment, changed, anew)
    return [*(carried or [SAME_PASSWORDS]), *_deploy_steps(deployment, reasons, needs, restarts)]


def _reasons(
    deployment: Deployment, changed: Mapping[str, Sequence[str]], again: Mapping[str, str]
) -> dict[str, str]:
    """Why each part is applied: what differs of it, else why it comes again."""
    reasons = {part: f"{', '.join(names)} new or changed" for part, names in changed.items()}
    for part, why in again.items():
        reasons.setdefault(part, why)
    if PUBLISHED in reasons:
        left_out = deployment.overlay.published().left_out
        reasons[PUBLISHED] = "; ".join((reasons[PUBLISHED], *left_out))
    return reasons


def _deploy_steps(
    deployment: Deployment,
    reasons: Mapping[str, str],
    needs: tuple[StepId, ...],
    restarts: bool = False,
) -> list[Step]:
    return [
        _step(
            ApplyPart(deployment, part, restarts=restarts and part == API.name),
            reason,
            _after_database(part, reasons, needs),
        )
        for part, reason in reasons.items()
    ]


def _after_database(
    part: str, planned: Collection[str], needs: tuple[StepId, ...]
) -> tuple[StepId, ...]:
    """What the API waits for as well: it demands what the database has to offer first."""
    if part == API.name and DATABASE.name in planned:
        return (*needs, ids.DEPLOY_DATABASE)
    return needs


def _by_part(
    deployment: Deployment, changes: set[str], parts: Sequence[str]
) -> dict[str, list[str]]:
    """The objects that changed, of each part that has any."""
    wanted = manifests.documents(deployment.render())
    found = dict[str, list[str]]()
    for part in parts:
        names = map(manifests.key, manifests.of_part(wanted, part))
        if changed := [name for name in names if name in changes]:
            found[part] = changed
    if unknown := changes.difference(*found.values()):
        raise KubeupError(
            "kubectl diff names objects that are not of this project: "
            f"{', '.join(sorted(unknown))}",
            "",
            "report this: it is a mistake in kubeup",
        )
    return found


def _carried(
    deployment: Deployment,
    parts: Sequence[str],
    carry: Callable[[], list[Step]] | None,
) -> list[Step]:
    """What takes new passwords into the database, where there is one and they are new to it."""
    if not new_passwords(deployment):
        return []
    if not set(WITH_PASSWORDS) <= set(parts):
        raise Refused(
            "the passwords in .env are not the ones that the database has",
            "the database and the API get new ones together, or one locks out the other",
            "`inv deploy.all`; or put the earlier values back into .env",
        )
    if carry is None:
        raise ForgottenPasswords("SQL alone can change them")
    return carry()


def new_passwords(deployment: Deployment) -> bool:
    """Whether a database is there, and `.env` has other passwords.

    A database reads them on an empty data folder only. The image's contract, see
    https://hub.docker.com/_/mysql, "Environment Variables".
    """
    kubectl, wanted = deployment.kubectl, deployment.overlay.secret()
    text = kubectl.read(
        "get",
        "secret/mysecret",
        "persistentvolumeclaim/data-mysql-0",
        "--ignore-not-found",
        "-o",
        "json",
    ).stdout
    found = {
        item["kind"]: item.get("data", {}) for item in json.loads(text or "{}").get("items", [])
    }
    old = found.get("Secret", {})
    # other keys are put back, or refused by the look at the data folder, which knows what the
    # database was made with
    changed = [
        key for key in PASSWORD_KEYS if base64.b64decode(old.get(key, "")) != wanted[key].encode()
    ]
    return (
        bool(changed)
        and "Secret" in found
        and ("PersistentVolumeClaim" in found or bool(deployment.overlay.machine))
    )


@dataclass(frozen=True)
class WaitForPart(Paced):
    """Watch a part that was applied before and does not stand (any more)."""

    deployment: Deployment
    part: str
    wait: float = 300

    def run(self, log: Log) -> None:
        self.run_unless(never, log)

    def run_unless(self, stopped: Callable[[], bool], log: Log) -> None:
        if self.deployment.has_pods(self.part):
            watch.until_ready(
                self.deployment.kubectl,
                self.part,
                self.deployment.boots(),
                self.wait,
                log,
                stopped,
                self.pace,
            )


def wait(
    deployment: Deployment,
    parts: Sequence[str],
    needs: tuple[StepId, ...],
    why: str = "its pods are not ready",
) -> list[Step]:
    """A step for each part that is applied as it should be, and not ready.

    Or that won't be ready for a moment.
    """
    return [
        Step(
            ids.wait_for(part),
            f"wait for {service(part).title}",
            why,
            WaitForPart(deployment, part),
            (*needs, ids.load(part), ids.push(part)),
            10,
        )
        for part in parts
        if part in NAMES
    ]


def _step(action: ApplyPart, reason: str, needs: tuple[StepId, ...]) -> Step:
    part = action.part
    return Step(
        ids.deploy(part),
        f"deploy {service(part).title}",
        reason,
        action,
        (
            *needs,
            ids.load(part),
            ids.push(part),
            *((ids.LOOK_AT_DATA,) if part == DATABASE.name else ()),
        ),
        12,
    )
