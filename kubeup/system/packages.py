"""Packages that this machine itself needs, named as Debian names them (`kubeup.facts.apt`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Holds, Log, Planned, Step
from kubeup.facts import apt, software
from kubeup.facts.host import HostFacts

FORMAT = "${db:Status-Status} ${Package} ${Version}\\n"


def installed(dpkg: str) -> dict[str, str]:
    """Versions by name, from `dpkg-query -W -f` with FORMAT."""
    versions = {}
    for line in dpkg.splitlines():
        status, *row = line.split() or [""]
        if status == "installed" and len(row) > 1:
            versions[row[0]] = row[1]
    return versions


def missing(names: Iterable[str]) -> tuple[str, ...]:
    """What of these has to be installed: of alternatives the one that apt has.

    They are left open where apt's index has never been fetched. Raises KubeupError for what apt has
    not.
    """
    wanted = [name for name in dict.fromkeys(names) if not _is_there(name)]
    # what somebody built or unpacked by hand needs no package
    here = _installed_here(wanted)
    if here is None:
        first = dict.fromkeys(map(_first, wanted))
        return tuple(name for name in first if name not in software.WITH_PODMAN)
    lacking = [name for name in wanted if not apt.pick(name.split(" | ")[0], here)]
    if not lacking:
        return ()
    return needed(lacking, here, offered(lacking))


def _first(wanted: str) -> str:
    """The name of a package, without its alternatives and version."""
    return apt.names((wanted,))[0]


def _installed_here(wanted: Iterable[str]) -> dict[str, str] | None:
    """Versions of what dpkg has installed; None where the system is not made of its packages."""
    if not shell.which("dpkg-query"):
        return None
    argv = ("dpkg-query", "-W", "-f", FORMAT, "dpkg", *apt.names(wanted))
    versions = installed(shell.read(*argv, ok=None).stdout)
    if "dpkg" not in versions:
        return None
    return versions


def _is_there(wanted: str) -> bool:
    """Whether a package's program is on PATH, whoever put it there."""
    program = software.PROGRAMS.get(_first(wanted), "")
    return bool(program) and shell.which(program) is not None


def offered(wanted: Iterable[str]) -> apt.Index:
    """What apt's index says of packages, as it lies on this machine."""
    if not shell.which("apt-cache"):
        return apt.Index()
    argv = ("apt-cache", "policy", *apt.names((apt.ALWAYS, *wanted)))
    return apt.policy(shell.read(*argv, env={"LC_ALL": "C"}, ok=None).stdout)


def needed(lacking: Iterable[str], here: Mapping[str, str], index: apt.Index) -> tuple[str, ...]:
    """The packages to install for what is lacking, where packages `here` have these versions."""
    known = {**index.candidates, **here}
    chosen = {wanted: apt.pick(wanted, known) for wanted in lacking}
    unknown = [wanted for wanted, name in chosen.items() if not name]
    if index.empty and unknown:
        return tuple(chosen)  # `apt-get update` comes first
    _refuse_unknown(unknown, index)
    return tuple(name for name in dict.fromkeys(chosen.values()) if name not in here)


def _refuse_unknown(unknown: list[str], index: apt.Index) -> None:
    if not unknown:
        return
    why = "the archives in /etc/apt/sources.list* don't have it"
    candidates = [name for name in apt.names(unknown) if name in index.candidates]
    if candidates:
        versions = (f"{name} {index.candidates[name]}" for name in candidates)
        why = f"it would install {', '.join(versions)}"
    raise KubeupError(
        f"apt has no package for {', '.join(unknown)}",
        why,
        "`sudo apt-get update`, if that was long ago; "
        "on Ubuntu many packages need `sudo add-apt-repository universe`",
    )


def plan(names: tuple[str, ...], host: HostFacts) -> list[Planned]:
    """A step that installs `names`. Raises KubeupError where kubeup can't install them itself."""
    if not names:
        return [Holds(ids.PACKAGES, "this machine has all packages that are needed")]
    manager = software.manager(host.distribution)
    if not host.distribution.has_apt:
        _refuse_foreign(names, manager)
    if not host.root and not host.may_sudo:
        raise KubeupError(
            f"packages are missing: {', '.join(names)}",
            "installing them needs root, and this user may not use sudo",
            f"have an administrator type: {manager.command(names)}",
        )
    title, reason = "install packages on this machine", ", ".join(names)
    action = Install(names, () if host.root else shell.SUDO)
    return [Step(ids.PACKAGES, title, reason, action, seconds=60)]


def _refuse_foreign(names: tuple[str, ...], manager: software.Manager) -> None:
    """Where kubeup installs nothing."""
    unknown = [name for name in names if not manager.named(name)]
    if unknown:
        raise KubeupError(
            f"this distribution has no package for {', '.join(unknown)}",
            "kubeup knows of Debian's and Ubuntu's alone",
            "install it by hand so that it is on PATH",
        )
    raise KubeupError(
        f"packages are missing: {', '.join(names)}",
        "kubeup installs packages on Debian and Ubuntu only",
        manager.command(names),
    )


@dataclass(frozen=True)
class Install:
    """Install packages. What was left open is decided by the index that apt has then."""

    names: tuple[str, ...]
    root: tuple[str, ...] = ()  # what makes a command root's

    def commands(self) -> tuple[str, ...]:
        return tuple(map(shell.shown, (self._argv("update"), self._install(self.names))))

    def run(self, log: Log) -> None:
        shell.write(*self._argv("update"), log=log)
        shell.write(*self._install(needed(self.names, {}, offered(self.names))), log=log)

    def _install(self, names: Iterable[str]) -> tuple[str, ...]:
        first = dict.fromkeys(map(_first, names))
        return self._argv("install", "-y", "--no-install-recommends", *first)

    def _argv(self, *words: str) -> tuple[str, ...]:
        # named here and not in the environment, which sudo does not hand on
        silent = ("env", "DEBIAN_FRONTEND=noninteractive")
        return (*self.root, *silent, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *words)
