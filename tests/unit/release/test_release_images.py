from __future__ import annotations

from pathlib import Path

import pytest

from kubeup.cluster.release import images, sums
from kubeup.cluster.release.components import IMAGES, REGISTRY
from kubeup.cluster.release.images import MakeSystemImages
from kubeup.cluster.release.source import Release
from kubeup.images.rootfs import Origin
from kubeup.system.engine import Engine

DOWNLOADED = Release("download", "amd64", "asked for")
BUILT = Release("build", "amd64", "asked for")
API = f"{REGISTRY}/kube-apiserver:v1.26.1"
ROOT = images.proxy_rootfs(Origin())


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """One that writes down what it is told."""
    program = tmp_path / "engine"
    program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/told\n')
    program.chmod(0o755)
    return Engine("docker", (str(program),), (), (), "a test's")


@pytest.mark.processes
def test_what_is_pulled_is_named_by_digest(cache_home: Path, engine: Engine) -> None:
    MakeSystemImages(engine, DOWNLOADED, ROOT).run(print)
    told = (Path(engine.command[0]).parent / "told").read_text().splitlines()
    assert told[:2] == [
        f"pull --quiet {REGISTRY}/kube-apiserver@sha256:{sums.IMAGES[API]}",
        f"tag {REGISTRY}/kube-apiserver@sha256:{sums.IMAGES[API]} {API}",
    ]
    pulls = [line.split()[-1] for line in told if line.startswith("pull")]
    assert pulls == [image.pinned for image in IMAGES]
    assert told[-1] == f"save {' '.join(image.name for image in IMAGES)}"


def test_every_system_image_has_its_digest_but_one_that_nobody_published() -> None:
    known = [image for image in IMAGES if image.binary != "kube-router"]
    assert [image.name for image in known] == list(sums.IMAGES)
    assert all(len(image.pinned.rpartition("@sha256:")[2]) == 64 for image in known)


def test_other_digests_are_another_archive(
    cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [images.archive(release, ROOT) for release in (DOWNLOADED, BUILT)]
    monkeypatch.setitem(sums.IMAGES, f"{REGISTRY}/pause:3.9", "0" * 64)
    after = [images.archive(release, ROOT) for release in (DOWNLOADED, BUILT)]
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)
