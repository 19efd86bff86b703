"""docs/traps.md names a test for every trap, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| .* \| (.*) \| (?:`(\S+)::(\w+)`)? ?\|$")


def test_every_trap_has_its_test() -> None:
    rows = [
        match.groups()
        for match in map(
            ROW.match, (PROJECT / "docs" / "traps.md").read_text(encoding="utf-8").splitlines()
        )
        if match
    ]
    assert [int(number) for number, *_ in rows] == list(range(1, 28))
    for number, does, file, name in rows:
        assert file or does.startswith("later: "), f"trap {number} has no test"
        assert not file or f"def {name}(" in (PROJECT / file).read_text(encoding="utf-8"), (
            f"trap {number}: no {name} in {file}"
        )
