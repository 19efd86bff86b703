"""`python -m tests.mutants`: are the tests of today enough to notice what is taken out of the code?

Ends well where every mutation that protects data was found, and of all of them NEEDED percent.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from kubeup.core.report import Report, duration
from tests.mutants import covering
from tests.mutants.derive import Mutation, left_out, mutations
from tests.mutants.running import Outcome, Running
from tests.mutants.shown import Progress, enough, show
from tests.mutants.sources import Module, modules

ROOT = Path(__file__).resolve().parents[2]
KINDNESS = 10  # it computes all the time, while others wait for clusters


def main(words: Sequence[str]) -> int:
    told = arguments(words)
    os.nice(KINDNESS)
    out, began = Report(), time.monotonic()
    known = modules(ROOT, "kubeup")
    chosen = [one for one in mutations(known) if asked_for(one, told.places)]
    for place, reason in left_out(known):
        out.say(f"left out: {place}: {reason}")
    with TemporaryDirectory() as folder:
        outcomes = carried_out(chosen, known, told.keep or Path(folder), out)
    show(outcomes, {one.path: one.text for one in known}, out)
    out.say(f"in {duration(time.monotonic() - began)}")
    return 0 if enough(outcomes) else 1


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "places", nargs="*", help="files, or lines (kubeup/workflows/up.py:64), instead of all"
    )
    parser.add_argument("--keep", type=Path, help="a folder: which tests cover what is kept there")
    return parser.parse_args(words)


def asked_for(one: Mutation, places: Sequence[str]) -> bool:
    return not places or one.place in places or any(one.path.startswith(place) for place in places)


def carried_out(
    chosen: Sequence[Mutation],
    known: Sequence[Module],
    folder: Path,
    out: Report,
) -> list[Outcome]:
    folder.mkdir(parents=True, exist_ok=True)
    out.say(f"{len(chosen)} mutations; which tests cover them is measured first")
    covered = covering.measured(ROOT, "kubeup", "tests/unit", folder)
    return Running(ROOT, known, covered, folder).all(chosen, Progress(len(chosen), out))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
