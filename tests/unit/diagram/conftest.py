"""Pictures of a cluster that is well, and of one whose nodes and API are not: recorded objects,
read by the real reader.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubeup.cluster.providers.base import NodeState
from kubeup.inspect.diagram.model import Picture
from kubeup.inspect.diagram.reading import picture

DATA = Path(__file__).parents[1] / "data" / "diagram"
NAMES = ("dev-control", "dev-worker-1", "dev-worker-2")
MACHINES = tuple(
    NodeState(name, "worker" if number else "control", f"192.168.60.1{number}", "running")
    for number, name in enumerate(NAMES)
)


def items(*names: str) -> list[dict[str, Any]]:
    return [
        item
        for name in names
        for item in json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))["items"]
    ]


@pytest.fixture
def well() -> Picture:
    return picture(items("cluster", "default", "kube-system"), MACHINES)


@pytest.fixture
def broken() -> Picture:
    """No pod network, and the API's image missing."""
    return picture(items("notready", "apps_api_broken"), MACHINES)


@pytest.fixture
def objects() -> list[dict[str, Any]]:
    return items("cluster", "default", "kube-system")


@pytest.fixture
def machines() -> tuple[NodeState, ...]:
    return MACHINES
