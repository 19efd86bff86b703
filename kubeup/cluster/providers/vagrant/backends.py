"""What is behind Vagrant's providers: a program each, and what it takes to work here.

They are asked about a machine in a tenth of a second, where `vagrant status` takes five.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from kubeup.cluster.providers.external_tool import error_text
from kubeup.cluster.providers.vagrant import facts
from kubeup.cluster.providers.vagrant.facts import Machine
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Room
from kubeup.core.shell import Output
from kubeup.facts.host import HostFacts

OTHER = "choose another: `--set vagrant.provider=libvirt`"
VIRSH = ("--connect", "qemu:///system")
BOX = 2000  # MiB
MACHINE = 2500  # MiB that each adds to its box


class Backend(ABC):
    """What is behind one of Vagrant's providers."""

    name: str
    program: str
    check: tuple[str, ...]  # words that tell whether what is behind the program works
    before: tuple[str, ...]  # words of the question for a machine, before its name …
    after: tuple[str, ...] = ()  # … and after it
    parse: Callable[[str], Machine | None]  # the answer
    absent: re.Pattern[str]  # how the program says that there is no such machine
    snapshots = True
    seconds = 180.0  # that three machines take, where each boots a whole system

    @abstractmethod
    def fix(self, host: HostFacts, coming: Sequence[str]) -> str:
        """How it comes to work here; `coming` are packages that the plan would install."""

    def room(self, machines: int) -> Room:
        """Roughly what new machines take: a box, and what each machine adds to it."""
        if not machines:
            return Room()
        return Room(home=BOX)

    @property
    def installed(self) -> bool:
        return shell.which(self.program) is not None

    def trouble(self) -> str:
        """Why the program is of no use here, or ''."""
        if not self.installed:
            return f"{self.program} is not installed"
        answer = self.answer()
        # VBoxManage only warns where its kernel module is not loaded
        if answer.ok and "WARNING" not in answer.stdout:
            return ""
        return f"`{self.program} {' '.join(self.check)}` says: {error_text(answer)}"

    def answer(self) -> Output:
        """What the program says to `check`."""
        return self._ask(*self.check)

    def _ask(self, *words: str) -> Output:
        # what it says is read in English
        return shell.read(self.program, *words, ok=None, env={"LC_ALL": "C"})

    def find(self, name: str, known: bool = False) -> Machine | None:
        """The machine of that name or id; None where there is none.

        Raises KubeupError where one that Vagrant has `known` could not be asked about: it is not
        taken as gone.
        """
        answer = self._ask(*self.before, name, *self.after)
        if answer.ok:
            return self.parse(answer.stdout)
        if known and not self.absent.search(answer.stderr):
            raise KubeupError(
                f"{self.program} does not say whether the machine {name} is there",
                error_text(answer) or f"it ended with the exit code {answer.code}",
                "fix that, then run the same again",
            )
        return None


class VirtualBox(Backend):
    name = "virtualbox"
    program = "VBoxManage"
    check = ("--version",)
    before, after = ("showvminfo",), ("--machinereadable",)
    absent = re.compile("Could not find a registered machine|VBOX_E_OBJECT_NOT_FOUND")

    parse = staticmethod(facts.virtualbox)

    def room(self, machines: int) -> Room:
        return super().room(machines) + Room(home=MACHINE * machines)

    def fix(self, host: HostFacts, coming: Sequence[str]) -> str:
        """Debian has no VirtualBox: it comes from its makers, who have none for Linux on arm64."""
        if host.system != "Linux":
            return f"install VirtualBox for {host.system} from {VIRTUALBOX}/Downloads"
        if host.arch != "amd64":
            return f"VirtualBox is not made for Linux on {host.arch}: {OTHER}"
        name = f"{host.distribution.id} {host.distribution.version}".strip() or "Linux"
        return f"install VirtualBox for {name} from {VIRTUALBOX}/Linux_Downloads, or {OTHER}"


class Libvirt(Backend):
    """Its machines lie in a pool of libvirt's, not in the home folder."""

    name = "libvirt"
    program = "virsh"
    check = (*VIRSH, "version")
    before = (*VIRSH, "dominfo")
    absent = re.compile("failed to get domain")

    parse = staticmethod(facts.libvirt)

    def fix(self, host: HostFacts, coming: Sequence[str]) -> str:
        """On Debian its packages are part of the plan, so it is there and does not answer."""
        if not host.distribution.has_apt:
            packages = "install libvirt and QEMU as your distribution has them"
            return f"{packages} (https://libvirt.org), and start libvirt"
        start = (
            "start it with `systemctl start libvirtd`; a user who is not root has to be in the "
            "group libvirt"
        )
        if not coming:
            return start
        return f"`apt-get install {' '.join(coming)}`; {start}"


class Docker(Backend):
    name = "docker"
    program = "docker"
    check = ("version",)
    before = ("container", "inspect")
    absent = re.compile("no such container", re.IGNORECASE)
    snapshots = False
    seconds = 20.0

    parse = staticmethod(facts.docker)

    def room(self, machines: int) -> Room:
        return Room(nodes=MACHINE * machines)

    def fix(self, host: HostFacts, coming: Sequence[str]) -> str:
        return (
            "install and start Docker (https://docs.docker.com/engine/install/), or podman and "
            "podman-docker"
        )


VIRTUALBOX = "https://www.virtualbox.org/wiki"
BACKENDS = {backend.name: backend for backend in (VirtualBox(), Libvirt(), Docker())}
SNAPSHOTS = [name for name, backend in BACKENDS.items() if backend.snapshots]


def podman_behind() -> bool:
    """Whether the `docker` here is podman's."""
    if shell.which("docker") is None:
        return False
    return "podman" in shell.read("docker", "--version", ok=None).stdout
