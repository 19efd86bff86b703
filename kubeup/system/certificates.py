"""Authorities that are trusted beside the public ones: `network.ca_certificates`, read."""

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
from kubeup.facts.certificates import Store
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

        In the cache, unless the machine's own has them all. None, too, where it has none of its
        own: with these alone a program would trust nobody else.
        """
        own = machines_bundle() if self.pems else None
        if own is None:
            return None
        text = _text(own)
        if set(self.pems) <= set(facts.pems(text)):
            return own
        folder = cache.folder("certificates", cache.digest(text, *self.pems))
        return folder / "ca-certificates.crt"

    def write_bundle(self) -> None:
        """Make that file where it is not there."""
        own, made = machines_bundle(), self.bundle
        if own is None or made is None or made.exists():
            return
        with cache.made_whole(made.parent) as work:
            (work / made.name).write_text("\n".join([_text(own), *self.pems]), encoding="utf-8")
            work.chmod(0o755)

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
            os.environ.update({VARIABLE: before} if before is not None else {})

    @property
    def environment(self) -> dict[str, str]:
        """What programs of this machine are told."""
        return {VARIABLE: str(self.bundle)} if self.bundle else {}


def read(settings: Settings) -> Authorities:
    """From the files that the settings name; what can't be used is told as a problem."""
    found: list[str] = []
    problems: list[Problem] = []
    for number, name in enumerate(settings.network.ca_certificates):
        origin = settings.origin(f"{KEY}.{number}", KEY)
        own = name == facts.AUTO
        for path in machines_own() if own else [PROJECT / Path(name).expanduser()]:
            pems, wrong = look(path)
            if wrong and own:
                problems.append(warning(origin, KEY, f"{path}, {wrong}", hint="it is left out"))
            elif wrong:
                problems.append(
                    error(
                        origin,
                        f"{KEY}.{number}",
                        f"{path}, {wrong}",
                        allowed="a PEM file with certificates and no key",
                    )
                )
            else:
                found += pems
                problems += [warning(origin, KEY, f"{path}, {doubt}") for doubt in _doubts(pems)]
    return Authorities(tuple(dict.fromkeys(found)), tuple(problems))


def look(path: Path) -> tuple[tuple[str, ...], str]:
    """The certificates of a file, or what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as failure:
        return (), f"which can't be read: {failure.strerror}"
    if wrong := facts.wrong(data):
        return (), f"which holds {wrong}"
    pems = facts.pems(data.decode("ascii", errors="replace"))
    broken = sum(context([pem]) is None for pem in pems)
    return (
        (pems, "")
        if not broken
        else ((), f"which holds {broken} certificates that can't be read, of {len(pems)}")
    )


def context(pems: Sequence[str]) -> ssl.SSLContext | None:
    """What trusts these authorities and no others; None where one can't be read."""
    import ssl

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        made.load_verify_locations(cadata="".join(pems))
    except ssl.SSLError:
        return None
    return made


def _doubts(pems: Sequence[str]) -> Iterator[str]:
    """What makes programs refuse a certificate that can be read."""
    import ssl
    import time

    for pem in pems:
        made = context([pem])
        known = made.get_ca_certs() if made else []
        if not known:
            yield "which holds a certificate that is no authority's: what it signs is not trusted"
        elif ssl.cert_time_to_seconds(str(known[0]["notAfter"])) < time.time():
            yield f"which holds a certificate that ended on {known[0]['notAfter']}"


def _store() -> Store | None:
    return next((store for store in facts.STORES if Path(store.anchors).is_dir()), None)


def machines_own() -> list[Path]:
    """Files with certificates that this machine's administrator added."""
    store = _store()
    return (
        sorted(path for path in Path(store.anchors).rglob(f"*{store.ending}") if path.is_file())
        if store
        else []
    )


def machines_bundle() -> Path | None:
    """The file of all that this machine trusts: the environment's, or its distribution's."""
    names = (os.environ.get(VARIABLE, ""), *(store.bundle for store in facts.STORES), facts.OTHERS)
    return next((Path(name) for name in names if name and Path(name).is_file()), None)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
