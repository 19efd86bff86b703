"""The kustomize overlay of a profile: what the settings and `.env` add to manifests/base."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kubeup.application.external import PUBLISHED, External, Published
from kubeup.application.place import Place
from kubeup.application.schedule import COMPONENT as SCHEDULED
from kubeup.application.schedule import FOLDER, OPTIONS, PERIODS, Backups
from kubeup.core import services
from kubeup.core.errors import Refused
from kubeup.core.services import API, DATABASE, SERVICES
from kubeup.core.state import PROJECT, write_private
from kubeup.images.catalog import AppImage
from kubeup.settings import Settings
from kubeup.system import secrets, tls

BASE = PROJECT / "manifests" / "base"
ON_VM = PROJECT / "manifests" / "components" / "database-on-vm"
# what decides where the database's name leads, and who is let in there
PART_OF_SERVICE = ("Service mysql-headless", "EndpointSlice mysql-vm", "Secret mysecret")
OFFERS_TLS = "--require-secure-transport=OFF"  # and takes plain text as well
# by which pods and browsers of this machine ask, beside addresses and names without a dot
OWN_NAMES = (".svc.cluster.local", ".svc", ".default", ".localhost")
MANAGED = "app.kubernetes.io/managed-by"
Patch = tuple[dict[str, str], list[dict[str, object]]]  # the object, and what is done to it


@dataclass(frozen=True)
class Overlay:
    """Everything that decides what is applied."""

    settings: Settings
    images: Sequence[AppImage]
    # `.env`, read when something is rendered: a plan is made before passwords are generated
    env: Path
    place: Place
    tls_folder: Path  # of the database's certificate, read as `.env` is
    # asks for the address of the machine that the database runs on: it may have to be made first
    machine: Callable[[], str] | None = None
    external: External | None = None  # tells at which of the nodes' addresses the UI answers
    # whether the server refuses plain text: the API does without it by then
    guarded: Callable[[], bool] = lambda: True
    backups: Backups | None = None  # that run by themselves, where the record has a schedule

    def published(self) -> Published:
        """Where the UI answers without a NodePort, as it is to be now."""
        return self.external.now() if self.external else Published()

    def secret(self) -> dict[str, str]:
        """The Secret's keys. The one place where the database's name and user come from."""
        database, values = self.settings.database, secrets.read(self.env)
        if missing := secrets.missing(self.env):
            raise Refused(
                f"{' and '.join(missing)} not in {self.env.name}",
                "passwords must be set before the database is made",
                "`inv up` and `inv deploy.all` generate what is missing",
            )
        for name, key, wanted in (
            ("MYSQL_DATABASE", "name", database.name),
            ("MYSQL_USER", "user", database.user),
        ):
            if values.get(name, wanted) != wanted:
                raise Refused(
                    f"{name} is {values[name]} in .env and {wanted} in the settings",
                    "one of them must give way",
                    f"remove {name} from .env, or set database.{key}",
                )
        return {
            "ROOT_PASSWORD": values["MYSQL_ROOT_PASSWORD"],
            "MYSQL_DATABASE": database.name,
            "MYSQL_USER": database.user,
            "MYSQL_PASSWORD": values["MYSQL_PASSWORD"],
        }

    def files(self) -> dict[str, str]:
        """The overlay's files by name."""
        secret = self.secret()
        files = {f"secret/{key}": value for key, value in secret.items()}
        files |= {f"tls/{name}": text for name, text in tls.texts(self.tls_folder).items()}
        if self._schedules:
            files[f"backup/{OPTIONS}"] = self._schedules.options()
        if not self.machine:
            files["init.sql"] = f"CREATE DATABASE IF NOT EXISTS `{self.settings.database.name}`;\n"
        files["kustomization.yaml"] = yaml.safe_dump(self.kustomization(secret), sort_keys=False)
        return files

    @contextlib.contextmanager
    def written(self) -> Iterator[Path]:
        """The files for kubectl, in a folder for this once, as they hold passwords.

        So who only looks leaves no file that another command reads; steps side by side share none.
        """
        files = self.files()
        with tempfile.TemporaryDirectory(prefix="kubeup-") as name:  # 0700
            folder = Path(name)
            for base in (BASE, ON_VM, SCHEDULED):  # kustomize takes no absolute path
                (folder / base.name).symlink_to(base)
            for file, text in files.items():
                write_private(folder / file, text)
            yield folder

    def kustomization(self, secret: Mapping[str, str]) -> dict[str, Any]:
        labelled = {"labels": {"app": DATABASE.name}}
        init = [{"name": "mysql-initdb-config", "files": ["init.sql"], "options": labelled}]
        served = [f"tls/{tls.CERTIFICATE}", f"tls/{tls.KEY}"]
        certificate = [{"name": "mysql-tls", "files": served, "options": labelled}]
        account = [{"name": "mysql-backup", "files": [f"backup/{OPTIONS}"], "options": labelled}]
        authority = {
            "name": "mysql-authority",
            "files": [f"tls/{tls.AUTHORITY}"],
            "options": {"labels": {"app": API.name}},
        }
        return {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{BASE.name}/{service.name}" for service in SERVICES],
            "components": list(self._components()),
            "labels": [
                {"pairs": {MANAGED: "kubeup"}, "includeSelectors": False, "includeTemplates": True}
            ],
            "images": [_image(image) for image in self.images],
            "generatorOptions": {"disableNameSuffixHash": True},
            "secretGenerator": [
                {
                    "name": "mysecret",
                    "files": [f"{key}=secret/{key}" for key in secret],
                    "options": labelled,
                },
                *([] if self.machine else certificate),
                *(account if self._schedules else []),
            ],
            "configMapGenerator": [authority, *([] if self.machine else init)],
            "patches": self._patches(secrets.fingerprint({**secret, **self._authority()})),
        }

    @property
    def _schedules(self) -> Backups | None:
        """What backs the database in the cluster up; on a machine that is its timer's work."""
        known = self.backups
        return known if known and known.schedule() and not self.machine else None

    def _components(self) -> Iterator[str]:
        if self.machine:
            yield ON_VM.name
        if self._schedules:
            yield SCHEDULED.name

    def _authority(self) -> dict[str, str]:
        return {tls.AUTHORITY: tls.texts(self.tls_folder)[tls.AUTHORITY]}

    def _patches(self, fingerprint: str) -> list[dict[str, Any]]:
        patches: list[Patch] = [
            *(self._on_machine(self.machine()) if self.machine else self._in_cluster()),
            *(self._backed_up(self._schedules) if self._schedules else ()),
            *self._ports(),
            self._pods_network(),
            *self._deployments(fingerprint),
        ]
        return [
            {"target": target, "patch": yaml.safe_dump(operations)}
            for target, operations in patches
        ]

    def _ports(self) -> list[Patch]:
        patches = list[Patch]()
        for name, port in self.settings.ports.node_ports.items():
            outside = _externally(self.published()) if name == PUBLISHED else []
            operations = [_replace("/spec/ports/0/nodePort", port), *outside]
            patches.append(({"kind": "Service", "name": name}, operations))
        return patches

    def _pods_network(self) -> Patch:
        path = "/spec/ingress/0/from/1/ipBlock/except"
        pods = str(self.settings.network.pod_cidr)
        return {"kind": "NetworkPolicy", "name": API.name}, [_replace(path, [pods])]

    def _deployments(self, fingerprint: str) -> list[Patch]:
        hosts = ",".join((*OWN_NAMES, *self.settings.ports.hosts))
        patches = list[Patch]()
        for one in SERVICES:
            operations = []
            if one.has_passwords and one is not DATABASE:
                operations.append(_new_pods(fingerprint))
            if one.name in self.settings.ports.node_ports:
                operations.append(_replace("/spec/template/spec/containers/0/env/0/value", hosts))
            if operations:
                patches.append(({"kind": "Deployment", "name": one.name}, operations))
        return patches

    def _lies_in(self, folder: str) -> Iterator[dict[str, object]]:
        """A volume is that folder of the data's node."""
        terms = "/spec/nodeAffinity/required/nodeSelectorTerms"
        yield _replace("/spec/local/path", f"{self.place.folder}/{folder}")
        yield _replace(f"{terms}/0/matchExpressions/0/values", [self.place.node])

    def _backed_up(self, backups: Backups) -> list[Patch]:
        container = "/spec/jobTemplate/spec/template/spec/containers/0"
        values = enumerate(backups.environment().values())
        job = [
            _replace("/spec/schedule", PERIODS[backups.schedule().every].cron),
            *(_replace(f"{container}/env/{number}/value", value) for number, value in values),
        ]
        return [
            ({"kind": "PersistentVolume", "name": "mysql-backups"}, [*self._lies_in(FOLDER)]),
            ({"kind": "CronJob", "name": "mysql-backup"}, job),
        ]

    def _in_cluster(self) -> list[Patch]:
        storage, replace = self.settings.database.storage, _replace
        return [
            (
                {"kind": "PersistentVolume", "name": "data-mysql-0"},
                [replace("/spec/capacity/storage", storage), *self._lies_in("mysql")],
            ),
            (
                {"kind": "StatefulSet", "name": "mysql"},
                [
                    replace(
                        "/spec/volumeClaimTemplates/0/spec/resources/requests/storage", storage
                    ),
                    *self._serving(),
                    replace("/spec/template/spec/volumes/2/emptyDir/sizeLimit", storage),
                ],
            ),
        ]

    def _serving(self) -> Iterator[dict[str, object]]:
        """The pod starts anew with a new certificate, which a server reads when it starts."""
        certificate = tls.texts(self.tls_folder)[tls.CERTIFICATE]
        yield _annotate("kubeup/certificate", secrets.fingerprint({"certificate": certificate}))
        if not self.guarded():
            yield _replace("/spec/template/spec/containers/0/args/3", OFFERS_TLS)

    def _on_machine(self, address: str) -> list[Patch]:
        return [
            (
                {"kind": "EndpointSlice", "name": "mysql-vm"},
                [_replace("/endpoints/0/addresses", [address])],
            )
        ]


def _new_pods(fingerprint: str) -> dict[str, object]:
    """A changed password must reach a pod that read the old one from its environment.

    So must another authority, which a folder of Kubernetes' would bring a minute later.
    """
    return _annotate("kubeup/secrets", fingerprint)


def _externally(published: Published) -> list[dict[str, object]]:
    if not published.addresses:
        return []
    port = _replace("/spec/ports/0/port", published.port)
    return [port, {"op": "add", "path": "/spec/externalIPs", "value": list(published.addresses)}]


def _annotate(name: str, value: str) -> dict[str, object]:
    path = "/spec/template/metadata/annotations"
    return {"op": "add", "path": path, "value": {name: value}}


def _replace(path: str, value: object) -> dict[str, object]:
    return {"op": "replace", "path": path, "value": value}


def _image(image: AppImage) -> dict[str, str]:
    placeholder = services.service(image.part).image
    name, _, digest = image.reference.partition("@")
    if digest:
        return {"name": placeholder, "newName": name.rsplit(":", 1)[0], "digest": digest}
    repository, _, tag = name.rpartition(":")
    return {"name": placeholder, "newName": repository, "newTag": tag}
