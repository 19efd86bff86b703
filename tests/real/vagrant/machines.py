"""A profile on machines that the real Vagrant makes, with a home of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import yaml

from kubeup.cluster.provision.play import changed, environment
from kubeup.workflows.loading import load
from tests.beds.vagrant import LABEL, Bed
from tests.real.harness import ROOT, Tasks, output

NETWORKS = {"vg": "192.168.64", "vh": "192.168.65"}  # by profile


@dataclass
class OnVagrant(Tasks):
    """The profile vg (or another in `name`) on containers of Vagrant's docker provider."""

    profile: ClassVar[str] = "vg"
    bed: Bed | None = None
    name: str = "vg"
    workers: int = 2

    @property
    def state(self) -> Path:
        return self.folder / self.name

    @property
    def home(self) -> Path:
        return self.folder.parent / "vagrant.d"

    @property
    def vagrants(self) -> Path:
        """The folder where a person would type vagrant."""
        return self.state / "vagrant"

    def keys(self) -> dict[str, Any]:
        """The profile's settings."""
        assert self.bed is not None
        size = {"cpu": 2, "memory": 2048}
        return {
            "provider": "vagrant",
            "nodes": {"control": size, "workers": {**size, "count": self.workers}},
            "network": {
                "control_ip": f"{NETWORKS[self.name]}.10",
                "pod_cidr": "10.248.0.0/16",
                "service_cidr": "10.100.0.0/16",
            },
            "vagrant": {"provider": "docker", "image": self.bed.image},
        }

    @property
    def settings(self) -> Path:
        path = self.folder.parent / f"settings-{self.name}-{self.workers}.yaml"
        path.write_text(
            yaml.safe_dump({"settings": {"env": self.name, "users": {self.name: self.keys()}}})
        )
        return path

    @cached_property
    def environment(self) -> dict[str, str]:
        assert self.bed is not None
        return {**super().environment, **self.bed.environment(self.home)}

    def resized(self, workers: int) -> None:
        self.workers = workers
        self.environment["KUBEUP_SETTINGS"] = str(self.settings)

    @property
    def node_names(self) -> list[str]:
        return [
            f"{self.name}-control",
            *(f"{self.name}-worker-{number}" for number in range(1, self.workers + 1)),
        ]

    @property
    def address(self) -> str:
        return f"{NETWORKS[self.name]}.10"

    @property
    def context(self) -> str:
        return f"kubeup-{self.name}"

    @cached_property
    def kubectl_path(self) -> str:
        return str(load(self.settings, sets=(f"state_dir={self.folder}",), environ={}).kubectl.path)

    def vagrant(self, *words: str, check: bool = True, timeout: float = 600) -> str:
        """vagrant as a person types it in that folder, past kubeup."""
        done = subprocess.run(
            ["vagrant", *words],
            cwd=self.vagrants,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, (
            f"vagrant {' '.join(words)} -> {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout + done.stderr

    def podman(self, *words: str, check: bool = True) -> str:
        assert self.bed is not None
        return output(*self.bed.engine.argv(*words), check=check)

    def on(self, node: str, script: str, check: bool = True) -> str:
        """Run a script on a node as root, past SSH and past kubeup."""
        return self.podman("exec", node, "sh", "-c", script, check=check)

    def left(self) -> list[str]:
        """Containers of this profile."""
        names = self.podman(
            "ps", "--all", "--format", "{{.Names}}", "--filter", f"label={LABEL}"
        ).split()
        return sorted(name for name in names if name.startswith(f"{self.name}-"))

    def changed(self, *words: str) -> dict[str, int]:
        """How much a run of the play changed on each node."""
        playbook = str(ROOT / "ansible" / "site.yml")
        told = self.ansible("ansible-playbook", *words, playbook)
        print(told)  # which task it was, where a test fails
        return changed(told)

    def ansible(self, program: str, *words: str) -> str:
        """Ansible as a person types it, with the inventory that kubeup has made."""
        told = (f"{key}={value}" for key, value in environment().items())
        return output(
            "env",
            *told,
            str(Path(sys.executable).with_name(program)),
            "-i",
            str(self.state / "inventory.yml"),
            *words,
            timeout=600,
        )

    def power_cut(self, *names: str) -> None:
        """As when the plug is pulled."""
        self.podman("kill", "--signal", "KILL", *(names or self.node_names))

    def remove_everything(self) -> None:
        """By name and label, also of a run that was killed and had another folder."""
        for name in self.left():
            self.podman("rm", "--force", "--volumes", "--time", "0", name, check=False)
        self.podman(
            "network", "rm", "--force", f"vagrant_network_{NETWORKS[self.name]}.0-24", check=False
        )
