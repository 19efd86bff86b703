"""What a person (or a program) sees: plans, progress, results.

Everything printed goes through here: secrets are hidden, and what others have put into names, logs
and errors to command a terminal is made visible.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TextIO

from kubeup.core.errors import KubeupError
from kubeup.core.ids import StepId
from kubeup.core.plan import Done, Explained, Plan, Step

if TYPE_CHECKING:
    from rich.progress import TaskID
    from rich.text import Text

HIDDEN = "•••"
# what a terminal obeys instead of showing it (C0 and C1 of ECMA-48, but for tabs and line ends),
# what turns letters' order around (https://trojansource.codes), bytes that are no text (PEP 383)
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Unwritable(KubeupError):
    """What a command says can't be printed."""


class Report:
    """Prints to `out`, with the secrets it knows of replaced."""

    def __init__(self, out: TextIO | None = None, secrets: Iterable[str] = ()) -> None:
        self.out = out or sys.stdout
        # a short one would hide parts of other words
        long = {secret for secret in secrets if len(secret) >= 4}
        self._secrets = sorted(long, key=len, reverse=True)
        self._lock = threading.Lock()
        self._lost: Exception | None = None

    @property
    def live(self) -> bool:
        return self.out.isatty()

    def redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def shown(self, text: str) -> str:
        """A text as it may be printed."""
        return visible(self.redacted(text))

    def say(self, text: str = "") -> None:
        """Print a line, or several.

        Raises BrokenPipeError where nobody reads it, Unwritable where it can't be written.
        """
        if self._lost is not None:
            raise self._lost
        # steps that run side by side must not mix their lines
        with self._lock:
            try:
                print(self.shown(text), file=self.out, flush=True)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise Unwritable(
                    "what this prints can't be written",
                    error.strerror or str(error),
                    "free disk space there, or send it elsewhere",
                ) from None

    @contextlib.contextmanager
    def unheard(self) -> Iterator[None]:
        """What can't be printed meanwhile ends nothing that is under way; the next `say` fails."""
        try:
            yield
        except (OSError, Unwritable) as error:
            self._lost = self._lost or error

    def data(self, value: Any) -> None:
        # before it becomes JSON: a quote in a secret would be written with a backslash there
        text = json.dumps(plain(value, self.redacted), indent=2, ensure_ascii=False)
        # outside of strings JSON has none of them but line ends
        self.say(CONTROLS.sub(lambda found: json.dumps(found[0])[1:-1], text))

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        cells = [list(map(str, row)) for row in (head, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            self.say("  ".join(map(str.ljust, row, widths)).rstrip())

    def plan(self, plan: Plan, commands: bool = False) -> None:
        if not plan:
            self.say("Nothing to do.")
            return
        steps = "1 step" if len(plan) == 1 else f"{len(plan)} steps"
        self.say(f"Plan: {steps}, about {duration(plan.critical_seconds())}")
        width = max(len(step.title) for step in plan)
        for number, step in enumerate(plan, 1):
            about = f"~{duration(step.seconds)}"
            self.say(f"{number:3}. {step.title:{width}}  {about:>7}  because: {step.reason}")
            if step.loses:
                self.say(f"     ! this loses {step.loses}")
            if commands:
                for line in _commands(step):
                    self.say(f"     $ {line}")


def visible(text: str) -> str:
    """A text that commands no terminal: ^[ for ESC as cat -v, less and kubectl have it."""
    return CONTROLS.sub(_named, text.replace("\r\n", "\n"))


def _named(control: re.Match[str]) -> str:
    code = ord(control[0])
    return f"^{chr(code ^ 0x40)}" if code < 0x80 else f"<U+{code:04X}>"


def _commands(step: Step) -> list[str]:
    return list(step.action.commands()) if isinstance(step.action, Explained) else []


def duration(seconds: float) -> str:
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes > 1 else f"{round(seconds)} s"


def plain(value: Any, shown: Callable[[str], str] = str) -> Any:
    """Anything of ours as what JSON has, its texts as they are `shown`."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item, shown) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if isinstance(value, (list, tuple)):
        return [plain(item, shown) for item in value]
    if isinstance(value, (int, float, NoneType)):
        return value
    return shown(str(value))


def plan_data(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "id": str(step.id),
            "title": step.title,
            "reason": step.reason,
            "needs": list(map(str, step.needs)),
            "seconds": step.seconds,
            "loses": step.loses,
            "commands": _commands(step),
        }
        for step in plan
    ]


class Look(NamedTuple):
    """How a step's end is shown: as a word in a file, as a mark on a terminal."""

    word: str
    mark: str
    style: str


LOOKS = {
    "changed": Look("done  ", "✔", "green"),
    "already": Look("same  ", "=", "dim"),
    "failed": Look("FAILED", "✘", "red"),
}


class LineProgress:
    """Progress without a terminal: a line at a step's start and end, and one now and then."""

    EVERY = 15.0  # seconds between two lines of a step

    def __init__(self, report: Report) -> None:
        self._report = report
        self._began = time.monotonic()
        self._last: dict[StepId, float] = {}

    def started(self, step: Step) -> None:
        self._last[step.id] = time.monotonic()
        self.note(f"start  {step.title}")

    def line(self, step: Step, text: str) -> None:
        if time.monotonic() - self._last.get(step.id, 0) >= self.EVERY:
            self._last[step.id] = time.monotonic()
            self.note(f"       {step.title}: {text[:160]}")

    def ended(self, step: Step, done: Done) -> None:
        why = done.why or duration(done.seconds)
        self.note(f"{LOOKS[done.outcome].word} {step.title} ({why})")

    def note(self, text: str) -> None:
        with self._report.unheard():
            self._report.say(f"{time.monotonic() - self._began:7.1f}s {text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


class WholeProgress(LineProgress):
    """Every line of every step as it comes: for who asked to see it."""

    def line(self, step: Step, text: str) -> None:
        with self._report.unheard():
            self._report.say(text)


class LiveProgress(LineProgress):
    """Progress on a terminal: finished steps as lines, running ones below with what they are at."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self._console = Console(file=report.out, highlight=False)
        self._running = Progress(
            SpinnerColumn(),
            # a tool's output may look like markup
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn(
                "{task.fields[text]}",
                style="dim",
                markup=False,
                table_column=Column(no_wrap=True, ratio=1),
            ),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._tasks: dict[StepId, TaskID] = {}

    def started(self, step: Step) -> None:
        title = self._report.shown(step.title)
        self._tasks[step.id] = self._running.add_task(title, total=None, text="")

    def line(self, step: Step, text: str) -> None:
        if step.id in self._tasks:
            self._running.update(self._tasks[step.id], text=self._report.shown(text))

    def ended(self, step: Step, done: Done) -> None:
        from rich.text import Text

        if step.id in self._tasks:
            self._running.remove_task(self._tasks.pop(step.id))
        look = LOOKS[done.outcome]
        title = self._report.shown(step.title)
        why = self._report.shown(done.why or duration(done.seconds))
        self._print(Text.assemble((f" {look.mark} ", look.style), title, (f"  {why}", "dim")))

    def note(self, text: str) -> None:
        from rich.text import Text

        self._print(Text(self._report.shown(text), style="dim"))

    def _print(self, text: Text) -> None:
        with self._report.unheard():
            self._console.print(text)

    def __enter__(self) -> Self:
        self._running.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.stop()


def progress(report: Report, whole: bool = False) -> LineProgress:
    if whole:
        return WholeProgress(report)
    return LiveProgress(report) if report.live else LineProgress(report)
