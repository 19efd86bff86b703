from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from kubeup.cluster.providers.local import Local
from kubeup.core import lock
from kubeup.facts.certificates import Store

# the same in every run: what fails today is no other's change
settings.register_profile("kubeup", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("kubeup")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kubeup")


@pytest.fixture(autouse=True)
def cache_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder, so that a plan does not depend on what this machine has made
    already.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kubeup"


@pytest.fixture(autouse=True)
def administrators_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in place of that of this machine's own certificates, not made, for the same
    reason.
    """
    folder = tmp_path / "own-certificates"
    stores = (Store(str(folder), ".crt", str(tmp_path / "bundle.pem")),)
    monkeypatch.setattr("kubeup.facts.certificates.STORES", stores)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    return folder


@pytest.fixture(autouse=True)
def nothing_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No container engine is asked what there is already of what nodes are made of."""
    monkeypatch.setattr(Local, "_unless_there", lambda _, step: step)


@pytest.fixture
def held_profile(tmp_path: Path) -> Iterator[None]:
    """The profile of `builders.state` is held, as by a command that changes it: else nothing is
    written to its record.
    """
    with lock.profile(tmp_path / "state", "a test"):
        yield


@pytest.fixture
def real_kubectl() -> Path:
    """The kubectl that kubeup has made on this machine (`kustomize` needs no cluster)."""
    found = sorted(_CACHE.glob("release/v1.26.1/*/kubectl"))
    if not found:
        pytest.fail("no kubectl in the cache yet: `inv test` and `inv up` make it")
    return found[0]
