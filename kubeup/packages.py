"""Debian packages that this machine itself needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubeup import shell
from kubeup.errors import KubeupError
from kubeup.facts.host import HostFacts
from kubeup.plan import Log, Step

STEP = "host/packages"


def installed(dpkg: str) -> frozenset[str]:
    """Names from `dpkg-query -W -f '${db:Status-Status} ${Package}\\n'`."""
    rows = (line.split() for line in dpkg.splitlines())
    return frozenset(row[1] for row in rows if len(row) > 1 and row[0] == "installed")


def missing(names: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(names))
    if not shell.which("dpkg-query"):
        return ()
    found = installed(shell.read("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n", *wanted, ok=None).stdout)
    return tuple(name for name in wanted if name not in found)


def plan(names: tuple[str, ...], host: HostFacts) -> list[Step]:
    """A step that installs `names`. Raises KubeupError where kubeup can't install them itself."""
    if not names:
        return []
    if not host.root and not host.may_sudo:
        raise KubeupError(f"packages are missing: {', '.join(names)}", "installing them needs root, and sudo does not let this user in",
                          f"have an administrator type: apt-get install {' '.join(names)}")
    return [Step(STEP, "install packages on this machine", ", ".join(names), Install(names, () if host.root else shell.SUDO), seconds=60)]


@dataclass(frozen=True)
class Install:
    names: tuple[str, ...]
    root: tuple[str, ...] = ()  # what makes a command root's

    def commands(self) -> tuple[str, ...]:
        return tuple(shell.shown(argv, 600) for argv in self._argvs())

    def run(self, log: Log) -> None:
        for argv in self._argvs():
            shell.write(*argv, log=log)

    def _argvs(self) -> tuple[tuple[str, ...], ...]:
        # named here and not in the environment, which sudo does not hand on
        apt = (*self.root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300")
        return ((*apt, "update"), (*apt, "install", "-y", "--no-install-recommends", *self.names))
