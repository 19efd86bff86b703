"""Names that are none: the nearest one is proposed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeup.settings import Loaded, Problem
from kubeup.settings.model import Keys
from kubeup.settings.nearest import nearest
from kubeup.settings.overrides import variable
from kubeup.settings.shape import Shape, dotted, shape_of

KEYS = dict(dotted(shape_of(Keys)))
PLAIN = sorted(KEYS)


def sections(shape: Shape, path: tuple[str, ...] = ()) -> list[tuple[str, list[str]]]:
    found = [(".".join(path), list(shape.fields))]
    for name, child in shape.fields.items():
        if child.kind == "section":
            found += sections(child, (*path, name))
    return found


def typos(name: str) -> set[str]:
    """A letter left out, two letters swapped, a letter doubled: in the middle of the name."""
    middle = len(name) // 2
    swapped = name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :]
    return {
        name[:middle] + name[middle + 1 :],
        swapped,
        name[:middle] + name[middle] + name[middle:],
    } - {name}


@pytest.mark.parametrize(("section", "names"), sections(shape_of(Keys)))
def test_the_typo_of_every_key_gives_the_key(
    load_profile: Callable[..., Loaded], section: str, names: list[str]
) -> None:
    for name in names:
        for typo in typos(name) - set(names) - {key.rpartition(".")[2] for key in KEYS}:
            text = _nested([*section.split("."), typo] if section else [typo])
            (problem,) = load_profile(text).errors
            assert problem.key == f"{section}.{typo}".lstrip(".")
            assert problem.hint == f"did you mean {name}?"
            assert problem.allowed == ", ".join(names)


def _nested(names: list[str]) -> str:
    text = "1"
    for name in reversed(names):
        text = f"{{{name}: {text}}}"
    return text


@pytest.mark.parametrize("key", PLAIN)
def test_the_typo_of_every_variable_gives_the_variable(
    load_profile: Callable[..., Loaded], key: str
) -> None:
    typo = variable(key) + variable(key)[-1]
    (problem,) = load_profile("{}", environ={typo: "1"}).errors
    assert (problem.file, problem.found) == (typo, "no such key")
    assert problem.hint == f"did you mean {variable(key)}?"


def test_a_key_in_the_wrong_section_is_sent_home(one_problem: Callable[..., Problem]) -> None:
    assert one_problem("control_ip: 192.168.60.10").hint == "it belongs under network"
    assert (
        one_problem("network: {provider: local}").hint == "it belongs under the profile or vagrant"
    )


def test_nothing_near_proposes_nothing(one_problem: Callable[..., Problem]) -> None:
    assert one_problem("qqqqqqqq: 1").hint == ""
    assert nearest("x" * 10_000, PLAIN) is None


def test_profile_is_not_a_key(one_problem: Callable[..., Problem]) -> None:
    assert one_problem("profile: other").found == "no such key"
