from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import error_of

from kubeup.application import serving, why
from kubeup.core.errors import CommandError
from kubeup.core.shell import Output
from kubeup.facts.pods import Seen
from kubeup.system.kubectl import Kubectl

KUBECTL = Kubectl(Path("kubectl"), Path("config"), "kubeup-dev")
YES = Output(0, '{"status":"ok"}', "")
NO = Output(
    1,
    "",
    "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The API answers as told, the last answer again and again; a question takes no time, and
    between two is half a second.
    """
    clock, questions = [0.0], list[str]()

    def pause(seconds: float) -> None:
        clock[0] += seconds

    def answers(*told: Output) -> list[str]:
        rest = itertools.chain(told, itertools.repeat(told[-1]))

        def read(self: Kubectl, *words: str, ok: object = (0,), timeout: float = 60) -> Output:
            if "--raw" not in words:  # why it says so
                raise CommandError("kubectl failed", "nobody answers")
            questions.append(words[-1])
            return next(rest)

        monkeypatch.setattr(Kubectl, "read", read)
        return questions

    monkeypatch.setattr(serving.time, "monotonic", lambda: 100.0 + clock[0])
    monkeypatch.setattr(serving.time, "sleep", pause)
    return answers


def test_one_yes_is_enough(asked: Callable[..., list[str]]) -> None:
    questions = asked(YES)
    serving.until_serving(KUBECTL)
    assert questions == [
        f"/api/v1/namespaces/default/services/{part}:http/proxy/readyz" for part in ("api", "ui")
    ]


def test_after_a_no_it_has_to_stay_a_yes(asked: Callable[..., list[str]]) -> None:
    questions = asked(NO, YES, YES, YES, NO, YES)
    serving.until_serving(KUBECTL)
    assert len(questions) == 5 + 2 + 20  # five seconds of yes from the last no, the UI's, on


def test_where_it_is_doubted_one_yes_is_not_enough(asked: Callable[..., list[str]]) -> None:
    questions = asked(YES, YES, YES, YES, NO, YES)
    serving.until_serving(KUBECTL, doubted=True)
    assert len(questions) == 5 + 2 + 20


def test_a_ui_that_does_not_get_through(asked: Callable[..., list[str]]) -> None:
    asked(*[YES, NO] * 30)
    error = error_of(serving.until_serving, KUBECTL, 10.0)
    assert (
        error.what == "the UI does not reach the API after 10 s" and "deploy.logs ui" in error.next
    )


def test_a_database_that_stays_away(asked: Callable[..., list[str]]) -> None:
    questions = asked(NO)
    error = error_of(serving.until_serving, KUBECTL, 10.0)
    assert (
        error.what == "the API does not reach the database after 10 s"
        and "ServiceUnavailable" in error.why
        and "deploy.logs api" in error.next
    )
    assert len(questions) == 22


def test_what_the_api_says_of_its_database_is_the_cause(
    asked: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server hands on the status alone."""
    asked(NO)
    said = "the database does not answer (error 2003)"
    monkeypatch.setattr(why, "look", lambda _, app: Seen((), {f"{app}-x": said}))
    error = error_of(serving.until_serving, KUBECTL, 10.0)
    assert error.what.startswith("the API does not reach") and error.why == said
