"""Whatever a task is given as an argument is one: it is a word of a command, and no option of it.

The arguments are those that the tasks declare: a new one is tried without a word here.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from builders import DESKTOP, settings, state
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from interpreters import CANARY, HOSTILE
from invoke import Context, Exit

from kubeup.cluster.provision import play
from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.report import Report
from kubeup.core.shell.processes import Command
from kubeup.system import ssh
from kubeup.workflows.project import Project
from tasks import namespace

COMMON = ("profile", "set")  # read as settings are
RUN_THERE = ("ssh.run", "ssh.control", "ssh.worker")  # what is given is the node's shell's
WRITTEN_HERE = ("config.init",)  # a file, by Python alone
TEXTS = [
    (name, argument.name)
    for name in sorted(namespace.task_names)
    for argument in namespace[name].get_arguments()
    if argument.kind is str and argument.name not in COMMON
    if inspect.unwrap(namespace[name].body).__module__.startswith("kubeup.")
    if name not in WRITTEN_HERE
]
PROVIDERS = ("local", "vagrant", "minikube")


class Started:
    """The command lines that would have been started: none is."""

    def __init__(self) -> None:
        self.argvs: list[list[str]] = []

    def launch(self, command: Command) -> NoReturn:
        self.start(*command.argv)

    def start(self, *argv: str, **_: object) -> NoReturn:
        self.argvs.append(list(argv))
        raise CommandError("not started", "this is a test", "")

    def connect(self, node: object, *words: str, **_: object) -> NoReturn:
        self.start("ssh", shlex.join(words))

    def words(self) -> Iterator[tuple[list[str], str]]:
        for argv in self.argvs:
            yield from ((argv, word) for word in argv)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    found = Started()
    monkeypatch.setattr(Command, "_launch", lambda command: found.launch(command))
    monkeypatch.setattr(shell, "become", found.start)
    monkeypatch.setattr(ssh, "run", found.connect)
    monkeypatch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.chdir(tmp_path)
    return found


def call(monkeypatch: pytest.MonkeyPatch, opened: Project, task: str, **given: str) -> None:
    """A task on that project, in whatever way it ends."""
    pair = (opened, Report(io.StringIO()))

    @contextlib.contextmanager
    def changing(*_: object, **__: object) -> Iterator[Any]:
        yield pair

    for module in {inspect.unwrap(namespace[name].body).__module__ for name, _ in TEXTS}:
        for name, value in (("open_project", lambda *_, **__: pair), ("change_project", changing)):
            monkeypatch.setattr(f"{module}.{name}", value, raising=False)
    monkeypatch.setattr("kubeup.cli.base.change_project", changing)
    with contextlib.suppress(Exit, KubeupError):
        # what else a task can't do without
        needed = dict.fromkeys(namespace[task].positional, "1")
        namespace[task].body(Context(), **{**needed, **given})


@pytest.mark.parametrize(("task", "argument"), TEXTS)
@profile(derandomize=True, max_examples=3, database=None, suppress_health_check=list(HealthCheck))
@given(value=HOSTILE)
def test_it_is_a_word(
    task: str, argument: str, value: str, started: Started, tmp_path: Path
) -> None:
    for provider in PROVIDERS:
        started.argvs.clear()
        opened = Project(settings(tmp_path, f"provider: {provider}"), state(tmp_path), DESKTOP)
        with pytest.MonkeyPatch.context() as patched:
            call(patched, opened, task, **{argument: value})
        for argv, word in started.words():
            require_value(argv, word, value, task)
    assert not list(tmp_path.rglob(CANARY))


def require_value(argv: list[str], word: str, value: str, task: str) -> None:
    if value not in word or len(value) < 2:
        return
    alone = word == value and not value.startswith("-")
    of_an_option = word.startswith("-") and word.endswith(f"={value}")
    quoted = task in RUN_THERE or value in shlex.split(word)
    behind_dashes = "--" in argv[: argv.index(word)]
    path = word.startswith("/") and word.endswith(value)
    assert alone or of_an_option or quoted or behind_dashes or path, argv


@pytest.mark.parametrize("value", ["-e @/etc/passwd", "--extra-vars=a=b"])
def test_a_limit_is_no_option_of_ansible(value: str, tmp_path: Path) -> None:
    argv = play.Provision(state(tmp_path), "", limit=value, tags=value).argv()
    assert [word for word in argv if value in word] == [f"--limit={value}", f"--tags={value}"]


@pytest.mark.parametrize(
    ("task", "given", "says"),
    [
        ("cluster.addons", {"enable": "--images=a"}, "'--images=a' is no name"),
        ("cluster.addons", {"disable": "-p"}, "'-p' is no name"),
        ("cluster.snapshot", {"save": "-f"}, "'-f' is no name"),
        ("cluster.snapshot", {"restore": "a</name>"}, "'a</name>' is no name"),
        ("ssh.worker", {"number": "²"}, "² is not a worker's number"),
        ("ssh.control", {"command": "echo 'a"}, "the command is not one line of a shell"),
    ],
)
def test_what_would_be_more_is_refused(
    task: str,
    given: dict[str, str],
    says: str,
    started: Started,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    provider = "minikube" if task == "cluster.addons" else "vagrant"
    opened = Project(settings(tmp_path, f"provider: {provider}"), state(tmp_path), DESKTOP)
    with pytest.MonkeyPatch.context() as patched:
        call(patched, opened, task, **given)
    assert says in capsys.readouterr().err
