"""The application's rollout as tasks of its own, on a cluster that is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from kubeup.application import data, deploying, saved_data, stale
from kubeup.application.external import PUBLISHED
from kubeup.core import ids
from kubeup.core.errors import KubeupError, Refused, UsageError
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Holds, Plan, Planned, Step, plan_of, todo, without_unused
from kubeup.core.record import CLUSTER, VM
from kubeup.core.services import API, DATABASE, NAMES, WITH_PASSWORDS
from kubeup.database import machine_service, packet_filter, passwords
from kubeup.database.service_state import ServiceState
from kubeup.database.version import Version, require_files
from kubeup.images import build as builds
from kubeup.images import load
from kubeup.images.catalog import AppImage
from kubeup.system import packages, secrets, tls
from kubeup.workflows import cluster, guarding, lost_passwords, scheduling
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

REFUSES = "the database has other passwords than .env"
NEW_CERTIFICATE = "a certificate is made for it"
BEFORE_PARTS: tuple[StepId, ...] = (
    *(ids.ANSWERS, ids.PASSWORDS, ids.CERTIFICATE, ids.PROVISION, ids.SET_PASSWORDS),
)


def part(name: str) -> str:
    if name not in NAMES:
        raise UsageError(
            f"there is no service {name}",
            f"the application's services are {', '.join(NAMES)}",
            "name one of them",
        )
    return name


def plan(project: Project, parts: Sequence[str]) -> Plan:
    """Images, passwords and rollout of some parts. Raises KubeupError where there is no cluster."""
    images = tuple(image for image in project.images if image.part in parts)
    facts = cluster.observe(project, [image.reference for image in images])
    if not facts.answers:
        raise KubeupError(
            "the cluster does not answer",
            str(facts.unanswered),
            "start it: `inv cluster.start`, or make it: `inv up`",
        )
    built = builds.plan(images, project.builder)
    standing = [Holds(one, "the cluster answers") for one in (ids.PROVISION, ids.ANSWERS)]
    rolled_out = steps(project, facts, _look(project, parts), parts)
    wanted = without_unused([*built, *standing, *rolled_out])
    return plan_of(host_packages(project, wanted), wanted)


def _look(project: Project, parts: Sequence[str]) -> Seen:
    """Nothing is compared before there are passwords to compare with."""
    if secrets.missing(project.state.secrets):
        return Seen()
    on_machine = project.database_on == VM and DATABASE.name in parts
    service = project.machine.look() if on_machine else None
    return Seen(project.deployment.diff(parts), service, stale.api_is_stale(project.kubectl))


def host_packages(project: Project, planned: Iterable[Planned]) -> list[Planned]:
    """The packages that this machine lacks, where there is something to do with them."""
    return packages.plan(packages.missing(project.packages) if todo(planned) else (), project.host)


def before_database(
    project: Project,
    applied: Iterable[Planned],
    needs: tuple[StepId, ...],
) -> list[Planned]:
    """What comes before the database, where it is among what is applied."""
    if all(step.id != ids.DEPLOY_DATABASE for step in todo(applied)):
        return []
    if project.database_on == VM:
        return [Holds(ids.LOOK_AT_DATA, "the database's data are on a machine")]
    return data_steps(project, needs)


def data_steps(project: Project, needs: tuple[StepId, ...]) -> list[Planned]:
    """What comes before the database in the cluster.

    Data that were saved from machines now gone are put back, and the data folder is looked at.
    """
    refuse_other_server(project)
    look = Step(
        ids.LOOK_AT_DATA,
        f"check that the data on {project.place.node} belongs to these passwords",
        "data outlives clusters, and keeps its passwords",
        data.CheckData(project.deployment.overlay, project.check_origin),
        (*needs, ids.RESTORE_DATA),
        0.5,
    )
    return [saved_data.restore(project.files_on(CLUSTER), needs), look]


def machine_steps(
    project: Project,
    found: ServiceState | None,
    needs: tuple[StepId, ...],
) -> list[Planned]:
    """What makes the database in use run on its machine."""
    steps = service_steps(project, found, needs)
    if todo(steps):
        refuse_other_server(project)
    return steps


def service_steps(
    project: Project,
    found: ServiceState | None,
    needs: tuple[StepId, ...],
) -> list[Planned]:
    """What makes a database run on the machine, with the files that were saved from it."""
    steps = machine_service.plan(project.machine, found, (*needs, ids.RESTORE_DATA))
    return [saved_data.restore(project.files_on(VM), needs), *steps] if todo(steps) else steps


@dataclass(frozen=True)
class Seen:
    """What was looked at before a rollout is planned.

    What differs on the cluster, in kubectl's `diff` (None: there is nothing to compare with),
    the database's machine (None: it isn't in use, or not there), and whether the API runs with an
    earlier Secret.
    """

    diff: str | None = None
    service: ServiceState | None = None
    is_stale: bool = False


def steps(
    project: Project,
    facts: ClusterFacts,
    seen: Seen,
    parts: Sequence[str] = NAMES,
    before: Sequence[Step] = (),
) -> list[Planned]:
    """Passwords, images on the nodes and the rollout of some parts.

    They come after the steps `before`, which make or change the cluster.
    """
    certificate = tls.plan(project.state.tls)
    brought = [
        *password_steps(project, facts),
        *certificate,
        *_images_on_nodes(project, facts, parts),
    ]
    provisioned = any(step.id == ids.PROVISION for step in before)
    asleep = facts.machines.any_there and not facts.answers and not provisioned
    if asleep or facts.machines.hidden:
        # what is there, the images of each node as well, is looked at when it is awake
        return brought
    if not facts.answers:
        seen = replace(seen, diff=None)
    return [*brought, *_rolled_out(project, facts, seen, parts, before, certificate)]


def _rolled_out(
    project: Project,
    facts: ClusterFacts,
    seen: Seen,
    parts: Sequence[str],
    before: Sequence[Step],
    certificate: Sequence[Planned],
) -> list[Planned]:
    """What is applied, what has to come before it, and what follows once it stands."""
    needs, served = BEFORE_PARTS, list[Planned]()
    if project.database_on == VM and DATABASE.name in parts:
        needs = (*needs, ids.MACHINE_SERVICE)
        served = _served(project, seen.service, certificate, before)
    guards = guarding.steps(project) if guarding.wanted(project, parts) else []
    again_as = NEW_CERTIFICATE if todo(certificate) else ""
    applied = _applied(project, facts, seen, parts, needs, guarding.WHY if guards else again_as)
    waiting = deploying.wait(project.deployment, _falling(project, facts, parts, applied), needs)
    planned = [*served, *before_database(project, applied, needs), *applied, *guards, *waiting]
    if DATABASE.name not in parts:
        return planned
    changed = [*served, *applied, *waiting]
    scheduled = scheduling.steps(project, changed, facts.schedules, seen.service, needs)
    return [*planned, *scheduled]


def database_refuses(project: Project, facts: ClusterFacts, parts: Sequence[str]) -> bool:
    """Whether the API does not stand as the database has other passwords than `.env`.

    Somebody changed them by SQL. Asked only where root's still opens it, and nothing else is
    known to be under way.
    """
    api = [one for one in facts.workloads if one.app == API.name]
    if not api or api[0].standing or not set(WITH_PASSWORDS) <= set(parts):
        return False
    if project.changing_passwords or secrets.missing(project.state.secrets):
        return False
    try:
        return not project.passwords.in_use() and bool(project.passwords.root())
    except KubeupError:  # it can't be asked: then passwords are not what is wrong first
        return False


def _served(
    project: Project,
    found: ServiceState | None,
    certificate: Iterable[Planned],
    before: Sequence[Step],
) -> list[Planned]:
    """What makes the database run on its machine; `found` there is what was looked at."""
    made = [step.id for step in before if step.id.kind is Kind.NODE]
    known = found and without_certificate(found, certificate)
    if known and made:  # whose addresses are not known before
        known = _without(known, packet_filter.NAME)
    needs = (ids.PASSWORDS, ids.PROVISION, ids.SET_PASSWORDS, *made)
    return machine_steps(project, known, needs)


def _images_on_nodes(project: Project, facts: ClusterFacts, parts: Sequence[str]) -> list[Planned]:
    """What brings the images of some parts to the nodes that are up.

    A new node of a provider that preloads starts with them.
    """
    provider = project.provider
    nodes = [
        spec.name
        for spec in provider.node_specs()
        if spec.name in facts.images or not provider.preloads
    ]
    images = tuple(image for image in project.images if image.part in parts)
    return bring_steps(project, images, nodes, facts.images, (ids.PROVISION, ids.ANSWERS))


def without_certificate(found: ServiceState, certificate: Iterable[Planned]) -> ServiceState:
    """What is on the machine, but for a certificate that is to be made anew."""
    if not todo(certificate):
        return found
    return _without(found, tls.CERTIFICATE)


def _without(found: ServiceState, file: str) -> ServiceState:
    return replace(found, files={name: sum_ for name, sum_ in found.files.items() if name != file})


def _applied(
    project: Project,
    facts: ClusterFacts,
    seen: Seen,
    parts: Sequence[str],
    needs: tuple[StepId, ...],
    again_as: str,
) -> list[Planned]:
    """What is applied, and what ends a change of passwords that was cut off.

    `again_as`: why the database and the API come though nothing differs, '' where they need not.
    """
    forgets = _forgets(project) and set(WITH_PASSWORDS) <= set(parts)
    refuses = database_refuses(project, facts, parts)
    why = deploying.NEW_PASSWORDS if forgets else REFUSES if refuses else again_as
    again = {part: why for part in WITH_PASSWORDS if why and part in parts}
    again |= _at_new_addresses(project, parts)
    carry = partial(passwords.carry, project.passwords)
    applied = deploying.plan(
        project.deployment, seen.diff, needs, parts, carry, again, is_stale=seen.is_stale
    )
    if refuses:
        others = [one for one in applied if one.id != ids.SET_PASSWORDS]
        applied = [*others, *passwords.steps(project.passwords, REFUSES, ())]
    return [*applied, *(_forget_steps(project, applied) if forgets else ())]


def _at_new_addresses(project: Project, parts: Sequence[str]) -> dict[str, str]:
    """Why the UI is applied anew: its Service names addresses that new nodes have yet to get."""
    new = [spec.name for spec in project.provider.node_specs() if not spec.address]
    if not (new and project.external.port and PUBLISHED in parts):
        return {}
    return {PUBLISHED: f"it is to answer at the addresses of {', '.join(new)}"}


def _falling(
    project: Project, facts: ClusterFacts, parts: Sequence[str], applied: Iterable[Planned]
) -> list[str]:
    """Parts that are as they should be on paper, and do not stand."""
    deployed = {step.id for step in todo(applied)}
    elsewhere = (DATABASE.name,) if project.database_on == VM else ()
    return [
        one.app
        for one in facts.workloads
        if one.app in parts
        and one.app not in elsewhere
        and not one.standing
        and ids.deploy(one.app) not in deployed
    ]


def bring_steps(
    project: Project,
    images: Sequence[AppImage],
    nodes: Collection[str],
    held: Mapping[str, frozenset[str]],
    needs: tuple[StepId, ...] = (),
) -> list[Planned]:
    """What brings images to where nodes take them from: to nodes themselves, or to a registry."""
    via = project.settings.images.via
    other = ids.load if via == "registry" else ids.push
    unwanted = [Holds(other(image.part), f"images.via is {via}") for image in images]
    if via == "registry":
        return [*push_steps(project, images), *unwanted]
    return [*load.plan(images, nodes, held, project.provider.load, needs), *unwanted]


def password_steps(project: Project, facts: ClusterFacts) -> list[Planned]:
    """Generate what `.env` lacks.

    Raises Refused where a database runs with passwords that are no longer there, or half changed.
    """
    if facts.answers and (
        project.database_on == VM or any(one.app == DATABASE.name for one in facts.workloads)
    ):
        # where no database is there, it has to come first: what finishes these talks to it
        _refuse_half_done(project)
    lost_passwords.refuse(project, facts)
    return secrets.plan(project.state.secrets)


def _refuse_half_done(project: Project) -> None:
    if target := project.record.target:
        raise Refused(
            "a move of the database was interrupted",
            "until it ends the API may read and not write",
            f"`inv db.move {target.side}` finishes it, `inv db.move {project.database_on}` "
            "takes it back",
        )
    if secrets.pending(project.state.secrets):
        raise Refused(
            "a change of passwords was interrupted",
            f"{project.state.secrets.name} holds new ones that are not in use everywhere",
            "`inv db.rotate` finishes it; whatever runs, goes on running until then",
        )


def push_steps(project: Project, images: Sequence[AppImage]) -> list[Planned]:
    """A push for each image of ours that its registry does not hold."""
    with ThreadPoolExecutor(len(NAMES)) as pool:
        return list(pool.map(lambda image: _push(project, image), images))


def _push(project: Project, image: AppImage) -> Planned:
    id_, engine = ids.push(image.part), project.engine
    plain = bool(project.settings.images.plain_registries)
    if image.context is None:
        return Holds(id_, "nodes pull it from where it is published")
    if load.in_registry(engine, image.reference, plain):
        return Holds(id_, "in the registry")
    return Step(
        id_,
        f"push {image.reference}",
        "not in the registry",
        load.PushImage(engine, image, plain),
        (ids.image(image.part), ids.PACKAGES),
        20,
    )


def refuse_other_server(project: Project) -> None:
    """Raises Refused where it is on record that another database wrote the files.

    Where nothing is, who starts it looks at them (`Project.check_origin`).
    """
    if project.made.server:
        require_files(Version(project.server_version), Version(project.made.server))


def _forget_steps(project: Project, applied: Iterable[Planned]) -> list[Planned]:
    """What a change of passwords that was cut off has left.

    The database takes no others, once everybody has those of `.env`.
    """
    if any(one.id == ids.DISCARD_PASSWORDS for one in applied):
        return []
    why = "a change of passwords was interrupted"
    _, forget = passwords.steps(project.passwords, why, ())
    return [replace(forget, reason=why)]


def _forgets(project: Project) -> bool:
    """Whether the database may take passwords that nobody has any more.

    Not so while new ones wait in `.env`: then `db.rotate` has to go on.
    """
    return project.begun_passwords and not secrets.pending(project.state.secrets)
