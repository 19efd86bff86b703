from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, SANDBOX, by_id, commands, error_of, settings, sids

from kubeup.core.errors import UsageError
from kubeup.core.record import Made
from kubeup.core.state import write_private
from kubeup.facts.host import HostFacts
from kubeup.images import bases, build, catalog
from kubeup.images.catalog import AppImage
from kubeup.images.rootfs import MakeRootfs, Origin, Rootfs
from kubeup.settings.sections import DATABASE_VERSIONS
from kubeup.system import engine

SILENT = (
    "registry-1.docker.io gave no answer for the image library/python (its name can't be resolved)"
)


def images(tmp_path: Path, host: HostFacts, keys: str = "") -> dict[str, AppImage]:
    chosen = settings(tmp_path, keys)
    return {one.part: one for one in catalog.catalog(chosen, bases.choose(chosen, host, Origin()))}


def plan(found: dict[str, AppImage], host: HostFacts) -> dict[str, object]:
    chosen = engine.choose("auto", host)
    return by_id(build.plan(tuple(found.values()), build.Builder(chosen)))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("host", "keys", "expected"),
    [
        (DESKTOP, "", ("hub", "Docker Hub answers")),
        (SANDBOX, "", ("debian", SILENT)),
        (DESKTOP, "images: {bases: debian}", ("debian", "named by images.bases")),
        (SANDBOX, "images: {bases: hub}", ("hub", "named by images.bases")),
    ],
)
def test_where_bases_come_from(
    tmp_path: Path, host: HostFacts, keys: str, expected: tuple[str, str]
) -> None:
    found = bases.choose(settings(tmp_path, keys), host, Origin())
    assert (found.source, found.why) == expected


@pytest.mark.parametrize(("made", "host"), [("debian", DESKTOP), ("hub", SANDBOX)])
def test_images_stay_what_they_were_made_of(tmp_path: Path, made: str, host: HostFacts) -> None:
    found = bases.choose(
        settings(tmp_path), host, Origin(), Made(bases=made, bases_why="it rained")
    )
    assert (found.source, found.why) == (made, "made so before (it rained)")
    assert (
        bases.questions("auto", made, "Linux")
        == bases.questions("hub", "", "Linux")
        == ()
        != bases.questions("auto", "", "Linux")
    )


def test_docker_hub_is_asked_for_the_very_image() -> None:
    (question,) = bases.questions("auto", "", "Linux")
    assert (
        question.url
        == f"https://registry-1.docker.io/v2/library/python/manifests/{bases.HUB_IMAGES['python'].rpartition('@')[2]}"
    )


def test_with_docker_hub(tmp_path: Path) -> None:
    found = images(tmp_path, DESKTOP)
    assert list(found) == ["db", "api", "ui"]
    assert found["db"].source == bases.HUB_IMAGES["mysql 8.4"]
    assert found["db"].reference.startswith("localhost/kubeup-mysql:8.4-sha-"), (
        "an archive keeps no name with a digest"
    )
    assert found["db"].context is None
    assert dict(found["api"].bases) == {"BASE": bases.HUB_IMAGES["python"]}
    assert dict(found["ui"].bases) == {
        "BUILDER": bases.HUB_IMAGES["node"],
        "BASE": bases.HUB_IMAGES["node"],
    }
    assert list(plan(found, DESKTOP)) == ["image/db", "image/api", "image/ui"]


def test_every_database_on_docker_hub_is_named_by_digest() -> None:
    servers = {(name, version) for name, all_ in DATABASE_VERSIONS.items() for version in all_}
    for name, version in servers:
        image, _, digest = bases.HUB_IMAGES[f"{name} {version}"].partition("@")
        assert (image, digest[:7]) == (f"docker.io/library/{name}:{version}", "sha256:")


def test_every_base_on_docker_hub_is_named_by_digest() -> None:
    assert all(
        "@sha256:" in image and len(image.rpartition(":")[2]) == 64
        for image in bases.HUB_IMAGES.values()
    )


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("database: {version: '5.7'}", "Docker Hub answers"),
        ("{database: {version: '5.7'}, images: {bases: hub}}", "named by images.bases"),
    ],
)
def test_mysql_5_7_has_an_image_for_one_architecture_alone(
    tmp_path: Path, keys: str, why: str
) -> None:
    error = error_of(images, tmp_path, replace(DESKTOP, arch="arm64"), keys)
    assert (
        isinstance(error, UsageError) and error.what == "there is no image of MySQL 5.7 for arm64"
    )
    assert why in error.why and "'8.4'" in error.next and "mariadb" in error.next
    assert images(tmp_path, DESKTOP, keys)["db"].source == bases.HUB_IMAGES["mysql 5.7"]
    assert (
        "hub"
        not in error_of(
            images, tmp_path, replace(SANDBOX, arch="arm64"), "database: {version: '5.7'}"
        ).next
    )
    for other in ("database: {version: '8.0'}", "database: {engine: mariadb}"):
        assert images(tmp_path, replace(DESKTOP, arch="arm64"), other)["db"].context is None


def test_with_package_registries_only(tmp_path: Path) -> None:
    found = images(tmp_path, SANDBOX)
    assert found["db"].reference.startswith("localhost/kubeup-mysql:")
    assert found["db"].what == "MySQL 9.7 from Debian unstable, as " + SILENT
    assert {root.name for one in found.values() for _, root in one.rootfs} == {
        "mysql",
        "python",
        "npm",
        "node",
    }
    steps = plan(found, SANDBOX)
    assert set(steps) == {
        "rootfs/mysql",
        "rootfs/python",
        "rootfs/npm",
        "rootfs/node",
        "image/db",
        "image/api",
        "image/ui",
    }
    assert set(steps["image/ui"].needs) == set(sids("host/packages", "rootfs/npm", "rootfs/node"))  # type: ignore[attr-defined]
    assert steps["rootfs/python"].needs == sids("host/packages")  # type: ignore[attr-defined]


def test_mariadb_and_old_mysql(tmp_path: Path) -> None:
    assert images(tmp_path, SANDBOX, "database: {engine: mariadb}")["db"].what.startswith(
        "MariaDB 10.11 from Debian stable"
    )
    assert (
        images(tmp_path, DESKTOP, "database: {engine: mariadb}")["db"].source
        == bases.HUB_IMAGES["mariadb 10.11"]
    )
    assert (
        images(tmp_path, DESKTOP, "database: {version: '5.7'}")["db"].source
        == bases.HUB_IMAGES["mysql 5.7"]
    )
    error = error_of(images, tmp_path, SANDBOX, "database: {version: '5.7'}")
    assert isinstance(error, UsageError)
    assert SILENT in error.why
    assert "images.bases to hub" in error.next


def test_a_tag_is_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "PROJECT", tmp_path)
    for part in ("api", "ui", "db"):
        write_private(tmp_path / "apps" / part / "Containerfile", f"FROM scratch\n# {part}\n")
    before = images(tmp_path, SANDBOX)
    assert images(tmp_path, SANDBOX) == before
    write_private(tmp_path / "apps" / "api" / "tests" / "test_api.py", "assert True")
    assert images(tmp_path, SANDBOX) == before, "tests are no content"
    write_private(tmp_path / "apps" / "api" / "main.py", "print()")
    after = images(tmp_path, SANDBOX)
    assert after["api"].reference != before["api"].reference
    assert (after["ui"], after["db"]) == (before["ui"], before["db"])
    assert after["api"].archive != before["api"].archive


def test_another_base_is_another_tag(tmp_path: Path) -> None:
    assert images(tmp_path, DESKTOP)["api"].reference != images(tmp_path, SANDBOX)["api"].reference


def test_names_for_loading_and_for_a_registry(tmp_path: Path) -> None:
    assert images(tmp_path, SANDBOX)["api"].reference.startswith("localhost/fast-api-products:")
    found = images(
        tmp_path,
        SANDBOX,
        "images: {via: registry, registry: 'registry.example.org:5000', prefix: ana}",
    )
    assert found["ui"].reference.startswith("registry.example.org:5000/ana/ui-node-products:")


@pytest.mark.parametrize("part", ["api", "ui", "db"])
def test_what_an_images_user_reads_is_readable_however_strict_the_checkouts_umask_was(
    part: str,
) -> None:
    context = catalog.PROJECT / "apps" / part
    copies = [
        line.split()
        for line in (context / "Containerfile").read_text().splitlines()
        if line.startswith("COPY ")
    ]
    ours = [words for words in copies if not words[1].startswith("--from=")]
    needed = [words for words in ours if (context / words[-2]).is_dir() or part == "db"]
    assert needed and all(words[1].startswith("--chmod=") for words in needed)


def test_build_command(tmp_path: Path) -> None:
    found = images(tmp_path, SANDBOX)
    root = found["api"].rootfs[0][1]
    podman = "podman --runtime runc --cgroup-manager cgroupfs"
    assert commands([plan(found, SANDBOX)["image/api"]]) == [
        f"{podman} import {root.path} {root.image}",
        f"{podman} build --isolation chroot --build-arg "
        f"BASE={root.image} "
        f"--tag {found['api'].reference} -f {found['api'].context}/Containerfile "
        f"{found['api'].context}",
        f"{podman} save {found['api'].local} > {found['api'].archive}",
    ]


def test_own_authorities_are_lent_to_a_build(tmp_path: Path) -> None:
    found = images(tmp_path, DESKTOP)
    podman = replace(engine.choose("podman", DESKTOP), build_options=("--isolation", "chroot"))
    lent = build.Builder(podman, Path("/cache/ca-certificates.crt"))
    line, _ = commands([by_id(build.plan(tuple(found.values()), lent))["image/api"]])
    there = "/etc/ssl/certs/ca-certificates.crt"
    assert f"build --isolation chroot -v /cache/ca-certificates.crt:{there}:ro " in line
    assert f"--build-arg PIP_CERT={there} --build-arg NODE_EXTRA_CA_CERTS={there}" in line
    assert "PIP_CERT" not in commands([plan(found, DESKTOP)["image/api"]])[0]
    docker = replace(lent, engine=engine.choose("docker", DESKTOP))
    assert docker.options() == (), "its builds know no -v"


def test_a_pulled_image(tmp_path: Path) -> None:
    found = images(tmp_path, DESKTOP)
    step = plan(found, DESKTOP)["image/db"]
    assert (step.title, step.reason) == (
        f"pull {bases.HUB_IMAGES['mysql 8.4']}",
        "not in the cache",
    )  # type: ignore[attr-defined]
    assert commands([step]) == [
        f"podman pull {bases.HUB_IMAGES['mysql 8.4']}",
        f"podman tag {bases.HUB_IMAGES['mysql 8.4']} {found['db'].reference}",
        f"podman save {found['db'].local} > {found['db'].archive}",
    ]


def test_what_nodes_pull_themselves_needs_no_archive(tmp_path: Path) -> None:
    found = images(
        tmp_path, DESKTOP, "images: {via: registry, registry: registry.example.org, prefix: ana}"
    )
    assert found["db"].reference == found["db"].source == bases.HUB_IMAGES["mysql 8.4"]
    assert list(plan(found, DESKTOP)) == ["image/api", "image/ui"]


@pytest.mark.parametrize("host", [DESKTOP, SANDBOX])
def test_no_tag_is_a_number_to_a_yaml_parser(
    tmp_path: Path, host: HostFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubeup.system.cache.digest", lambda *_: "0987654321098765")
    for one in images(tmp_path, host).values():
        assert not one.reference.rpartition(":")[2].replace(".", "").isdigit()


def test_what_is_in_the_cache_is_not_made(tmp_path: Path) -> None:
    found = images(tmp_path, SANDBOX)
    write_private(found["api"].archive, "tar")
    assert "image/api" not in plan(found, SANDBOX)
    assert "rootfs/python" not in plan(found, SANDBOX), "nothing is left that is built on it"
    tag = found["ui"].reference.rsplit(":", 1)[-1]
    assert (
        plan(found, SANDBOX)["image/ui"].reason == f"nothing of this content was built yet ({tag})"
    )  # type: ignore[attr-defined]


def test_a_root_file_systems_command() -> None:
    root = Rootfs("python", "bookworm", ("python3",), 31)
    (line,) = MakeRootfs(root).commands()
    assert line.startswith("mmdebstrap --variant=minbase '--dpkgopt=path-exclude=/usr/share/doc/*'")
    assert "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr" in line
    assert line.endswith(f"--include=usr-is-merged,python3 bookworm {root.path}")
    assert "Check-Valid-Until" not in line


def test_a_frozen_mirror_is_allowed_and_makes_the_same_thing() -> None:
    fresh, stale = (
        Rootfs("mysql", "sid", ("mysql-server-core",), 23),
        Rootfs("mysql", "sid", ("mysql-server-core",), 23, Origin(stale=True)),
    )
    assert fresh.path == stale.path
    (line,) = MakeRootfs(stale).commands()
    assert '--aptopt=Acquire::Check-Valid-Until "false"' in line
    assert "usr-is-merged" not in line and "merged-usr" not in line, "unstable is merged already"


def test_what_is_left_out_counts() -> None:
    whole = Rootfs("node", "bookworm", ("nodejs",), 27)
    assert (
        Rootfs("node", "bookworm", ("nodejs",), 27, left_out=("/usr/share/perl/*",)).path
        != whole.path
    )
    assert Rootfs("node", "bookworm", ("nodejs", "npm"), 27).path != whole.path
