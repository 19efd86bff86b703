"""The table of checks: each row waits for rows before it, each file is one of its rows."""

from __future__ import annotations

import sys
from pathlib import Path

from kubeup.inspect.verify import checks
from kubeup.inspect.verify.table import CHECKS
from kubeup.settings import Settings


def test_each_row_waits_for_rows_before_it_alone() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names)) == 16
    for number, check in enumerate(CHECKS):
        assert set(check.after) <= set(names[:number]), check.name


def test_each_file_is_a_row_of_the_table() -> None:
    files = set(Path(checks.__path__[0]).glob("*.py")) - {Path(checks.__file__)}
    looks = [getattr(check.look, "func", check.look) for check in CHECKS]
    assert files == {Path(sys.modules[look.__module__].__file__ or "") for look in looks}


def test_without_a_port_of_its_own_the_ui_has_its_nodeport_alone() -> None:
    settings = Settings(profile="dev")
    applying = {check.name for check in CHECKS if check.applies(settings)}
    assert {check.name for check in CHECKS} - applying <= {"HTTP port ui"}
    assert ("HTTP port ui" in applying) is bool(settings.ports.http)
