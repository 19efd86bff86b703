"""How the programs behind Vagrant's providers are asked about a machine: in a tenth of a second,
where `vagrant status` takes five.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kubeup.cluster.providers.vagrant import facts
from kubeup.cluster.providers.vagrant.facts import Machine
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.facts.host import HostFacts


@dataclass(frozen=True)
class Looking:
    """A provider's own program: the words before and after a machine's name or id, and what its
    answer means.
    """

    program: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    means: Callable[[str], Machine | None]
    absent: re.Pattern[str]  # how it says that there is no such machine
    works: tuple[str, ...]  # the words that find out whether what is behind the program works
    # for this machine, with the packages that the plan would install
    fix: Callable[[HostFacts, tuple[str, ...]], str]

    @property
    def there(self) -> bool:
        return shell.which(self.program) is not None

    def trouble(self) -> str:
        """Why the program is of no use here, or ''."""
        if not self.there:
            return f"{self.program} is not installed"
        answer = self.answer()
        if answer.ok and "WARNING" not in answer.stdout:
            return ""
        return (
            f"`{self.program} {' '.join(self.works)}` says: "
            f"{(answer.stderr or answer.stdout).strip()[:300]}"
        )

    def answer(self) -> shell.Output:
        """What the program says to the words that find out whether it works."""
        return shell.read(self.program, *self.works, ok=None, env={"LC_ALL": "C"})

    def look(self, name: str, known: bool = False) -> Machine | None:
        """The machine of that name or id; None where there is none.

        Raises KubeupError where one that Vagrant has `known` could not be asked about: it is not
        taken as gone.
        """
        answer = shell.read(
            self.program, *self.before, name, *self.after, ok=None, env={"LC_ALL": "C"}
        )
        if known and not answer.ok and not self.absent.search(answer.stderr):
            said = " ".join((answer.stderr or answer.stdout).split())[:300]
            raise KubeupError(
                f"{self.program} does not tell whether the machine {name} is there",
                said or f"it ends with {answer.code}",
                "mend that, and run the same again",
            )
        return self.means(answer.stdout) if answer.ok else None


OTHER = "choose another: `--set vagrant.provider=libvirt`"


def virtualbox_fix(host: HostFacts, coming: tuple[str, ...]) -> str:
    """Debian has no VirtualBox: it comes from its makers, who have none for Linux on arm64."""
    if host.system == "Linux" and host.arch != "amd64":
        return f"VirtualBox is not made for Linux on {host.arch}: {OTHER}"
    page = "Linux_Downloads" if host.system == "Linux" else "Downloads"
    known = " ".join(filter(None, (host.distribution.id, host.distribution.version))) or host.system
    found = f"install VirtualBox for {known} from https://www.virtualbox.org/wiki/{page}"
    return f"{found}, or {OTHER}" if host.system == "Linux" else found


def libvirt_fix(host: HostFacts, coming: tuple[str, ...]) -> str:
    """On Debian its packages are part of the plan, so it is there and does not answer."""
    if not host.distribution.has_apt:
        return (
            "install libvirt and QEMU as your distribution has them "
            "(https://libvirt.org), and start libvirt"
        )
    install = [f"`apt-get install {' '.join(coming)}`"] if coming else []
    return "; ".join(
        (
            *install,
            "start it with `systemctl start libvirtd`",
            "a user who is not root has to be in the group libvirt",
        )
    )


def docker_fix(host: HostFacts, coming: tuple[str, ...]) -> str:
    return (
        "install and start Docker (https://docs.docker.com/engine/install/), or podman "
        "and podman-docker"
    )


PROGRAMS = {
    "virtualbox": Looking(
        "VBoxManage",
        ("showvminfo",),
        ("--machinereadable",),
        facts.virtualbox,
        re.compile("Could not find a registered machine|VBOX_E_OBJECT_NOT_FOUND"),
        ("--version",),
        virtualbox_fix,
    ),
    "libvirt": Looking(
        "virsh",
        ("--connect", "qemu:///system", "dominfo"),
        (),
        facts.libvirt,
        re.compile("failed to get domain"),
        ("--connect", "qemu:///system", "version"),
        libvirt_fix,
    ),
    "docker": Looking(
        "docker",
        ("container", "inspect"),
        (),
        facts.docker,
        re.compile("no such container", re.IGNORECASE),
        ("version",),
        docker_fix,
    ),
}


def podman_behind() -> bool:
    """Whether the `docker` here is podman's."""
    return (
        shell.which("docker") is not None
        and "podman" in shell.read("docker", "--version", ok=None).stdout
    )
