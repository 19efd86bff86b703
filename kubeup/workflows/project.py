"""One profile with everything decided for it: what every task starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path

from kubeup.application.data import CheckOrigin
from kubeup.application.deployment import Deployment
from kubeup.application.external import External
from kubeup.application.overlay import Overlay
from kubeup.application.place import Place, volume_node
from kubeup.application.saved_data import Files
from kubeup.application.schedule import Backups
from kubeup.cluster.providers import base as providers
from kubeup.cluster.release import images as system_images
from kubeup.cluster.release import source
from kubeup.core import record as records
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.record import BY_HAND, CLUSTER, VM, Location, Made, Record, Schedule, Side
from kubeup.core.services import DATABASE
from kubeup.core.state import State
from kubeup.database.machine import VOLUME, DatabaseVm
from kubeup.database.passwords import Passwords
from kubeup.database.server import Server
from kubeup.database.transport import Pod
from kubeup.database.version import Version, require_files
from kubeup.facts import datafolder, proxies
from kubeup.facts.host import HostFacts
from kubeup.images import bases, catalog
from kubeup.images.build import Builder
from kubeup.images.mirrors import Mirrors
from kubeup.images.rootfs import Origin
from kubeup.settings import Settings
from kubeup.settings.providers import tool_networks
from kubeup.system import certificates, secrets, ssh
from kubeup.system import engine as engines
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget
from kubeup.workflows import placement


@dataclass(frozen=True)
class Project:
    """Settings, state and facts of this machine, and what follows from them.

    Asking changes nothing.
    """

    settings: Settings
    state: State
    host: HostFacts
    stands_on: str = ""  # the provider of the cluster that this profile has
    reads: float = 60  # seconds that reading something of the cluster may take
    asked: Schedule | None = None  # of backups, for a plan that has yet to write it down

    @cached_property
    def chosen(self) -> tuple[providers.Provider, str]:
        return providers.choose(self.settings, self.state, self.host, self.stands_on)

    @property
    def provider(self) -> providers.Provider:
        return self.chosen[0]

    @cached_property
    def engine(self) -> engines.Engine:
        """What builds, saves and pushes images."""
        return self.provider.image_engine()

    @property
    def record(self) -> Record:
        """What is on record of this profile now."""
        return records.read(self.state)

    @property
    def made(self) -> Made:
        """What this profile's things were made of, which they keep."""
        return self.record.made

    @cached_property
    def release(self) -> source.Release:
        chosen, hub = self.settings.release, self.bases.source == "hub"
        return source.choose(chosen.source, self.host, str(chosen.base_url), self.made, hub)

    @cached_property
    def root_origin(self) -> Origin:
        """Where Debian's root file systems come from."""
        return bases.origin(self.host, self.engine)

    @cached_property
    def bases(self) -> bases.Bases:
        return bases.choose(self.settings, self.host, self.root_origin, self.made)

    @cached_property
    def images(self) -> tuple[catalog.AppImage, ...]:
        return catalog.catalog(self.settings, self.bases)

    @cached_property
    def authorities(self) -> certificates.Authorities:
        return certificates.read(self.settings)

    @property
    def environment(self) -> dict[str, str]:
        """What programs here are told: past which proxy, whom to trust, which mirrors to ask."""
        past = proxies.environment(self.host.proxies, (*self.settings.networks, *tool_networks()))
        return {**past, **self.authorities.environment, **self.mirrors.environment}

    @cached_property
    def mirrors(self) -> Mirrors:
        return Mirrors.of(self.settings)

    def write_environment(self) -> None:
        """Make the files that the environment names, in the cache."""
        self.authorities.write_bundle()
        self.mirrors.write()

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian packages that this machine needs for the nodes and for the images."""
        system = self.provider.uses_kubeadm and bool(self.release.builds)  # kube-proxy's
        roots = (
            self.root_origin.packages
            if system or any(image.rootfs for image in self.images)
            else ()
        )
        return tuple(dict.fromkeys((*self.provider.packages(), *self.engine.packages, *roots)))

    @property
    def builder(self) -> Builder:
        return Builder(self.engine, self.authorities.bundle)

    @property
    def system_archive(self) -> Path:
        return system_images.archive(self.release, system_images.proxy_rootfs(self.root_origin))

    @cached_property
    def kubectl(self) -> Kubectl:
        path = self.provider.kubectl() or self.release.kubectl
        access = (path, self.state.kubeconfig, self.provider.context)
        return Kubectl(*access, reads=self.reads, pace=self.host.pace)

    @property
    def kubernetes(self) -> str:
        """Where the cluster's Kubernetes comes from, in words."""
        return self.provider.kubernetes() or f"{self.release.source}: {self.release.why}"

    @property
    def place(self) -> Place:
        """Where the database's data lie, or are to lie, in the cluster."""
        known = self.record.on(CLUSTER)
        node = known.node if known and not known.saved else ""
        return Place(
            node or volume_node(self.provider.node_specs()),
            self.provider.data_folder,
            self.provider.ssh_targets,
        )

    def files_on(self, side: Side) -> Files:
        """The database's files on one side."""
        place, names = (
            (self.machine.place, (VOLUME,))
            if side == VM
            else (self.place, ("mysql", "mysql.passwords"))
        )
        return Files(place, self.state, side, names)

    @property
    def deployment(self) -> Deployment:
        """The application with the passwords of `.env`, and the database where it is to be."""
        return self.deployment_on(self.database_on)

    def deployment_on(self, side: Side) -> Deployment:
        address = (lambda: self.machine.address) if side == VM else None
        overlay = replace(
            self._overlay, machine=address, external=self.external, guarded=self._is_guarded
        )
        return Deployment(overlay, self.kubectl, self.boots)

    @property
    def _overlay(self) -> Overlay:
        """The application as it is in the cluster alone."""
        return replace(self._without_backups, backups=self.backups)

    @property
    def _without_backups(self) -> Overlay:
        state = self.state
        return Overlay(self.settings, self.images, state.secrets, self.place, state.tls)

    @property
    def schedule(self) -> Schedule:
        """How often the database is backed up by itself."""
        return self.record.schedule if self.asked is None else self.asked

    @property
    def backups(self) -> Backups:
        """Of the database in use, wherever it runs."""
        return Backups(self.settings, self._without_backups.secret, lambda: self.schedule)

    def _schedule_on_machine(self) -> Schedule:
        """The same for a machine, which has none before its database is the one in use."""
        return self.schedule if self.database_on == VM else BY_HAND

    def deployment_without(self, node: str) -> Deployment:
        """The application as it is to be once a node has left."""
        overlay, external = self.deployment.overlay, replace(self.external, leaving=node)
        return replace(self.deployment, overlay=replace(overlay, external=external))

    @cached_property
    def external(self) -> External:
        """Where the UI answers without a NodePort."""
        port, named = self.settings.ports.http, self.settings.named("ports.http")
        return External(port, named, self.provider.ssh_targets, self.kubectl, self.state)

    def boots(self) -> Mapping[str, datetime]:
        """Since when the nodes' machines run, looked at now."""
        return self.provider.boots()

    @property
    def database_on(self) -> Side:
        """Where the database runs: cluster or vm.

        Raises Refused where the settings say another side or machine than the data are on.
        """
        side = placement.side(self.settings, self.record.database)
        if side == VM:
            self._machine_location()
        else:
            nodes = [spec.name for spec in self.provider.node_specs()]
            placement.require_node(self.place.node, nodes)
        return side

    @property
    def machine(self) -> DatabaseVm:
        """The machine with the role `db`.

        Raises Refused where the settings name another one than the data lie on.
        """
        where = self._machine_location()
        name, address, ssh = where.node, where.address, self.settings.ssh
        reach = SshTarget(
            name,
            DATABASE.name,
            address,
            ssh.user,
            self.state.private_key,
            self.state.known_hosts,
            pace=self.host.pace,
        )
        own = (reach,) if address else ()
        place = Place(
            name,
            self.provider.data_folder,
            lambda: own or (*self.provider.ssh_targets(), *self.provider.extra_machines()),
        )
        image = next(image for image in self.images if image.part == DATABASE.name)
        is_extra = own or name in {reach.name for reach in self.provider.extra_machines()}
        return DatabaseVm(
            place,
            image,
            self._overlay.secret,
            self.state.secrets,
            self.state.tls,
            lambda: self._clients(reach if address else None, bool(is_extra)),
            address,
            proxies.on_nodes(self.host.proxies, self.settings.networks),
            self.authorities.pems if is_extra else None,
            self.check_origin,
            self._is_guarded,
            replace(self.backups, schedule=self._schedule_on_machine),
        )

    def _clients(self, own: SshTarget | None, is_extra: bool) -> tuple[str, ...]:
        """Who may reach the database on a machine: nodes, by the addresses that it sees of them.

        What comes from pods has its node's address, but on the node itself. Nodes behind this
        machine come to one of the user's `own` by this one's.
        """
        nodes = (node.address for node in self.provider.ssh_targets())
        if own is None:
            return (*nodes, *([] if is_extra else [str(self.settings.network.pod_cidr)]))
        client = ssh.run(own, "sh", "-c", 'echo "${SSH_CLIENT%% *}"').stdout.strip()
        try:
            return (*nodes, str(IPv4Address(client)))
        except ValueError:
            raise KubeupError(
                f"{own.name} does not tell by which IPv4 address it sees this machine",
                f"SSH_CLIENT is {client!r}; the nodes, which are behind it, would be kept out",
                "let its SSH server set that variable, as OpenSSH's does",
            ) from None

    def _machine_location(self) -> Location:
        """Which machine that is. Raises Refused where the settings name another one."""
        nodes = self.provider.node_specs()
        extra = [reach.name for reach in self.provider.extra_machines()]
        names = (*(node.name for node in nodes), *extra)
        usual = extra[0] if extra else volume_node(nodes)
        return placement.machine(self.settings, self.record, names, usual)

    @property
    def server(self) -> Server:
        """The database's server, where it runs."""
        return self.server_on(self.database_on)

    def server_on(self, side: Side) -> Server:
        database, env = self.settings.database, self.state.secrets
        return (
            self.machine.server(database.name, database.user)
            if side == VM
            else Server(Pod(self.kubectl), database.name, database.user, env)
        )

    @property
    def server_version(self) -> str:
        """Which database the settings, and what images are built on, make of it."""
        return catalog.server(self.settings, self.bases)

    @property
    def check_origin(self) -> CheckOrigin | None:
        """Who looks at the database's files before it starts on them.

        None where it is on record who wrote them, or where there are none.
        """
        known = self.record
        return self._check_origin if known.database and not known.made.server else None

    def _check_origin(self, node: str, written_by: str | None) -> None:
        """See `CheckOrigin`. What it lets pass is on record from then on."""
        wrote = self.server_version if written_by is None else datafolder.server(written_by)
        if not wrote:
            file = self.state.folder / self.state.record
            raise Refused(
                f"it is not known which database wrote the files on {node}",
                "it is not on record, and the files do not say",
                f'if you know it, write it to {file}, as "mysql 5.7" in made.server; '
                "or, to lose the data: `inv down --data`",
            )
        require_files(Version(self.server_version), Version(wrote))
        records.change(self.state, made=replace(self.made, server=self.server_version))

    @property
    def passwords(self) -> Passwords:
        return Passwords(self.server, self.deployment, self.state)

    @property
    def guarded(self) -> bool:
        """Whether the database is not open as an older kubeup left it: it begins so."""
        known = self.record
        data = known.database or known.left
        return known.guarded or not (known.provider or data)

    def _is_guarded(self) -> bool:
        """The same, asked for when something is made by it."""
        return self.guarded

    @property
    def begun_passwords(self) -> bool:
        """Whether the database may take others than those of `.env`.

        Raises Refused where it was being given another file's.
        """
        begun, env = self.record.passwords, self.state.secrets
        if begun not in ("", str(env)):
            raise Refused(
                f"a change of passwords was interrupted that is not {env}'s",
                f"the database was being given those of {begun}",
                "`inv db.rotate` in that checkout finishes it; "
                "where it is this one under another name: `inv state.repair`, then `inv db.rotate`",
            )
        return bool(begun)

    @property
    def changing_passwords(self) -> bool:
        """Whether a change of passwords has begun, if only by choosing them, and has not ended."""
        return self.begun_passwords or secrets.pending(self.state.secrets)

    def location(self, side: Side) -> Location:
        """Where the database's files lie, or are to lie, on one side."""
        return self._machine_location() if side == VM else Location(CLUSTER, self.place.node)
