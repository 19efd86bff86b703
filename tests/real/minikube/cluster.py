"""A profile on the real minikube, with a home and a user's kubeconfig of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import yaml

from tests.beds.minikube import Bed
from tests.real.harness import Tasks, output

HOWTO = "test-1.26-2nodes"  # the how-to's name
USERS = """apiVersion: v1
kind: Config
clusters: [{name: work, cluster: {server: "https://10.255.255.1:6443"}}]
users: [{name: ana, user: {}}]
contexts: [{name: work, context: {cluster: work, user: ana}}]
current-context: work
"""


@dataclass
class OnMinikube(Tasks):
    """A profile of the settings named mk, on a profile of minikube named `name`."""

    profile: ClassVar[str] = "mk"
    bed: Bed | None = None
    name: str = HOWTO
    nodes: int = 2
    shared_home: Path | None = None  # another's

    @property
    def home(self) -> Path:
        return self.shared_home or self.folder.parent / "home"

    @property
    def users_kubeconfig(self) -> Path:
        return self.folder.parent / f"users-{self.name}"

    @property
    def settings(self) -> Path:
        assert self.bed is not None
        path = self.folder.parent / f"settings-{self.name}-{self.nodes}.yaml"
        minikube = {
            "profile": self.name,
            "nodes": self.nodes,
            "container_runtime": "containerd",
            "base_image": self.bed.base_image,
            "feature_gates": "KubeletInUserNamespace=true",
        }
        path.write_text(
            yaml.safe_dump(
                {
                    "settings": {
                        "env": self.profile,
                        "users": {self.profile: {"provider": "minikube", "minikube": minikube}},
                    }
                }
            )
        )
        return path

    @cached_property
    def environment(self) -> dict[str, str]:
        assert self.bed is not None
        self.users_kubeconfig.write_text(USERS)
        base = super().environment
        return {**base, **self.bed.environment(self.bed.home(self.home), self.users_kubeconfig)}

    @property
    def node_names(self) -> list[str]:
        return [self.name, *(f"{self.name}-m{number:02}" for number in range(2, self.nodes + 1))]

    @property
    def address(self) -> str:
        return self.minikube("ip", "-p", self.name).strip()

    @property
    def context(self) -> str:
        return self.name

    @property
    def kubectl_path(self) -> str:
        return str(next((self.home / ".minikube" / "cache" / "linux").glob("*/*/kubectl")))

    def minikube(
        self, *words: str, users: bool = False, check: bool = True, timeout: float = 600
    ) -> str:
        """minikube past kubeup; with the user's kubeconfig where `users` says so."""
        assert self.bed is not None
        told = self.bed.environment(
            self.home, self.users_kubeconfig if users else self.folder.parent / "past-kubeup"
        )
        return output(
            "env",
            *(f"{name}={value}" for name, value in told.items()),
            "minikube",
            *words,
            check=check,
            timeout=timeout,
        )

    def profiles(self) -> dict[str, Any]:
        return {
            row["Name"]: row
            for row in json.loads(self.minikube("profile", "list", "-o", "json"))["valid"]
        }

    def podman(self, *words: str, check: bool = True) -> str:
        return output(
            "env",
            f"CONTAINERS_CONF={self.environment['CONTAINERS_CONF']}",
            "podman",
            *words,
            check=check,
        )

    def left(self, name: str = "") -> dict[str, list[str]]:
        """What there is of a profile of minikube in podman."""
        label = f"label=name.minikube.sigs.k8s.io={name or self.name}"
        networks = self.podman("network", "ls", "--format", "{{.Name}}").split()
        return {
            "containers": self.podman(
                "ps", "--all", "--format", "{{.Names}}", "--filter", label
            ).split(),
            "volumes": self.podman("volume", "ls", "--quiet", "--filter", label).split(),
            "networks": [one for one in networks if one == (name or self.name)],
        }

    def remove_everything(self) -> None:
        """By minikube, then by name: a run that was killed had another home."""
        self.minikube("delete", "-p", self.name, check=False)
        for name in (self.name, *(f"{self.name}-m{number:02}" for number in range(2, 6))):
            self.podman("rm", "--force", "--time", "0", name, check=False)
            self.podman("volume", "rm", "--force", name, check=False)
        self.podman("network", "rm", "--force", self.name, check=False)
