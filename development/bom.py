"""Bills of material: what the tool and each image are made of, as CycloneDX (ECMA-424) has them.

Of images whose parts other people put together, as Docker Hub's, there is the image by its digest:
what is in it their own bills tell.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from kubeup.cluster.release import sums
from kubeup.cluster.release.components import BUILDS, IMAGES, KUBERNETES
from kubeup.cluster.release.images import proxy_rootfs
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.state import PROJECT, write_private
from kubeup.images.bases import Bases
from kubeup.images.catalog import AppImage
from kubeup.images.rootfs import Rootfs
from kubeup.workflows.project import Project

# `npm sbom --omit dev` leaves out what development needs as well (seen with npm 11.19)
NPM_LIST = ("npm", "ls", "--all", "--json", "--package-lock-only", "--omit", "dev")
LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)", re.MULTILINE)  # uv writes names so
# in go.mod: what is required, and what it is replaced by
REQUIRED = re.compile(r"^(?:require )?\t?(\S+\.\S+) (v\S+)", re.MULTILINE)
REPLACED = re.compile(r"^\t(\S+) => (\S+) (v\S+)", re.MULTILINE)
STATUS = "./var/lib/dpkg/status"


def contents(project: Project) -> dict[str, tuple[Component, ...]]:
    """What the tool, each image of the application, and Kubernetes are made of.

    Raises KubeupError where what an image is made of was not made yet.
    """
    parts = {"kubeup": python_packages(PROJECT / "requirements.lock")}
    parts |= {image.part: _of_image(image, project.bases) for image in project.images}
    parts["kubernetes"] = _kubernetes(project)
    return {name: _once(components) for name, components in parts.items()}


def _once(components: Iterable[Component]) -> tuple[Component, ...]:
    return tuple({str(one.purl or one.name): one for one in components}.values())


def _of_image(image: AppImage, bases: Bases) -> Iterator[Component]:
    if image.context and (lock := image.context / "requirements.lock").exists():
        yield from python_packages(lock)
    if image.context and (image.context / "package-lock.json").exists():
        yield from node_packages(image.context)
    # what an image is built by is not in it
    shipped = [base for argument, base in image.bases if argument == "BASE"]
    if bases.source == "hub":
        yield from map(container, shipped)
    for name, root in image.rootfs:
        if name in shipped:
            yield from _debian_packages(root)
    if image.context is None:
        yield container(image.source)


def _kubernetes(project: Project) -> Iterator[Component]:
    if project.release.source == "build":
        for build in BUILDS:
            yield from go_modules((build.folder / "go.mod").read_text(encoding="utf-8"))
        yield from _debian_packages(proxy_rootfs(project.root_origin))
        return
    yield from (container(image.pinned) for image in IMAGES)
    for (system, arch, name), sha256 in sums.BINARIES.items():
        yield Component(
            name=f"{name} for {system} on {arch}",
            version=KUBERNETES,
            type=ComponentType.APPLICATION,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        )


def python_packages(lock: Path) -> Iterator[Component]:
    """Those of a lock file."""
    for name, version in LOCKED.findall(lock.read_text(encoding="utf-8")):
        yield _library(PackageURL("pypi", None, name, version))


def node_packages(folder: Path) -> Iterator[Component]:
    """Those that an application runs with."""
    answer = shell.read(*NPM_LIST, cwd=str(folder))
    yield from npm_components(json.loads(answer.stdout))


def npm_components(tree: dict[str, Any]) -> Iterator[Component]:
    """Those of npm's tree."""
    for name, row in tree.get("dependencies", {}).items():
        if "version" in row:  # else one that may be missing, and is
            namespace, _, last = name.rpartition("/")
            yield _library(PackageURL("npm", namespace, last, row["version"]))
            yield from npm_components(row)


def go_modules(text: str) -> Iterator[Component]:
    """Those of a go.mod, each as it is in the build."""
    replaced = {name: (by, version) for name, by, version in REPLACED.findall(text)}
    for name, version in REQUIRED.findall(text):
        path, version = replaced.get(name, (name, version))
        namespace, _, last = path.rpartition("/")
        yield _library(PackageURL("golang", namespace, last, version))


def _debian_packages(root: Rootfs) -> Iterator[Component]:
    if not root.path.exists():
        what = f"it is not known which packages the root file system for {root.name} has"
        raise KubeupError(what, "it was not made yet", "make it first: `inv images.build`")
    with tarfile.open(root.path) as tar:
        status = tar.extractfile(STATUS)
        if status is None:
            raise KubeupError(f"{root.path} can't be understood", f"no {STATUS} in it", "remove it")
        yield from debian_packages(status.read().decode(), root.suite)


def debian_packages(status: str, suite: str) -> Iterator[Component]:
    """Those that dpkg's file of states has as installed."""
    for paragraph in status.strip().split("\n\n"):
        lines = [line for line in paragraph.splitlines() if not line.startswith(" ")]
        row = dict(line.split(": ", 1) for line in lines if ": " in line)
        if row["Status"].endswith(" installed"):
            at = {"arch": row["Architecture"], "distro": suite}
            yield _library(PackageURL("deb", "debian", row["Package"], row["Version"], at))


def container(reference: str) -> Component:
    """An image by its digest, as `registry/repository:tag@sha256:…`."""
    name, _, digest = reference.partition("@")
    path, _, tag = name.rpartition(":")
    repository, tag = (path, tag) if path else (name, "")
    at = {"repository_url": repository} | ({"tag": tag} if tag else {})
    purl = PackageURL("oci", None, repository.rpartition("/")[2], digest or None, at)
    return Component(
        name=repository, version=digest or tag, type=ComponentType.CONTAINER, purl=purl
    )


def _library(purl: PackageURL) -> Component:
    name = "/".join(part for part in (purl.namespace, purl.name) if part)
    if purl.type == "deb":
        name = purl.name
    return Component(
        name=name,
        version=purl.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
    )


def write(folder: Path, name: str, components: Iterable[Component]) -> Path:
    """A file with one bill. Raises KubeupError where it is not as CycloneDX' schema wants it."""
    bom = Bom(components=components)
    bom.metadata.component = whole = Component(name=name, type=ComponentType.APPLICATION)
    bom.register_dependency(whole, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise KubeupError(f"the bill of {name} is no CycloneDX", str(wrong), "report it")
    path = folder / f"{name}.cdx.json"
    write_private(path, f"{text}\n", 0o644)
    return path
