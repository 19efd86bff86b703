"""An unmarked test starts no process: what needs a real tool says so with the marker `real`."""

from __future__ import annotations

from typing import Any

import pytest

STARTS_TOOLS = ("real", "lint", "long")


@pytest.fixture(autouse=True)
def no_unmarked_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(request.node.get_closest_marker(name) for name in STARTS_TOOLS):
        return

    def refuse(argv: tuple[str, ...], *_: Any, **__: Any) -> int:
        raise AssertionError(f"this test starts `{' '.join(map(str, argv))}`: mark it with pytest.mark.real, or hand it recorded output")

    monkeypatch.setattr("kubeup.shell.processes.run", refuse)
