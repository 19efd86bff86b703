"""A root file system built on Debian's image, as where mmdebstrap can't be had; a stand-in is
that image.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeup.cluster.release.images import proxy_rootfs
from kubeup.core import shell
from kubeup.images import bases, rootfs
from kubeup.images.rootfs import IMAGE, IMAGES, MakeRootfs, Origin, Rootfs
from kubeup.system import machine
from kubeup.system.engine import choose

pytestmark = pytest.mark.real
STAND_IN = "localhost/kubeup-test/debian:bookworm-slim"
# what Debian's own has, as debuerreotype makes it
ONLY_IN_IMAGES = ("usr/sbin/policy-rc.d", "etc/apt/apt.conf.d/docker-clean")


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Origin]:
    """A machine's whose registry is this one's own store of images."""
    host = machine.observe()
    engine = choose("podman", host)
    base = proxy_rootfs(bases.origin(host, engine))
    if not base.path.exists():
        MakeRootfs(base).run(print)
    shell.write(*engine.argv("import", str(base.path), f"{STAND_IN}-root"))
    lines = " && ".join(f"echo exit 101 >/{path} && chmod +x /{path}" for path in ONLY_IN_IMAGES)
    text = f"FROM {STAND_IN}-root\nRUN {lines.replace('exit 101 >/etc', '>/etc')}\n"
    (tmp_path / "Containerfile").write_text(text)
    shell.write(*engine.argv("build", *engine.build_options, "--tag", STAND_IN, str(tmp_path)))
    monkeypatch.setitem(IMAGES, "bookworm", STAND_IN)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "my cache"))
    yield Origin(IMAGE, stale=host.stale_mirror, engine=engine)
    shell.read(*engine.argv("rmi", "--force", STAND_IN, f"{STAND_IN}-root"), ok=None)


def test_it_has_the_packages_and_nothing_of_the_image(origin: Origin) -> None:
    root = Rootfs(
        "ethtool", "bookworm", ("ethtool",), 20, origin, ("/usr/share/bash-completion/*",)
    )
    rootfs.step(root).action.run(print)
    with tarfile.open(root.path) as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    assert {"usr/sbin/ethtool", "usr/share/doc/ethtool/copyright", "var/lib/dpkg/status"} <= names
    assert not names & set(ONLY_IN_IMAGES), "services of a machine are to be started"
    left_out = (
        "usr/share/man/man8/ethtool",
        "usr/share/bash-completion/completions/ethtool",
        "var/lib/apt/lists/deb",
    )
    assert not [name for name in names if name.startswith(left_out)]
    left = shell.read(*origin.engine.argv("ps", "--all", "--format", "{{.Names}}")).stdout
    assert "kubeup-root-" not in left
