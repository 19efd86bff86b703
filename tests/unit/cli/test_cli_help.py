"""`inv TASK --help` is answered for each task, also where the task takes words of its own."""

from __future__ import annotations

import pytest
from invoke import Context
from invoke.main import program

from kubeup.cli.base import HELP_FLAGS, kubeup_task
from kubeup.core.options import Options
from tasks import namespace

NAMES = sorted(namespace.task_names)
WITH_WORDS = [name for name in NAMES if namespace[name].positional]


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        program.run(["inv", *words])
    out, err = capsys.readouterr()
    assert not end.value.code and not err, (words, err)
    return out


def test_every_task_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(NAMES) > 50 and "db.move" in WITH_WORDS
    for name in NAMES:
        first = (namespace[name].__doc__ or "").splitlines()[0]
        text = shown(capsys, name, "--help")
        assert first[:60] in text and f" {name} " in text.splitlines()[0], name


@pytest.mark.parametrize("name", NAMES)
def test_the_list_has_a_whole_sentence_for_each_task(name: str) -> None:
    """invoke shows the first line alone."""
    first, *more = (namespace[name].__doc__ or "").strip().splitlines()
    assert first.endswith(".") and not any(more[:1]), first


@pytest.mark.parametrize("flag", HELP_FLAGS)
@pytest.mark.parametrize("name", WITH_WORDS)
def test_help_is_no_word_of_the_tasks_own(
    name: str,
    flag: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, name, "--set", "a=b", flag) == shown(capsys, "--help", name)


def test_another_word_is() -> None:
    taken = []

    @kubeup_task(positional=["word"])
    def say(given: Options, word: str) -> None:
        taken.append(word)

    say(Context(), word="helpful")
    assert taken == ["helpful"]
