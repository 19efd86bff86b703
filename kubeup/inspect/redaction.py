"""Replaces secrets in what is handed to others: those that are known, and what looks like one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from kubeup.core.report import HIDDEN

SHORTEST = 4  # characters: a shorter one would hide parts of other words
LINE = 16  # of one of several lines
PEM_BASE64 = base64.b64encode(b"-----BEGIN ").decode()[:14]
NAME = (
    r"(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key|certificate-key"
    r"|(?:certificate-authority|client-certificate|client-key)-data|authorization|auth)[\w-]{0,20}"
)
# what is told of a password instead of it, as by MySQL: (using password: YES)
TOLD = r"(?!(?:yes|no|null|none|true|false)\b)"
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # keys and certificates, also where a log's end has cut them, or JSON their lines
        (r"-----BEGIN [A-Z0-9 ]+-----(?s:.*?)(?:-----END [A-Z0-9 ]+-----|\Z)", HIDDEN),
        (rf"{PEM_BASE64}[A-Za-z0-9+/=]*", HIDDEN),
        # a login in an address: RFC 3986, 3.2.1
        (r"(\w://)[^/\s@\"'<>]+@", rf"\1{HIDDEN}@"),
        # RFC 7519
        (r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", HIDDEN),
        # kubeadm's: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
        (r"(?:(?<=\\[nrt])|(?<![a-z0-9]))[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9])", HIDDEN),
        (r"AGE-SECRET-KEY-1[A-Z0-9]+", HIDDEN),
        (r"(?i)(identified by\s+(?:password\s+)?)(\\*['\"]).*?\2", rf"\1\2{HIDDEN}\2"),
        (r"(?i)((?:basic|bearer) )[\w+/.~-]{8,}=*", rf"\1{HIDDEN}"),
        # a value by the name before it: in YAML, JSON or an assignment, and as an option's
        (rf"(?i)({NAME}[\"'\\]*\s*[:=]\s*)(\\*[\"'])(?!{HIDDEN}).{{4,}}?\2", rf"\1\2{HIDDEN}\2"),
        (
            rf"(?i)({NAME}[\"'\\]*\s*[:=]\s*[\"'\\]*){TOLD}[^\s\"'\\]{{4,}}",
            rf"\1{HIDDEN}",
        ),
        (
            rf"(?i)((?<![\w-])--?[\w-]{{0,40}}{NAME}\s+[\"']?)[^\s\"'-][^\s\"']{{3,}}",
            rf"\1{HIDDEN}",
        ),
    )
)


@dataclass(frozen=True)
class Redaction:
    """`known`: values that are secret, in all the ways in which they are written."""

    known: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redaction:
        known = {one for secret in secrets for one in _parts(secret.strip())}
        written = {way for one in known for way in _ways(one)}
        return cls(tuple(sorted(written, key=len, reverse=True)))

    def of_text(self, text: str) -> str:
        """A text without any of them, nor what looks like one."""
        for secret in self.known:
            text = text.replace(secret, HIDDEN)
        for pattern, replacement in PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _parts(secret: str) -> Iterator[str]:
    """The whole, and its lines: a log may have some of a key's."""
    if len(secret) >= SHORTEST:
        yield secret
    lines = secret.splitlines()
    if len(lines) > 1:
        stripped = (line.strip() for line in lines)
        yield from (one for one in stripped if len(one) >= LINE and not one.startswith("-----"))


def _ways(secret: str) -> Iterator[str]:
    """How a value is written: as it is, in JSON and in JSON's own texts, in an address, base64."""
    yield secret
    for ascii_ in (True, False):
        text = secret
        for _ in range(2):
            text = json.dumps(text, ensure_ascii=ascii_)[1:-1]
            yield text
    data = secret.encode(errors="surrogateescape")
    yield quote(data, safe="")
    yield base64.b64encode(data).decode().rstrip("=")
    yield base64.b64encode(data + b"\n").decode().rstrip("=")
