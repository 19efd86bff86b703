"""KUBEUP_… variables and --set key=value, as trees to lay over the file's."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Map
from dataclasses import replace

from kubeup.settings.model import Keys
from kubeup.settings.nearest import nearest
from kubeup.settings.problem import DEFAULT, Origin, Problems
from kubeup.settings.shape import Shape, dotted, shape_of
from kubeup.settings.tree import SPELLINGS, Node, compose, nested, overlay

PREFIX = "KUBEUP_"
PROFILE_VARIABLE = "KUBEUP_ENV"
# Theirs are secrets and test runs, which have no place among settings.
OTHERS = ("KUBEUP_REGISTRY_USER", "KUBEUP_REGISTRY_PASSWORD")
TESTS = "KUBEUP_TEST_"
# Quotes that reached us through a shell were meant for YAML: --set database.version='"8.0"'.
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
_KEY = re.compile(r"[\w.-]*")


def overrides(
    environ: Map[str, str], sets: Sequence[str], ignored: Collection[str], problems: Problems
) -> Node:
    """The variables, then --set over them."""
    tree = Node("map", DEFAULT)
    for name in sorted(environ.keys() - {PROFILE_VARIABLE, *OTHERS, *ignored}):
        if name.startswith(PREFIX) and not name.startswith(TESTS):
            key = name.removeprefix(PREFIX).lower().replace("__", ".")
            at = Origin("environment", name)
            tree = overlay(tree, _override(key, environ[name], at, problems))
    for text in sets:
        # Of a text without "=", no more is shown than may be a key: the rest may be a password.
        key, equals, value = text.partition("=")
        at = Origin("set", _KEY.match(key.strip())[0][:80])  # type: ignore[index]  # it matches all
        if equals:
            tree = overlay(tree, _override(key.strip(), value, at, problems))
        else:
            hint = "such as --set nodes.workers.count=3"
            problems.error(at, at.name, "no =", allowed="--set key=value", hint=hint)
    return tree


def _override(key: str, text: str, origin: Origin, problems: Problems) -> Node:
    """A tree with one value, without any where there is no such key or value."""
    # Sections only: an item of a list has no name by which it could be laid over the file's.
    names, shape = list[str](), shape_of(Keys)
    for part in key.split("."):
        names.append(SPELLINGS.get(".".join((*names, part)), part))
        if names[-1] not in shape.fields:
            problems.error(origin, "", "no such key", hint=_proposal(key, origin))
            return Node("map", origin)
        shape = shape.fields[names[-1]]
    key, found = ".".join(names), Problems()
    value = _value(text, shape, origin, found)
    problems += [replace(problem, key=key) for problem in found[:1]]
    if value is None and not found:
        problems.error(origin, key, "no value", allowed=shape.allowed)
    return Node("map", origin) if value is None or found else nested(names, value)


def variable(key: str) -> str:
    """`nodes.workers.count` -> `KUBEUP_NODES__WORKERS__COUNT`."""
    return PREFIX + key.upper().replace(".", "__")


def _proposal(key: str, origin: Origin) -> str:
    """The key that was probably meant, as it is written there."""
    close = nearest(key, (known for known, _ in dotted(shape_of(Keys))))
    if close is None:
        return "`inv config.show` lists every key"
    return f"did you mean {variable(close) if origin.kind == 'environment' else close}?"


def _value(text: str, shape: Shape, origin: Origin, problems: Problems) -> Node | None:
    if shape.kind == "text" and (shape.secret or not _QUOTED.fullmatch(text)):
        return Node("null" if text in ("~", "null") and shape.optional else "str", origin, text)
    return compose(text, origin, problems)
