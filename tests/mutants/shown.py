"""What came out, for people: lines while it goes on, a table at the end, and what survived."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from kubeup.core.report import Report, duration
from tests.mutants.derive import KINDS
from tests.mutants.running import Outcome

NEEDED = 90  # percent of all mutations
QUIET = 60.0  # seconds


class Progress:
    """Tells of survivors at once, and now and then how far it is."""

    def __init__(self, number: int, out: Report) -> None:
        self._left, self._out, self._lock = number, out, threading.Lock()
        self._began = self._said = time.monotonic()

    def __call__(self, outcome: Outcome) -> None:
        with self._lock:
            self._left -= 1
            if not outcome.by:
                self._out.say(f"survived: {outcome.of.place}, {_of(outcome)}")
            if time.monotonic() - self._said > QUIET:
                self._said = time.monotonic()
                self._out.say(f"... {self._left} to go, {duration(self._said - self._began)}")


def _of(outcome: Outcome) -> str:
    return f"{outcome.tests} tests run it" if outcome.tests else "no test runs it"


def enough(outcomes: Sequence[Outcome]) -> bool:
    """Whether all that protect data were found, and NEEDED percent of all."""
    found = [one for one in outcomes if one.by]
    lost = [one for one in outcomes if one.of.protects and not one.by]
    return not lost and len(found) * 100 >= NEEDED * len(outcomes)


def show(outcomes: Sequence[Outcome], texts: Mapping[str, str], out: Report) -> None:
    survived = [one for one in outcomes if not one.by]
    for title, some in (
        ("survived, though they protect data", [one for one in survived if one.of.protects]),
        ("survived", [one for one in survived if not one.of.protects]),
    ):
        if some:
            out.say(f"\n{title}:")
            out.table(("place", "kind", "tests", "what", "in"), [_row(one, texts) for one in some])
    late = sum(one.by == "a time-out" for one in outcomes)
    out.say()
    out.table(("kind", "protects data", "mutations", "found", ""), _totals(outcomes))
    out.say(f"{late} of these by a time-out" if late else "none of these by a time-out")


def _row(one: Outcome, texts: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    text = texts[one.of.path]
    what = text.encode()[one.of.start : one.of.end].decode().splitlines()[0]
    line = text.splitlines()[one.of.line - 1].strip()
    return one.of.place, one.of.kind, str(one.tests), what, "" if line == what else line


def _totals(outcomes: Sequence[Outcome]) -> list[tuple[str, str, int, int, str]]:
    groups = [
        (
            kind,
            protects,
            [one for one in outcomes if (one.of.kind, one.of.protects) == (kind, protects)],
        )
        for kind in KINDS
        for protects in (True, False)
    ]
    rows = [(kind, "yes" if protects else "no", some) for kind, protects, some in groups if some]
    rows.append(("all", "", list(outcomes)))
    return [(kind, protects, len(some), *_found(some)) for kind, protects, some in rows]


def _found(some: Sequence[Outcome]) -> tuple[int, str]:
    found = sum(bool(one.by) for one in some)
    return found, f"{100 * found / len(some):.1f} %" if some else ""
