"""A test starts no process unless its marker says that it does: what is not handed recorded
output says so.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

# `processes`: of tools that every machine has, such as sh(1) and python; the others need more than
# those
STARTING = ("processes", "real", "lint", "long")
# docs.python.org/3/library/audit_events.html: every way in which Python starts one
STARTS = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "os.system",
        "pty.spawn",
        "subprocess.Popen",
    }
)


class Guard:
    """Refuses starts while `on`, and keeps them: whoever starts one may swallow the refusal."""

    def __init__(self) -> None:
        self.on = False
        self.refused: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or event not in STARTS:
            return
        self.refused.append(f"{event} {arguments}")
        raise AssertionError(
            f"this test starts a process ({self.refused[-1]}): mark it with "
            "pytest.mark.processes, or hand it recorded output"
        )


guard = Guard()
sys.addaudithook(guard)  # it can't be taken away again


@pytest.fixture(autouse=True)
def processes(request: pytest.FixtureRequest) -> Iterator[Guard]:
    """Ends a test that started, or tried to start, what its markers don't tell of."""
    guard.on = not any(request.node.get_closest_marker(name) for name in STARTING)
    yield guard
    guard.on = False
    refused, guard.refused = guard.refused, []
    assert not refused, refused


def pytest_configure() -> None:
    """Hear what a shell ignores for whom it starts in the background, as do those started here."""
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
