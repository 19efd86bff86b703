"""KUBEUP_… variables and --set key=value, as trees to lay over the file's."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import replace
from functools import reduce

from kubeup.settings.nearest import nearest
from kubeup.settings.problem import Origin, Problem, error
from kubeup.settings.shape import Shape, dotted, keys_shape
from kubeup.settings.tree import Entry, Mapping, Node, Scalar, compose, overlay

PREFIX = "KUBEUP_"
PROFILE_VARIABLE = "KUBEUP_ENV"
# Theirs are secrets and test runs, which have no place among settings.
OTHERS = ("KUBEUP_REGISTRY_USER", "KUBEUP_REGISTRY_PASSWORD")
TESTS = "KUBEUP_TEST_"
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
_KEY = re.compile(r"[\w.-]*")

Override = Mapping | Problem


def overrides(
    environ: Map[str, str], sets: Sequence[str], ignored: Collection[str]
) -> tuple[Mapping, list[Problem]]:
    """The variables, then --set over them."""
    others = {PROFILE_VARIABLE, *OTHERS, *ignored}
    names = sorted(name for name in environ if _is_ours(name) and name not in others)
    found = [_variable(name, environ[name]) for name in names] + [_set(text) for text in sets]
    return _merged(part for part in found if isinstance(part, Mapping)), [
        part for part in found if isinstance(part, Problem)
    ]


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and not name.startswith(TESTS)


def _merged(parts: Iterable[Mapping]) -> Mapping:
    return reduce(overlay, parts, Mapping({}, Origin("default")))


def variable(key: str) -> str:
    """`nodes.workers.count` -> `KUBEUP_NODES__WORKERS__COUNT`."""
    return PREFIX + key.upper().replace(".", "__")


def _variable(name: str, text: str) -> Override:
    key = name.removeprefix(PREFIX).lower().replace("__", ".")
    return _override(key, text, Origin("environment", name), variable)


def _set(text: str) -> Override:
    # Of a text without "=", no more is shown than may be a key: the rest may be a password.
    key, equals, value = text.partition("=")
    name = _KEY.match(key.strip())[0][:80]  # type: ignore[index]  # the pattern matches the empty text too
    origin = Origin("set", name)
    if not equals:
        return error(
            origin,
            name,
            "no =",
            allowed="--set key=value",
            hint="such as --set nodes.workers.count=3",
        )
    return _override(key.strip(), value, origin, str)


def _override(key: str, text: str, origin: Origin, spell: Callable[[str], str]) -> Override:
    path = _path(key)
    if path is None:
        return _unknown(key, origin, spell)
    names, shape = path
    value = _value(text, shape, origin)
    if isinstance(value, Problem):
        return replace(value, key=".".join(names))
    return reduce(
        lambda node, name: Mapping({name: Entry(origin, node)}, origin), reversed(names), value
    )  # type: ignore[return-value]


def _path(key: str) -> tuple[list[str], Shape] | None:
    shape, names = keys_shape(), []
    for part in key.split("."):
        child = shape.child(part) if shape.kind == "section" else None
        if child is None:
            return None
        names.append(shape.also.get(part, part))
        shape = child
    return names, shape


def _unknown(key: str, origin: Origin, spell: Callable[[str], str]) -> Problem:
    close = nearest(key, (known for known, _ in dotted(keys_shape())))
    hint = (
        f"did you mean {spell(close)}?"
        if close
        else "see config/settings.yaml for the keys there are"
    )
    return error(origin, "", "no such key", hint=hint)


def _value(text: str, shape: Shape, origin: Origin) -> Node | Problem:
    if shape.kind == "text" and (shape.secret or not _QUOTED.fullmatch(text)):
        return Scalar(text, "null" if text in ("~", "null") and shape.optional else "str", origin)
    node, problems = compose(text, origin)
    if problems:
        return problems[0]
    return node or error(origin, "", "no value", allowed=shape.allowed)
