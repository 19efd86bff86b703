"""Which tests `inv test` runs: no folder of the real ones is left out, and none runs twice."""

from __future__ import annotations

import pytest

from kubeup.state import PROJECT
from kubeup.tasks.development import stages

REAL = PROJECT / "tests" / "real"


@pytest.mark.parametrize("long", [True, False])
def test_each_folder_of_real_tests_runs_once(long: bool) -> None:
    beside = [stage for stage in stages(long) if stage.beside]
    words = [word for stage in beside for command in stage.commands for word in command]
    folders = {path.parent for path in REAL.rglob("test_*.py")} - {REAL}
    assert folders and words.count("tests/real") == 1
    for folder in folders:
        name = str(folder.relative_to(PROJECT))
        assert (words.count(name), words.count(f"--ignore={name}")) == (1, 1), name
    assert ("not long" in words) is not long
