"""NetworkPolicies: who comes through to the database and the API."""

from __future__ import annotations

import pytest

from kubeup.core.report import Report
from kubeup.inspect.verify import proof
from kubeup.inspect.verify.checks import policies
from kubeup.inspect.verify.model import Line

DATABASE = {
    "metadata": {"name": "mysql-0", "labels": {"app": "db"}},
    "spec": {"containers": [{"ports": [{"containerPort": 3306}]}]},
    "status": {"podIP": "10.244.1.5"},
}
UI = {
    "metadata": {"name": "ui-1", "labels": {"app": "ui"}},
    "spec": {"containers": [{"ports": [{"containerPort": 80}]}]},
    "status": {"podIP": "10.244.1.6"},
}
STARTING = {**DATABASE, "status": {}}
TARGETS = {"mysql-0:3306": ("10.244.1.5", 3306)}


def test_the_ports_of_database_and_api_are_tried_and_no_others() -> None:
    assert policies.closed([DATABASE, UI]) == TARGETS
    assert policies.closed([STARTING, UI]) == {}


def test_a_pod_that_comes_through_is_named_with_its_node() -> None:
    answers = {
        "control": {"reach": {"mysql-0:3306": False}},
        "w1": {"reach": {"mysql-0:3306": True}},
    }
    verdict = policies.evaluate(TARGETS, answers)
    assert not verdict.ok and verdict.cause == "a stranger's pod on w1 reaches mysql-0:3306"
    assert "inv up" in verdict.next


def test_nobody_comes_through() -> None:
    verdict = policies.evaluate(TARGETS, {"control": {"reach": {"mysql-0:3306": False}}})
    assert verdict.ok and verdict.detail == "no other pod reaches mysql-0:3306"


def test_a_node_that_could_not_be_asked_proves_nothing() -> None:
    verdict = policies.evaluate(TARGETS, {"w1": {"error": "exec failed"}})
    assert not verdict.ok and "exec failed" in verdict.cause


@pytest.mark.parametrize(
    ("ok", "cause", "mark"),
    [
        (True, "", "✔"),
        (True, "nobody enforces it", "!"),
        (False, "it is gone", "✘"),
    ],
)
def test_a_warning_is_seen_as_one(
    ok: bool, cause: str, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    proof._print(Line("network policies", "", ok, 0.1, "detail", cause, "do that"), Report())
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f" {mark} network policies")
    assert said[1:] == ([f"     cause: {cause}", "     next:  do that"] if cause else [])
