"""Which pictures are taken, and how one is named to caches."""

from __future__ import annotations

import hashlib

MAX_BYTES = 5 * 1024 * 1024
TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


class WrongTypeError(Exception):
    """The bytes are no picture of the type that the request names."""


def detect(data: bytes) -> str | None:
    """Return the content type that the first bytes of ``data`` show, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def checked_type(header: str, data: bytes) -> str:
    """Return the type of the picture if the header and the bytes agree on one that is taken."""
    named = header.partition(";")[0].strip().lower()
    if named not in TYPES:
        raise WrongTypeError(f"Content-Type has to be one of {', '.join(TYPES)}")
    found = detect(data)
    if found != named:
        what = found or "no picture of a known type"
        raise WrongTypeError(f"Content-Type says {named}, but the bytes are {what}")
    return named


def etag(data: bytes) -> str:
    """Return the tag of these bytes, without quotes."""
    return hashlib.sha256(data).hexdigest()


def matches(if_none_match: str | None, tag: str) -> bool:
    """Say whether a request's If-None-Match names this tag."""
    named = [item.strip().removeprefix("W/") for item in (if_none_match or "").split(",")]
    return "*" in named or f'"{tag}"' in named
