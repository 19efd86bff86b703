"""Where Debian root file systems come from on each distribution, and what they are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, SANDBOX, commands, error_of, no_internet, on, settings

from kubeup.cluster.providers.local import image
from kubeup.cluster.release.images import proxy_rootfs
from kubeup.core.errors import KubeupError, Refused, UsageError
from kubeup.facts.host import HostFacts
from kubeup.images import bases, catalog, rootfs
from kubeup.images.build import Builder
from kubeup.images.build import plan as image_plan
from kubeup.images.rootfs import IMAGE, IMAGES, MMDEBSTRAP, MakeRootfs, Origin, Rootfs
from kubeup.system import engine

SILENT = (
    "registry-1.docker.io gave no answer for the image library/debian (its name can't be resolved)"
)
NO_HUB = {"answers": no_internet()}
FEDORA, ARCH, UBUNTU_22 = on("fedora_41"), on("arch"), on("ubuntu_22_04", "ubuntu_22_04")


def origin(host: HostFacts) -> Origin:
    return bases.origin(host, engine.for_images("podman", host))


@pytest.mark.parametrize(
    ("host", "how", "why"),
    [
        (DESKTOP, MMDEBSTRAP, ""),
        (SANDBOX, MMDEBSTRAP, ""),
        (replace(DESKTOP, **NO_HUB), MMDEBSTRAP, ""),
        (on("ubuntu_22_04", "ubuntu_24_04"), MMDEBSTRAP, ""),
        (on("ubuntu_22_04"), MMDEBSTRAP, ""),
        (UBUNTU_22, IMAGE, "apt has no debian-archive-keyring (>= 2023), Docker Hub answers"),
        (FEDORA, IMAGE, "mmdebstrap and apt are not installed, Docker Hub answers"),
        (ARCH, IMAGE, "mmdebstrap and apt are not installed, Docker Hub answers"),
        (
            replace(ARCH, **NO_HUB),
            "",
            f"mmdebstrap and apt are not installed, and {SILENT}",
        ),
    ],
)
def test_one_place_decides(host: HostFacts, how: str, why: str) -> None:
    assert (origin(host).how, origin(host).why) == (how, why)


def test_a_debian_machine_calls_everything_as_before() -> None:
    names = [
        root.path.parent.name
        for root in (image.rootfs(origin(SANDBOX)), proxy_rootfs(origin(SANDBOX)))
    ]
    assert names == ["machine-bookworm-3f207d318041f77d", "kube-proxy-bookworm-899d93120e24dbb8"]
    assert [
        image.rootfs(one).path.parent.name
        for one in (Origin(), origin(on("ubuntu_22_04", "ubuntu_24_04")))
    ] == [names[0]] * 2


def test_another_origin_is_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = image.rootfs(origin(DESKTOP)).path, image.rootfs(origin(FEDORA)).path
    assert here != there
    assert image.rootfs(origin(ARCH)).path == there, (
        "what it is made from decides, not who makes it"
    )
    monkeypatch.setitem(
        IMAGES, "bookworm", "docker.io/library/debian:bookworm-slim@sha256:" + 64 * "0"
    )
    assert image.rootfs(origin(FEDORA)).path != there


def test_the_commands_that_build_one_from_an_image() -> None:
    root = Rootfs("python", "bookworm", ("python3",), 31, origin(FEDORA))
    folder, name = root.path.parent, root.path.parent.name
    assert MakeRootfs(root).commands() == (
        f"podman build --tag localhost/kubeup/root:{name} -f {folder}/Containerfile {folder}",
        f"podman create --name kubeup-root-{name} localhost/kubeup/root:{name} true",
        f"podman export kubeup-root-{name} > {folder}/rootfs.tar",
        f"podman rm --force kubeup-root-{name}",
        f"podman rmi localhost/kubeup/root:{name}",
    )


def test_the_build_has_the_same_packages_and_leaves_the_same_out() -> None:
    root = Rootfs("node", "bookworm", ("nodejs", "npm"), 27, origin(FEDORA), ("/usr/share/perl/*",))
    text = root.containerfile()
    assert text.startswith(f"FROM {IMAGES['bookworm']}\n")
    assert "install -y --no-install-recommends nodejs npm " in text
    for rule in root.rules:
        assert f"--dpkgopt={rule}" in root.command(Path("x")) and f" {rule}" in text.replace(
            "'", ""
        )
    assert "Check-Valid-Until" not in text
    assert (
        "-o Acquire::Check-Valid-Until=false -o Acquire::Languages=none update"
        in replace(root, origin=replace(root.origin, stale=True)).containerfile()
    )
    assert "rm -f /usr/sbin/policy-rc.d" in text, "services on nodes are to be started"


def test_every_suite_that_is_used_has_an_image() -> None:
    kinds = [
        bases.Bases("debian", "", Origin()).rootfs(kind)
        for kind in ("python", "node", "npm", "mysql", "mariadb")
    ]
    assert {root.suite for root in (*kinds, image.rootfs(Origin()), proxy_rootfs(Origin()))} == set(
        IMAGES
    )
    assert IMAGES["bookworm"].startswith("docker.io/library/debian:bookworm-slim@sha256:")


def test_where_neither_is_to_be_had_its_step_is_refused() -> None:
    error = error_of(rootfs.step, image.rootfs(origin(replace(ARCH, **NO_HUB))), "the nodes")
    assert isinstance(error, Refused)
    assert error.why == f"mmdebstrap and apt are not installed, and {SILENT}"
    assert "https://registry-1.docker.io" in error.next and "mmdebstrap" not in error.next, (
        "Arch has no package of it"
    )
    assert (
        "`sudo dnf install mmdebstrap`"
        in error_of(rootfs.step, image.rootfs(origin(replace(FEDORA, **NO_HUB)))).next
    )


def test_the_applications_images_on_debian_packages_where_the_hub_answers(tmp_path: Path) -> None:
    one = settings(tmp_path, "images: {bases: debian}")
    images = catalog.catalog(one, bases.choose(one, ARCH, origin(ARCH)))
    steps = image_plan(images, Builder(engine.for_images("podman", ARCH), False))
    made = [line for step in steps if str(step.id) == "rootfs/mysql" for line in commands([step])]
    assert made[0].startswith("podman build --tag localhost/kubeup/root:mysql-sid-")


def test_packages_that_do_not_come_are_told_with_their_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: str, **__: object) -> None:
        raise KubeupError("mmdebstrap failed", "E: no network", "")

    monkeypatch.setattr("kubeup.core.shell.write", write)
    error = error_of(MakeRootfs(image.rootfs(origin(SANDBOX))).run, print)
    assert error.what == "mmdebstrap failed" and "deb.debian.org" in error.next


def test_root_file_systems_of_packages_take_a_linux(tmp_path: Path) -> None:
    mac = replace(DESKTOP, system="Darwin")
    wanted = settings(tmp_path, "images: {bases: debian}")
    assert isinstance(error_of(bases.choose, wanted, mac, origin(DESKTOP)), UsageError)
    assert bases.choose(settings(tmp_path), mac, origin(DESKTOP)).source == "hub"
