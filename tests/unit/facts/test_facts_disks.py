"""Where things will lie, by files that their programs document."""

from __future__ import annotations

import pytest

from kubeup.facts import disks

MOUNTS = (
    ("/dev/sda2", "/"),
    ("tmpfs", "/run"),
    ("/dev/sdb1", "/var"),
    ("/dev/sdb1", "/srv/images"),
    ("tmpfs", "/var/tmp"),
    ("/dev/sdc1", "/var/lib"),
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ana/.cache/kubeup", "/dev/sda2"),
        ("/var/lib/containers/storage", "/dev/sdc1"),
        ("/variant", "/dev/sda2"),  # no folder below /var
        ("/var", "/dev/sdb1"),
        ("/srv/images/podman", "/dev/sdb1"),  # the same room as /var
        ("/var/tmp/build", "/var/tmp"),  # every tmpfs is called tmpfs, and is a room of its own
    ],
)
def test_the_file_system_of_a_path(path: str, expected: str) -> None:
    assert disks.filesystem(path, MOUNTS) == expected


def test_what_was_mounted_later_hides_what_was_there() -> None:
    assert disks.filesystem("/var/log", (*MOUNTS, ("/dev/sdd1", "/var"))) == "/dev/sdd1"
    assert disks.filesystem("/anywhere", ()) == ""


STORAGE = (
    '[storage]\ndriver = "overlay"\ngraphroot = '
    '"/srv/containers"\nrootless_storage_path = "/srv/rootless/$USER"\n'
)


def test_where_podman_keeps_images() -> None:
    assert disks.podman_storage(True, "/root") == "/var/lib/containers/storage"
    assert disks.podman_storage(True, "/root", STORAGE) == "/srv/containers"
    assert disks.podman_storage(True, "/root", "[storage\n") == "/var/lib/containers/storage"


def test_where_podman_keeps_a_users_images() -> None:
    home = "/home/ana"
    usual = f"{home}/.local/share/containers/storage"
    assert disks.podman_storage(False, home) == usual
    assert (
        disks.podman_storage(False, home, '[storage]\ngraphroot = "/srv/containers"\n') == usual
    ), "that is root's"
    own = '[storage]\ngraphroot = "$HOME/images"\n'
    assert disks.podman_storage(False, home, STORAGE, own) == f"{home}/images"
    told = '[storage]\nrootless_storage_path = "$HOME/elsewhere"\n'
    assert disks.podman_storage(False, home, told) == f"{home}/elsewhere"
    assert (
        disks.podman_storage(False, home, environ={"XDG_DATA_HOME": "/data/ana"})
        == "/data/ana/containers/storage"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "/var/lib/docker"),
        ('{"data-root": "/srv/docker"}', "/srv/docker"),
        ('{"log-driver": "journald"}', "/var/lib/docker"),
        ("{", "/var/lib/docker"),
        ("[]", "/var/lib/docker"),
    ],
)
def test_where_docker_keeps_images(text: str, expected: str) -> None:
    assert disks.docker_storage(text) == expected
