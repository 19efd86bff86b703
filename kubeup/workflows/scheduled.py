"""Backups that run by themselves: asked for, looked at on their machines, and brought here."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from kubeup.application import schedule
from kubeup.application.place import Place
from kubeup.core import ids
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Plan, Step, after, plan_of
from kubeup.core.record import BY_HAND, CLUSTER, VM
from kubeup.core.services import DATABASE
from kubeup.database import stored
from kubeup.database.backups import BackupManifest, Listed
from kubeup.database.schedule import Choose
from kubeup.database.stored import Health
from kubeup.facts import trouble
from kubeup.facts.pods import name_of, phase
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget
from kubeup.workflows import rollout, scheduling
from kubeup.workflows.project import Project

HAND = "none by themselves: `inv db.schedule --every 6h` makes them"


def plan(project: Project, every: str, keep: int, off: bool) -> Plan:
    """Have the database backed up by itself from now on, or no more.

    On record first: the rest follows from it, also for the next `up` where this is cut off.
    """
    known, now = project.schedule, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    asked = BY_HAND if off else schedule.wanted(known, every, keep, now)
    as_asked = replace(project, asked=asked)
    rest = rollout.plan(as_asked, (DATABASE.name,))
    if asked and ids.SCHEDULE not in rest.ids:
        # whoever asks for it again may have reason to: somebody changed the account
        rest = plan_of(rest.planned, [scheduling.begin(as_asked, "asked for", ())])
    if asked == known:
        return rest
    title = f"write down how often the database is backed up ({asked})"
    choose = Step(ids.CHOOSE_SCHEDULE, title, "asked for", Choose(project.state, asked), seconds=0)
    return plan_of([choose], after((choose.id,), rest.planned))


def targets(project: Project) -> list[SshTarget]:
    """Every machine that may have backups: the database may have been on any of them."""
    provider, own = project.provider, project.record.on(VM)
    machines = [*provider.ssh_targets(), *provider.extra_machines()] if project.stands_on else []
    return [*machines, *([project.machine.place.reach()] if own and own.address else [])]


def listed(project: Project) -> list[Listed]:
    """The backups that machines have, and which of them could not be asked."""
    asked = ssh.run_all(targets(project), *stored.words(project.provider.data_folder), root=True)
    rows = stored.lists(asked)
    if project.schedule and not asked:
        why = "its nodes are not there: `inv up` brings its backups back into sight"
        rows.append(Listed(Path("?"), None, why, project.settings.profile))
    return rows


@dataclass(frozen=True)
class Fetched:
    """A backup that only a machine has, and the step that brings it here."""

    about: BackupManifest
    step: Step


def fetch(project: Project, file: Path) -> Fetched | None:
    """What brings a backup here that only a machine has; None where none does.

    Raises KubeupError where a machine can't be asked that may have it.
    """
    rows = listed(project)
    found = stored.named(rows, file.name)
    if found is None or found.about is None:
        if unasked := [f"{one.node} {one.wrong}" for one in rows if one.file.name == "?"]:
            raise KubeupError(
                f"there is no backup {file.name} on this machine",
                "; ".join(unasked),
                "`inv cluster.start` or `inv up` brings it back, then run the same again",
            )
        return None
    target = next(one for one in targets(project) if one.name == found.node)
    action = stored.Fetch(target, project.provider.data_folder, file, found.about)
    title = f"fetch {file.name} from {found.node}"
    step = Step(ids.FETCH_BACKUP, title, "it is not here", action, seconds=5)
    return Fetched(found.about, step)


def health(project: Project) -> Health:
    """How backups by themselves are."""
    wanted = project.schedule
    if not wanted:
        return Health(HAND)
    if not project.stands_on:
        return Health(f"{wanted}; its cluster is not there")
    try:
        place = _place(project)
        words = stored.words(place.folder)
        answer = ssh.run(place.reach(), *words, root=True)
        place.require(answer, "can't list its backups")
        found = stored.parse(place.node, answer.stdout)
    except KubeupError as error:
        wrong = f"{wanted}; they can't be looked at: {error.what}"
        return Health(wrong, wrong)
    result = stored.health(wanted, found)
    if result.late and project.database_on == CLUSTER and (why := _waits(project)):
        return replace(result, wrong=f"{result.wrong}; {why}")
    return result


def _place(project: Project) -> Place:
    return project.machine.place if project.database_on == VM else project.place


def _waits(project: Project) -> str:
    """What keeps a run in the cluster from beginning, '' where nothing is known to."""
    try:
        items = project.kubectl.items("pods", "-l", "app=db-backup")
    except KubeupError:  # who looks at the API server tells of it
        return ""
    reasons = ((item, trouble.why(item)) for item in items if phase(item) == "Pending")
    return next((f"{name_of(item)}: {why}" for item, why in reasons if why), "")
