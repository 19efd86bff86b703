"""Pydantic's verdict, in this project's words and with places."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from kubeup.settings.kinds import REFUSED, Constraint
from kubeup.settings.model import Settings
from kubeup.settings.problem import Problem, error
from kubeup.settings.reader import Reading
from kubeup.settings.scalars import shown
from kubeup.settings.shape import Shape, keys_shape

_COUNTS = {"too_short", "too_long"}


def validate(profile: str, reading: Reading) -> tuple[Settings, list[Problem]]:
    """Settings in which a refused value has given way to its default, and one problem for each
    of those.
    """
    try:
        return _settings(profile, reading), []
    except ValidationError as failure:
        refused = [
            _problem(detail, reading)
            for detail in failure.errors(include_url=False, include_input=False)
        ]
    for complaint in refused:
        reading.drop(_whole_value(complaint.key))
    return _settings(profile, reading), [
        complaint for complaint in refused if not _is_echo(complaint, refused, reading)
    ]


def _is_echo(complaint: Problem, refused: list[Problem], reading: Reading) -> bool:
    """Said already: by the reader, or by an item (pydantic calls a list too short when its items
    are bad).
    """
    key = complaint.key
    said = {problem.key for problem in reading.problems}
    return key in said or any(
        other.startswith(f"{key}.") for other in {*said, *(found.key for found in refused)}
    )


def _settings(profile: str, reading: Reading) -> Settings:
    settings = Settings.model_validate({**reading.data, "profile": profile})
    settings._origins.update(reading.origins)
    return settings


def _whole_value(key: str) -> str:
    """An item can't be replaced by a default; its list or mapping can."""
    shape, names = keys_shape(), list[str]()
    for name in key.split("."):
        if shape.item is not None:
            break
        names.append(name)
        shape = shape.child(name) or shape
    return ".".join(names)


def _problem(detail: Any, reading: Reading) -> Problem:
    shape = _shape_at(detail["loc"])
    key = ".".join(str(part) for part in detail["loc"])
    says = detail["ctx"]["says"] if detail["type"] == REFUSED else _says(shape)
    found = _found(detail["type"], key, shape, reading)
    return error(
        reading.near(key),
        key,
        found,
        allowed=says.allowed,
        why=says.why,
        hint=says.hint,
        trap=says.trap,
    )


def _says(shape: Shape) -> Constraint:
    return Constraint(shape.allowed, shape.says.why, shape.says.hint, shape.says.trap)


def _shape_at(loc: tuple[str | int, ...]) -> Shape:
    shape = keys_shape()
    for part in loc:
        shape = shape.child(part) or shape
    return shape


def _found(kind: str, key: str, shape: Shape, reading: Reading) -> str:
    if kind == "missing":
        return "missing"
    if kind in _COUNTS:
        return f"{sum(1 for known in reading.texts if known.rpartition('.')[0] == key)} values"
    return shown(reading.texts.get(key, ""), shape)
