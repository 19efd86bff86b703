"""Each task has an example, and the command line takes it."""

from __future__ import annotations

import re
import shlex

import pytest
from invoke.parser import Parser

from tasks import namespace

CALL = re.compile(r"\binv ((?:(?!    |&&)[^)<>])+)")
NAMES = sorted(namespace.task_names)


def examples(name: str) -> list[str]:
    """The command lines of a task's `Example:`, without `inv` and what a shell would do around
    it.
    """
    text = (namespace[name].__doc__ or "").split("Example: ", 1)[-1].strip()
    return [found.strip() for found in CALL.findall(text)]


@pytest.mark.parametrize("name", NAMES)
def test_its_example_is_understood(name: str) -> None:
    lines = examples(name)
    assert lines, f"{name} has no example"
    for line in lines:
        parsed = Parser(contexts=namespace.to_contexts()).parse_argv(shlex.split(line))
        assert parsed[0].name, line
    assert any(line.split()[0] == name for line in lines), (
        f"the example of {name} shows another task"
    )


def test_a_word_that_no_task_takes_is_not() -> None:
    with pytest.raises(Exception, match="No idea"):
        Parser(contexts=namespace.to_contexts()).parse_argv(["status", "everything"])


@pytest.mark.parametrize(
    ("words", "level"), [([], 0), (["-v"], 1), (["-vvv"], 3), (["-v", "--check", "-v"], 2)]
)
def test_a_play_is_made_verbose_as_ansible_is(words: list[str], level: int) -> None:
    parsed = Parser(contexts=namespace.to_contexts()).parse_argv(["cluster.provision", *words])[0]
    assert parsed.as_kwargs["verbose"] == level
