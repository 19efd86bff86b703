"""Recorded output of a real cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeup.system.kubectl import Kubectl

DATA = Path(__file__).parents[1] / "data" / "verify"


@pytest.fixture
def recorded() -> Callable[[str], list[dict[str, Any]]]:
    """The objects of a recorded `kubectl get -o json`."""
    return lambda name: json.loads((DATA / name).read_text(encoding="utf-8"))["items"]


@pytest.fixture
def recorded_text() -> Callable[[str], str]:
    return lambda name: (DATA / name).read_text(encoding="utf-8")


@pytest.fixture
def kubectl() -> Kubectl:
    return Kubectl(Path("/cache/kubectl"), Path("/state/kubeconfig"), "kubeup-dev")
