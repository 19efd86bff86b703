"""What YAML 1.1 makes of plain words and numbers is refused by name, not followed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeup.settings import Loaded, Problem


@pytest.mark.parametrize(
    ("keys", "found", "hint"),
    [
        ("database: {version: 8.4}", "8.4, which YAML reads as the number 8.4", '"8.4"'),
        ("software: {calico: 1.20}", "1.20, which YAML reads as the number 1.2", '"1.20"'),
        ("environment: yes", "yes, which YAML reads as the switch true", '"yes"'),
        ("environment: no", "no, which YAML reads as the switch false", '"no"'),
        ("environment: On", "On, which YAML reads as the switch true", '"On"'),
        ("provider: off", "off, which YAML reads as the switch false", '"off"'),
        ("environment: 12:30", "12:30, which YAML reads as the number 750 (base 60)", '"12:30"'),
        ("environment: 010", "010, which YAML reads as the number 8 (base 8)", '"010"'),
        ("environment: 0x1F", "0x1F, which YAML reads as the number 31 (base 16)", '"0x1F"'),
        ("environment: 1_000", "1_000, which YAML reads as the number 1000", '"1_000"'),
        ("environment: 2024-01-01", "2024-01-01, which YAML reads as a date", '"2024-01-01"'),
        ("environment: 2024-99-99", "2024-99-99, which YAML reads as a date", '"2024-99-99"'),
    ],
)
def test_where_text_is_wanted(
    one_problem: Callable[..., Problem], keys: str, found: str, hint: str
) -> None:
    problem = one_problem(keys)
    assert (problem.severity, problem.line, problem.found) == ("error", 5, found)
    assert problem.hint == f"put it in quotes: {hint}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0o17", "0o17"),
        ("031000", "031000, which YAML reads as the number 12800 (base 8)"),
        ("8:36:40", "8:36:40, which YAML reads as the number 31000 (base 60)"),
        ("31_000", "31_000, which YAML reads as the number 31000"),
        ("31000.0", "31000.0, which YAML reads as the number 31000.0"),
        ("yes", "yes, which YAML reads as the switch true"),
        ("'31000'", "31000"),
        ("9" * 5000, "9" * 57 + "..., which YAML reads as the number"),
    ],
)
def test_where_a_number_is_wanted(
    one_problem: Callable[..., Problem], text: str, found: str
) -> None:
    problem = one_problem(f"ports: {{api: {text}}}")
    assert (problem.severity, problem.key, problem.found) == ("error", "ports.api", found)


@pytest.mark.parametrize(
    ("text", "hint"), [("'31000'", "without quotes"), ("031000", "without leading zeros")]
)
def test_a_number_says_how_to_write_it(
    one_problem: Callable[..., Problem], text: str, hint: str
) -> None:
    assert hint in one_problem(f"ports: {{api: {text}}}").hint


@pytest.mark.parametrize("text", ["1", "'true'", "sometimes"])
def test_where_a_switch_is_wanted(one_problem: Callable[..., Problem], text: str) -> None:
    problem = one_problem(f"prod_test: {text}")
    assert (problem.key, problem.allowed) == ("prod_test", "true or false")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("yes", True), ("off", False)])
def test_a_switch(load_profile: Callable[..., Loaded], text: str, value: bool) -> None:
    assert load_profile(f"prod_test: {text}").require().prod_test is value


def test_the_key_named_on_is_a_name(load_profile: Callable[..., Loaded]) -> None:
    assert load_profile("database:\n  on: cluster").require().database.on == "cluster"


def test_quotes_make_it_text(load_profile: Callable[..., Loaded]) -> None:
    assert load_profile("environment: 'yes'").require().environment == "yes"


def test_a_key_without_value_has_its_default_and_says_so(
    load_profile: Callable[..., Loaded],
) -> None:
    loaded = load_profile("ports:\n  api:\nnetwork:\n")
    assert loaded.require().ports.api == 31000
    assert [(p.severity, p.line, p.key, p.found) for p in loaded.problems] == [
        ("warning", 6, "ports.api", "no value")
    ]
