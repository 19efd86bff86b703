"""Ordinary machines with a fresh clone on each, for the tests of this folder.

See `tests.beds.machine`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kubeup.core.state import PROJECT
from kubeup.system import cache
from tests.beds.machine import KINDS
from tests.beds.machine.containers import ContainerMachine, machine
from tests.beds.ran import Ran

# of the cache: what takes minutes to make and is the same everywhere
PREPARED = ("release", "rootfs")


@dataclass(frozen=True)
class Checkout:
    """A clone of the project in the home of a machine's user."""

    machine: ContainerMachine
    folder: str
    user: str = "dev"
    umask: str = "022"

    def inv(self, words: str, code: int | None = 0, timeout: float = 600) -> Ran:
        """Type a task there."""
        script = f"umask {self.umask}; cd {shlex.quote(self.folder)} && ./inv {words}"
        return self.machine.run(script, user=self.user, code=code, timeout=timeout)

    def verify(self, seconds: float = 90) -> Ran:
        """Verify until all is well: an API that has just been started may be slow on a machine
        with other work.
        """
        end = time.monotonic() + seconds
        while True:
            ran = self.inv("verify", code=None)
            if ran.code == 0:
                return ran
            assert time.monotonic() < end, str(ran)

    def kubectl(self, words: str) -> str:
        access = "--kubeconfig .kubeup/dev/kubeconfig --context kubeup-dev"
        script = f"$(find ~/.cache/kubeup -name kubectl -type f | head -n 1) {access} {words}"
        return self.machine.run(f"cd {shlex.quote(self.folder)} && {script}", user=self.user).out


def cloned(on: ContainerMachine, folder: str, user: str = "dev", umask: str = "022") -> Checkout:
    """`git clone` as a user types it, from a bundle instead of the network."""
    bundle = Path("/tmp", f"{on.name}.bundle")
    subprocess.run(
        ("git", "-C", str(PROJECT), "bundle", "create", "--quiet", str(bundle), "HEAD"), check=True
    )
    try:
        on.copy(bundle, f"/tmp/bundle-of-{user}", user)
    finally:
        bundle.unlink()
    parent, name = os.path.split(folder)
    clone = f"git clone --quiet /tmp/bundle-of-{user}/{bundle.name} {shlex.quote(name)}"
    on.run(
        f"umask {umask}; mkdir -p {shlex.quote(parent or '.')} && cd "
        f"{shlex.quote(parent or '.')} && {clone}",
        user,
    )
    return Checkout(on, folder, user, umask)


def hand_in_the_cache(on: ContainerMachine, user: str = "dev") -> None:
    """What this machine has made already, but for one root file system, which the machine's user
    makes.
    """
    for part in PREPARED:
        for made in sorted(cache.folder(part).iterdir()) if cache.folder(part).is_dir() else ():
            if made.is_dir() and not made.name.startswith((".", "kube-proxy-")):
                on.copy(made, f".cache/kubeup/{part}/{made.name}", user)


@pytest.fixture(scope="session", params=list(KINDS))
def checkout(request: pytest.FixtureRequest, standing_clusters: list[Any]) -> Iterator[Checkout]:
    """A fresh machine of each kind; on one of them in a folder whose name has spaces, all of it
    closed to others.
    """
    if os.geteuid() != 0:
        pytest.skip("machines are privileged containers: this needs root")
    for earlier in standing_clusters:
        earlier.remove_everything()
    with machine(request.param, f"test-{request.param}", lambda line: None) as made:
        closed = request.param == "debian-12"
        if closed:
            made.run("chmod 700 .", "dev")
        hand_in_the_cache(made)
        yield cloned(
            made, "my projects (ü)/kubeup" if closed else "kubeup", umask="077" if closed else "022"
        )


@pytest.fixture(scope="session")
def first_up(checkout: Checkout) -> Ran:
    """The README's first command."""
    return checkout.inv("up --yes", code=None, timeout=2400)


@pytest.fixture
def standing(checkout: Checkout, first_up: Ran) -> Checkout:
    assert first_up.code == 0, str(first_up)
    return checkout
