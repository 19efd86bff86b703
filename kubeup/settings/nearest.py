"""The name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str | None:
    # A variable is written in capitals.
    by_folded = {known.lower(): known for known in names}
    # 0.5 and not difflib's 0.6: two swapped letters of a two-letter key are worth no more.
    found = get_close_matches(name.lower()[:80], by_folded, n=1, cutoff=0.5)
    return by_folded[found[0]] if found else None


def suggestion(name: str, names: Iterable[str]) -> str:
    close = nearest(name, names)
    return f"did you mean {close}?" if close else ""
