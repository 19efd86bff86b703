"""KUBEUP_… variables and --set key=value, as trees to lay over the file's."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from functools import partial

from kubeup.settings.model import Keys
from kubeup.settings.nearest import nearest
from kubeup.settings.problem import DEFAULT, Origin, Problem, error
from kubeup.settings.shape import Shape, dotted, shape_of
from kubeup.settings.tree import SPELLINGS, Node, compose, nested, overlay

PREFIX = "KUBEUP_"
PROFILE_VARIABLE = "KUBEUP_ENV"
# Theirs are secrets and test runs, which have no place among settings.
OTHERS = ("KUBEUP_REGISTRY_USER", "KUBEUP_REGISTRY_PASSWORD")
TESTS = "KUBEUP_TEST_"
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
_KEY = re.compile(r"[\w.-]*")


@dataclass(slots=True)
class Overrides:
    """What variables and options say, one laid over the other, and what is wrong with them."""

    tree: Node = field(default_factory=partial(Node, "map", DEFAULT))
    problems: list[Problem] = field(default_factory=list)

    def add(self, key: str, text: str, origin: Origin, spell: Callable[[str], str] = str) -> None:
        """Lay `key` over those before; `spell` writes a key as it is written there."""
        names, shape = list[str](), shape_of(Keys)
        for part in key.split("."):
            names.append(SPELLINGS.get(".".join((*names, part)), part))
            child = shape.fields.get(names[-1])
            if child is None:
                self.problems.append(_unknown(key, origin, spell))
                return
            shape = child
        value = _value(text, shape, origin)
        if isinstance(value, Problem):
            self.problems.append(replace(value, key=".".join(names)))
        else:
            self.tree = overlay(self.tree, nested(names, value))


def overrides(environ: Map[str, str], sets: Sequence[str], ignored: Collection[str]) -> Overrides:
    """The variables, then --set over them."""
    found = Overrides()
    for name in sorted(environ.keys() - {PROFILE_VARIABLE, *OTHERS, *ignored}):
        if name.startswith(PREFIX) and not name.startswith(TESTS):
            key = name.removeprefix(PREFIX).lower().replace("__", ".")
            found.add(key, environ[name], Origin("environment", name), variable)
    for text in sets:
        # Of a text without "=", no more is shown than may be a key: the rest may be a password.
        key, equals, value = text.partition("=")
        name = _KEY.match(key.strip())[0][:80]  # type: ignore[index]  # it matches any text
        if equals:
            found.add(key.strip(), value, Origin("set", name))
        else:
            hint = "such as --set nodes.workers.count=3"
            at = Origin("set", name)
            found.problems.append(error(at, name, "no =", allowed="--set key=value", hint=hint))
    return found


def variable(key: str) -> str:
    """`nodes.workers.count` -> `KUBEUP_NODES__WORKERS__COUNT`."""
    return PREFIX + key.upper().replace(".", "__")


def _unknown(key: str, origin: Origin, spell: Callable[[str], str]) -> Problem:
    close = nearest(key, (known for known, _ in dotted(shape_of(Keys))))
    proposal = f"did you mean {spell(close)}?" if close else "`inv config.show` lists every key"
    return error(origin, "", "no such key", hint=proposal)


def _value(text: str, shape: Shape, origin: Origin) -> Node | Problem:
    if shape.kind == "text" and (shape.secret or not _QUOTED.fullmatch(text)):
        return Node("null" if text in ("~", "null") and shape.optional else "str", origin, text)
    node, problems = compose(text, origin)
    if problems:
        return problems[0]
    return node or error(origin, "", "no value", allowed=shape.allowed)
