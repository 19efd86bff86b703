from __future__ import annotations

import errno
import io
import json
import time
import unicodedata
from pathlib import Path

import pytest
from builders import Do, error_of, step
from hypothesis import given
from hypothesis import strategies as st

from kubeup.core.plan import Done, Plan, plan_of
from kubeup.core.report import (
    HIDDEN,
    LineProgress,
    Report,
    Unwritable,
    WholeProgress,
    duration,
    plain,
    plan_data,
    progress,
    visible,
)

PLAN = plan_of(
    [
        step(
            "release/kubernetes",
            title="compile kubeadm, kubelet",
            reason="https://dl.k8s.io/ does not answer; not in the cache",
            seconds=290,
        ),
        step(
            "node/dev-control",
            "release/kubernetes",
            title="make the node dev-control",
            reason="missing",
            seconds=4,
            action=Do(lines=("podman run --detach --name dev-control",)),
        ),
        step(
            "data/dev-worker-1",
            title="remove the data of dev-worker-1",
            reason="asked for by name",
            loses="all data of dev-worker-1",
            seconds=0.2,
        ),
    ]
)


def report(*secrets: str) -> Report:
    return Report(io.StringIO(), secrets)


def said(one: Report) -> str:
    assert isinstance(one.out, io.StringIO)
    return one.out.getvalue()


def test_a_plan_as_text() -> None:
    one = report()
    one.plan(PLAN, commands=True)
    assert said(one) == (
        "Plan: 3 steps, about 4 min 54 s\n"
        "  1. compile kubeadm, kubelet         ~4 min 50 s  because: https://dl.k8s.io/ does "
        "not answer; not in the cache\n"
        "  2. remove the data of dev-worker-1  ~200 ms  because: asked for by name\n"
        "     ! this loses all data of dev-worker-1\n"
        "  3. make the node dev-control           ~4 s  because: missing\n"
        "     $ podman run --detach --name dev-control\n"
    )


def test_nothing_to_do() -> None:
    one = report()
    one.plan(Plan())
    assert said(one) == "Nothing to do.\n"


def test_a_plan_as_data() -> None:
    rows = json.loads(json.dumps(plan_data(PLAN)))
    assert rows[1] == {
        "id": "data/dev-worker-1",
        "title": "remove the data of dev-worker-1",
        "reason": "asked for by name",
        "needs": [],
        "seconds": 0.2,
        "loses": "all data of dev-worker-1",
        "commands": [],
    }
    assert rows[2]["needs"] == ["release/kubernetes"]
    assert rows[2]["commands"] == ["podman run --detach --name dev-control"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0004, "0 ms"),
        (0.25, "250 ms"),
        (1, "1 s"),
        (12.4, "12 s"),
        (119, "119 s"),
        (120, "2 min 0 s"),
        (290, "4 min 50 s"),
        (3725, "62 min 5 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(179.7, "3 min 0 s"), (0.9996, "1 s"), (119.6, "2 min 0 s")]
)
def test_durations_just_below_a_border(seconds: float, text: str) -> None:
    assert duration(seconds) == text


SECRET = st.text(st.characters(exclude_characters=HIDDEN, codec="utf-8"), min_size=4, max_size=8)


@given(st.lists(SECRET, min_size=1, max_size=4), st.data())
def test_no_secret_is_ever_printed(secrets: list[str], data: st.DataObject) -> None:
    parts = data.draw(
        st.lists(st.one_of(st.sampled_from(secrets), st.text(max_size=4)), max_size=8)
    )
    shown = report(*secrets).redacted("".join(parts))
    assert not any(secret in shown for secret in secrets)


def test_everything_else_stays() -> None:
    one = report("hunter2", "hunter2-long")
    one.say("user=api password=hunter2-long, root=hunter2")
    assert said(one) == f"user=api password={HIDDEN}, root={HIDDEN}\n"


def test_an_empty_or_tiny_secret_does_not_eat_the_text() -> None:
    one = report("", "a", "api")
    one.say("the api answers")
    assert said(one) == "the api answers\n"


def test_data_for_programs_is_redacted_too() -> None:
    one = report("hunter2-secret")
    one.data({"why": ["`mysql -phunter2-secret` failed"]})
    assert json.loads(said(one)) == {"why": [f"`mysql -p{HIDDEN}` failed"]}


def test_a_secret_with_a_quote_is_hidden_in_data_too() -> None:
    one = report('correct"horse"battery')
    one.data({"why": 'correct"horse"battery'})
    assert json.loads(said(one)) == {"why": HIDDEN}


def test_ours_as_json() -> None:
    assert plain(
        {"path": Path("/a"), 1: {3, 2}, "step": step("a").needs, "none": None, "yes": True}
    ) == {"path": "/a", "1": [2, 3], "step": [], "none": None, "yes": True}


def test_a_table_lines_up() -> None:
    one = report()
    one.table(("node", "state"), [("dev-control", "running"), ("dev-worker-1", "missing")])
    assert said(one) == "node          state\ndev-control   running\ndev-worker-1  missing\n"


def test_progress_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    one, a = report("hunter2"), step("a", title="make the node a")
    progress = LineProgress(one)
    progress.started(a)
    for now[0], text in (
        (105.0, "too soon"),
        (116.0, "copying hunter2"),
        (120.0, "again too soon"),
    ):
        progress.line(a, text)
    progress.ended(a, Done(a.id, "changed", 20.0))
    progress.ended(a, Done(a.id, "already", 0.0, "v1.26.1 is there"))
    progress.ended(a, Done(a.id, "failed", 2.0))
    assert [line[9:] for line in said(one).splitlines()] == [
        "start  make the node a",
        f"       make the node a: copying {HIDDEN}",
        "done   make the node a (20 s)",
        "same   make the node a (v1.26.1 is there)",
        "FAILED make the node a (2 s)",
    ]
    assert said(one).splitlines()[1].startswith("   16.0s ")


def test_who_asked_for_all_of_it_gets_every_line() -> None:
    out = io.StringIO()
    progress = WholeProgress(Report(out, secrets=["hunter22"]))
    progress.started(step("play"))
    progress.line(step("play"), "first")
    progress.line(step("play"), "password=hunter22")
    assert out.getvalue().splitlines()[1:] == ["first", f"password={HIDDEN}"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_long_line_leaves_room_for_its_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    out, a = Terminal(), step("a", title="make the node a")
    with progress(Report(out, ["hunter22"])) as shown:
        shown.started(a)
        shown.line(a, "copying [red]hunter22 " + "x" * 300)
        end = time.monotonic() + 10
        while "copying" not in out.getvalue() and time.monotonic() < end:
            time.sleep(0.05)
        running = out.getvalue().splitlines()[-1]
        shown.ended(a, Done(a.id, "changed", 20.0))
        shown.ended(a, Done(a.id, "already", 0.0, "v1.26.1 is there"))
    assert "make the node a" in running and f"copying [red]{HIDDEN} xxx" in running
    assert "hunter22" not in out.getvalue()
    ends = [row for row in out.getvalue().splitlines() if "✔" in row or " = " in row]
    assert "20 s" in ends[0] and "v1.26.1 is there" in ends[1]


CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"
ATTACKS = {
    CLIPBOARD: "^[]52;c;cm0gLXJmIH4=^G",
    "\x1b]0;title\x1b\\": "^[]0;title^[\\",
    "\x1b[2J\x1b[1;1H": "^[[2J^[[1;1H",
    "safe\rrm": "safe^Mrm",
    "rm\b\bls": "rm^H^Hls",
    "\x7f\x00\x0b\x0c": "^?^@^K^L",
    "\x9b31m\x9d52;c;x\x9c": "<U+009B>31m<U+009D>52;c;x<U+009C>",
    "user\u202ecod.exe\u2066\u200f\u061c": "user<U+202E>cod.exe<U+2066><U+200F><U+061C>",
    "\udcff": "<U+DCFF>",
}


@pytest.mark.parametrize("text", ATTACKS)
def test_what_would_command_a_terminal_is_made_visible(text: str) -> None:
    one = report()
    one.say(f"pod {text} is ready")
    assert said(one) == f"pod {ATTACKS[text]} is ready\n"


@pytest.mark.parametrize("text", ["a\tb\nc", "ñandú – ✔ 日本", "\u200dmade of two"])
def test_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_line_ends_of_windows_are_line_ends() -> None:
    assert visible("a\r\nb") == "a\nb"


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "L"])))
def test_a_terminal_gets_no_control_but_line_ends(text: str) -> None:
    shown = visible(text)
    controls = {letter for letter in shown if unicodedata.category(letter) in ("Cc", "Cs")}
    assert controls <= {"\n", "\t"}
    assert not [one for one in shown if unicodedata.bidirectional(one) in BIDI]


BIDI = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")


def test_a_secret_is_hidden_before_it_is_made_visible() -> None:
    one = report("hunt\x1ber22")
    one.say("it is hunt\x1ber22")
    assert said(one) == f"it is {HIDDEN}\n"


@pytest.mark.parametrize("text", ATTACKS)
def test_programs_get_it_as_it_was_and_terminals_do_not(text: str) -> None:
    one = report()
    one.data({"name": text})
    assert json.loads(said(one)) == {"name": text}
    assert visible(said(one)) == said(one)


@pytest.mark.parametrize("where", ["title", "line", "why", "note"])
def test_a_terminals_progress_shows_it_too(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    text = {name: f"{name}{CLIPBOARD if name == where else ''}[red]x" for name in TOLD}
    out, a = Terminal(), step("a", title=text["title"])
    with progress(Report(out)) as shown:
        shown.started(a)
        shown.line(a, text["line"])
        end = time.monotonic() + 10
        while text["line"][:4] not in out.getvalue() and time.monotonic() < end:
            time.sleep(0.05)
        shown.ended(a, Done(a.id, "already", 0.0, text["why"]))
        shown.note(text["note"])
    assert CLIPBOARD not in out.getvalue()
    assert f"{where}^[]52;c;cm0gLXJmIH4=^G[red]x" in out.getvalue()
    assert "\x1b[2m" in out.getvalue(), "colours of our own"


TOLD = ("title", "line", "why", "note")


def test_what_can_not_be_written_is_one_error() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    error = error_of(Report(Full()).say, "x")
    assert isinstance(error, Unwritable) and error.why == "No space left on device"
