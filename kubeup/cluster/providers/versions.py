"""Versions of the tools that providers drive, as tuples of numbers: they compare as versions do."""

from __future__ import annotations

import re

Version = tuple[int, ...]


def parse(pattern: re.Pattern[str], text: str) -> Version:
    """The numbers in the groups of a pattern; () where the text does not match."""
    match = pattern.search(text)
    return tuple(map(int, match.groups())) if match else ()


def dotted(version: Version) -> str:
    return ".".join(map(str, version))
