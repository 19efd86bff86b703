"""What a person (or a program) sees: plans, progress, results.

Everything printed goes through here and is redacted.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

from kubeup.core.ids import StepId
from kubeup.core.plan import Explained, Plan, Step

HIDDEN = "•••"


class Report:
    """Prints to `out`, with the secrets it knows of replaced. `plain` where nobody watches."""

    def __init__(self, out: TextIO | None = None, secrets: Iterable[str] = ()) -> None:
        self.out = out or sys.stdout
        self._secrets = sorted({one for one in secrets if len(one) >= 4}, key=len, reverse=True)
        self._lock = threading.Lock()

    @property
    def live(self) -> bool:
        return self.out.isatty()

    def redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def say(self, text: str = "") -> None:
        with self._lock:
            print(self.redacted(text), file=self.out, flush=True)

    def data(self, value: Any) -> None:
        # before they become JSON: a quote in a secret would be written with a backslash there
        self.say(json.dumps(self._hidden(plain(value)), indent=2, ensure_ascii=False))

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._hidden(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._hidden(one) for one in value]
        return self.redacted(value) if isinstance(value, str) else value

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        cells = [[str(cell) for cell in row] for row in [head, *rows]]
        widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
        for row in cells:
            self.say(
                "  ".join(
                    cell.ljust(width) for cell, width in zip(row, widths, strict=True)
                ).rstrip()
            )

    def plan(self, plan: Plan, commands: bool = False) -> None:
        if not plan:
            self.say("Nothing to do.")
            return
        self.say(
            f"Plan: {len(plan)} steps, about {duration(plan.critical_seconds())} where each "
            "takes what it took elsewhere"
        )
        width = max(len(step.title) for step in plan)
        for number, step in enumerate(plan, 1):
            self.say(
                f"{number:3}. {step.title.ljust(width)}  "
                f"{('~' + duration(step.seconds)).rjust(7)}  because: {step.reason}"
            )
            if step.loses:
                self.say(f"     ! this loses {step.loses}")
            for line in (
                step.action.commands() if commands and isinstance(step.action, Explained) else ()
            ):
                self.say(f"     $ {line}")


def duration(seconds: float) -> str:
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes > 1 else f"{round(seconds)} s"


def plain(value: Any) -> Any:
    """Anything of ours as what JSON has."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [
            plain(one)
            for one in (sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)
        ]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def plan_data(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "id": str(step.id),
            "title": step.title,
            "reason": step.reason,
            "needs": list(map(str, step.needs)),
            "seconds": step.seconds,
            "loses": step.loses,
            "commands": list(step.action.commands()) if isinstance(step.action, Explained) else [],
        }
        for step in plan
    ]


class LineProgress:
    """Progress where nobody watches: a line when a step starts and ends, and one every few
    seconds between.
    """

    EVERY = 15.0

    def __init__(self, report: Report) -> None:
        self._report, self._began, self._last = report, time.monotonic(), dict[StepId, float]()

    def started(self, step: Step) -> None:
        self._last[step.id] = time.monotonic()
        self._say(f"start  {step.title}")

    def line(self, step: Step, text: str) -> None:
        if time.monotonic() - self._last.get(step.id, 0) >= self.EVERY:
            self._last[step.id] = time.monotonic()
            self._say(f"       {step.title}: {text[:160]}")

    def ended(self, step: Step, outcome: str, seconds: float) -> None:
        word = {"changed": "done  ", "failed": "FAILED"}.get(outcome, "same  ")
        why = (
            f" ({outcome.removeprefix('already: ')})"
            if outcome.startswith("already")
            else f" ({duration(seconds)})"
        )
        self._say(f"{word} {step.title}{why}")

    def note(self, text: str) -> None:
        """Something about the whole run."""
        self._say(text)

    def _say(self, text: str) -> None:
        self._report.say(f"{time.monotonic() - self._began:7.1f}s {text}")

    def __enter__(self) -> LineProgress:
        return self

    def __exit__(self, *_: object) -> None: ...


class WholeProgress(LineProgress):
    """Every line of every step as it comes: for who asked to see it."""

    def line(self, step: Step, text: str) -> None:
        self._report.say(text)


class LiveProgress(LineProgress):
    """Progress on a terminal: finished steps as lines, running ones below with what they are at."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=report.out, highlight=False)
        self._running: dict[StepId, tuple[Step, float, str]] = {}
        self._live = Live(
            console=self._console, get_renderable=self._table, refresh_per_second=8, transient=True
        )

    def started(self, step: Step) -> None:
        self._running[step.id] = (step, time.monotonic(), "")

    def line(self, step: Step, text: str) -> None:
        if step.id in self._running:
            self._running[step.id] = (step, self._running[step.id][1], self._report.redacted(text))

    def ended(self, step: Step, outcome: str, seconds: float) -> None:
        from rich.text import Text

        self._running.pop(step.id, None)
        mark, style = {"changed": ("✔", "green"), "failed": ("✘", "red")}.get(outcome, ("=", "dim"))
        why = (
            outcome.removeprefix("already: ")
            if outcome.startswith("already")
            else duration(seconds)
        )
        self._console.print(Text.assemble((f" {mark} ", style), step.title, (f"  {why}", "dim")))

    def note(self, text: str) -> None:
        self._console.print(text, style="dim")

    def _table(self) -> Any:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        for step, began, text in list(self._running.values()):
            room = max(20, self._console.width - len(step.title) - 16)
            table.add_row(
                Spinner("dots"),
                step.title,
                Text(f"{time.monotonic() - began:.0f} s", "cyan"),
                Text(text[:room], "dim"),
            )
        return table

    def __enter__(self) -> LiveProgress:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.__exit__(None, None, None)


def progress(report: Report, whole: bool = False) -> LineProgress:
    if whole:
        return WholeProgress(report)
    return LiveProgress(report) if report.live else LineProgress(report)
