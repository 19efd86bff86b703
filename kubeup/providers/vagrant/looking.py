"""How the programs behind Vagrant's providers are asked about a machine: in a tenth of a second, where `vagrant status` takes five."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubeup import shell
from kubeup.facts import vagrant as facts
from kubeup.facts.vagrant import Machine


@dataclass(frozen=True)
class Looking:
    """A provider's own program: the words before and after a machine's name or id, and what its answer means."""

    program: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    means: Callable[[str], Machine | None]
    works: tuple[str, ...]  # the words that find out whether what is behind the program works
    fix: str  # where the program is missing

    @property
    def there(self) -> bool:
        return shell.which(self.program) is not None

    def trouble(self) -> str:
        """Why the program is of no use here, or ''."""
        if not self.there:
            return f"{self.program} is not installed"
        answer = shell.read(self.program, *self.works, ok=None, env={"LC_ALL": "C"})
        if answer.ok and "WARNING" not in answer.stdout:
            return ""
        return f"`{self.program} {' '.join(self.works)}` says: {(answer.stderr or answer.stdout).strip()[:300]}"

    def look(self, name: str) -> Machine | None:
        """The machine of that name or id; None where there is none."""
        answer = shell.read(self.program, *self.before, name, *self.after, ok=None, env={"LC_ALL": "C"})
        return self.means(answer.stdout) if answer.ok else None


PROGRAMS = {
    "virtualbox": Looking("VBoxManage", ("showvminfo",), ("--machinereadable",), facts.virtualbox, ("--version",),
                          "install VirtualBox from https://www.virtualbox.org/wiki/Downloads, or choose another: `--set vagrant.provider=libvirt`"),
    "libvirt": Looking("virsh", ("--connect", "qemu:///system", "dominfo"), (), facts.libvirt,
                       ("--connect", "qemu:///system", "version"), "install libvirt-clients, libvirt-daemon-system, qemu-system and vagrant-libvirt"),
    "docker": Looking("docker", ("container", "inspect"), (), facts.docker, ("version",), "install and start Docker, or podman and podman-docker"),
}


def podman_behind() -> bool:
    """Whether the `docker` here is podman's."""
    return shell.which("docker") is not None and "podman" in shell.read("docker", "--version", ok=None).stdout
