"""What of the application differs, as the steps that roll it out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping, Sequence

from kubeup.application import stale
from kubeup.application.apply import ApplyPart, WaitForPart
from kubeup.application.deployment import Deployment
from kubeup.application.external import PUBLISHED
from kubeup.core import ids
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import StepId
from kubeup.core.plan import Holds, Planned, Step
from kubeup.core.services import API, DATABASE, NAMES, WITH_PASSWORDS, service
from kubeup.facts import manifests

API_WORKLOAD = f"Deployment {API.name}"
PASSWORD_KEYS = ("ROOT_PASSWORD", "MYSQL_PASSWORD")
NEW_PASSWORDS = "the passwords are new"
NOTHING: Mapping[str, str] = {}
SAME_PASSWORDS = Holds(ids.SET_PASSWORDS, "the database has those of .env")


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
        _carried(deployment, parts, carry) if stale.SECRET_OBJECT in changes or alone else []
    )
    anew = {**again, **(dict.fromkeys(WITH_PASSWORDS, NEW_PASSWORDS) if carried else {})}
    changed = _by_part(deployment, changes, parts)
    # other passwords are in the pods' template as well, by their fingerprint
    restarts = is_stale or (
        stale.SECRET_OBJECT in changes and API_WORKLOAD not in changes and not carried
    )
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
