"""Whose a profile of minikube's is: a file in its folder, as minikube has no labels for them.

It goes with the profile: `minikube delete` removes the folder (DeleteProfile in
pkg/minikube/config/profile.go).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kubeup.core.state import read_json, write_private

FILE = "kubeup.json"


@dataclass(frozen=True)
class Mark:
    """The profile of kubeup's, and the folder of the checkout that made it."""

    profile: str = ""
    project: str = ""

    def __str__(self) -> str:
        return f"{self.project or 'another program'} for the profile {self.profile}"


def read(folder: Path) -> Mark | None:
    """The mark in a profile's folder; None where there is none.

    Raises Refused for one that can't be understood.
    """
    way_out = "remove it, where kubeup did not make that profile"
    content = read_json(folder / FILE, way_out)
    if not content:
        return None
    return Mark(str(content.get("profile", "")), str(content.get("project", "")))


def write(folder: Path, mark: Mark) -> None:
    write_private(folder / FILE, json.dumps(asdict(mark)) + "\n")
