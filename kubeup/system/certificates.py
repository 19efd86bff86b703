"""Authorities that are trusted besides the public ones: `network.ca_certificates`, read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kubeup.core.state import PROJECT
from kubeup.facts import certificates as facts
from kubeup.settings.problem import Problem, error, warning
from kubeup.system import cache

if TYPE_CHECKING:
    import ssl

    from kubeup.settings import Settings

KEY = "network.ca_certificates"
# read by OpenSSL, and with it Python and curl, and by Go's programs: podman, minikube, go
VARIABLE = "SSL_CERT_FILE"


@dataclass(frozen=True)
class Authorities:
    """Certificates in PEM, and what is wrong with the files they were looked for in."""

    pems: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @cached_property
    def bundle(self) -> Path | None:
        """The file with all that this machine trusts and these; None where there are none.

        In the cache, unless the machine's own has them all.
        """
        system = machines_bundle() if self.pems else None
        # without the machine's authorities a program would trust these alone
        if system is None:
            return None
        text = _text(system)
        if set(self.pems) <= set(facts.pems(text)):
            return system
        folder = cache.folder("certificates", cache.digest(text, *self.pems))
        return folder / "ca-certificates.crt"

    def write_bundle(self) -> None:
        """Make that file where it is not there."""
        system, bundle = machines_bundle(), self.bundle
        if system is None or bundle is None or bundle.exists():
            return
        with cache.made_whole(bundle.parent) as work:
            (work / bundle.name).write_text(
                "\n".join([_text(system), *self.pems]), encoding="utf-8"
            )

    @contextlib.contextmanager
    def trusted(self) -> Iterator[None]:
        """Let this process trust them meanwhile."""
        before = os.environ.get(VARIABLE)
        self.write_bundle()
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.pop(VARIABLE, None)
            if before is not None:
                os.environ[VARIABLE] = before

    @property
    def environment(self) -> dict[str, str]:
        """The variables for programs of this machine."""
        if self.bundle is None:
            return {}
        return {VARIABLE: str(self.bundle)}


def read(settings: Settings) -> Authorities:
    """From the files that the settings name; what can't be used is reported as a problem."""
    pems: list[str] = []
    problems: list[Problem] = []
    for number, name in enumerate(settings.network.ca_certificates):
        origin = settings.origin(f"{KEY}.{number}", KEY)
        administrators = name == facts.AUTO
        for path in machines_own() if administrators else [PROJECT / Path(name).expanduser()]:
            found, wrong = look(path)
            pems += found
            problems += [warning(origin, KEY, f"{path}, {doubt}") for doubt in _doubts(found)]
            if wrong and administrators:
                problems.append(warning(origin, KEY, f"{path}, {wrong}", hint="it is left out"))
            elif wrong:
                allowed, key = "a PEM file with certificates and no key", f"{KEY}.{number}"
                problems.append(error(origin, key, f"{path}, {wrong}", allowed=allowed))
    return Authorities(tuple(dict.fromkeys(pems)), tuple(problems))


def look(path: Path) -> tuple[tuple[str, ...], str]:
    """The certificates of a file, or what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as failure:
        return (), f"which can't be read: {failure.strerror}"
    if wrong := facts.wrong(data):
        return (), f"which holds {wrong}"
    pems = facts.pems(data.decode("ascii", errors="replace"))
    broken = [context([pem]) for pem in pems].count(None)
    if broken:
        return (), f"which holds {broken} certificates that can't be read, of {len(pems)}"
    return pems, ""


def context(pems: Sequence[str]) -> ssl.SSLContext | None:
    """What trusts these authorities and no others; None where one can't be read."""
    import ssl

    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trusting.load_verify_locations(cadata="".join(pems))
    except ssl.SSLError:
        return None
    return trusting


def _doubts(pems: Sequence[str]) -> Iterator[str]:
    """What makes programs refuse a certificate that can be read."""
    import ssl
    import time

    for pem in pems:
        trusting = context([pem])
        # OpenSSL lists authorities alone
        authorities = trusting.get_ca_certs() if trusting else []
        if not authorities:
            yield "which holds a certificate that is no authority's: what it signs is not trusted"
            continue
        ended = str(authorities[0]["notAfter"])
        if ssl.cert_time_to_seconds(ended) < time.time():
            yield f"which holds a certificate that ended on {ended}"


def machines_own() -> list[Path]:
    """Files with certificates that this machine's administrator added."""
    for store in facts.STORES:
        folder = Path(store.anchors)
        if folder.is_dir():
            return sorted(filter(Path.is_file, folder.rglob(f"*{store.ending}")))
    return []


def machines_bundle() -> Path | None:
    """The file of all that this machine trusts: the environment's, or its distribution's."""
    names = (os.environ.get(VARIABLE, ""), *(store.bundle for store in facts.STORES), facts.OTHERS)
    for name in filter(None, names):
        if Path(name).is_file():
            return Path(name)
    return None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
