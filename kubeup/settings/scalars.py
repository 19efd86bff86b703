"""One scalar, read as its key wants it.

YAML 1.1's own guesses are refused by name, never followed in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from kubeup.settings.nearest import suggestion
from kubeup.settings.problem import Problem, error, warning
from kubeup.settings.shape import Shape
from kubeup.settings.tree import Scalar

_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
_ZERO_LED = re.compile(r"[+-]?0[0-9_]+")
REDACTED = "********"
_LOGIN = re.compile(r"(?<=://)[^/\s]+(?=@)")  # in a URL


@dataclass(frozen=True, slots=True)
class Missing:
    """No value: the default stands."""


MISSING = Missing()
Value = str | int | bool | Missing


def shown(text: str, shape: Shape | None = None) -> str:
    """A value as a message may show it: short, in one line, and never a secret."""
    if shape and shape.secret:
        return REDACTED
    text = _LOGIN.sub(REDACTED, text)
    cut = text if len(text) <= 60 else text[:57] + "..."
    return cut if cut.isprintable() and cut else repr(cut)


def read_scalar(node: Scalar, shape: Shape, key: str) -> tuple[Value, Problem | None]:
    if node.tag == "null" and not (shape.kind == "text" and _is_override(node) and not node.text):
        return MISSING, _empty(node, shape, key)
    if shape.kind in ("section", "list", "mapping"):
        return MISSING, _wrong(node, shape, key, shown(node.text, shape))
    return {"text": _text, "number": _number, "switch": _switch}[shape.kind](node, shape, key)


def _is_override(node: Scalar) -> bool:
    return node.origin.kind != "file"


def _empty(node: Scalar, shape: Shape, key: str) -> Problem | None:
    if shape.optional or shape.kind in ("section", "list", "mapping") or _is_override(node):
        return None
    return warning(
        node.origin, key, "no value", hint="the default is used; write it, or delete the line"
    )


def _text(node: Scalar, shape: Shape, key: str) -> tuple[Value, Problem | None]:
    # What comes from a shell has no quotes left that could say "this is text".
    if node.tag == "str" or _is_override(node):
        return _choice(node, shape, key)
    hint = "put it in quotes" if shape.secret else f'put it in quotes: "{shown(node.text)}"'
    return MISSING, _wrong(node, shape, key, _reading(node, shape), hint)


def _choice(node: Scalar, shape: Shape, key: str) -> tuple[Value, Problem | None]:
    if shape.choices and node.text not in shape.choices and shape.says.allowed == "":
        hint = suggestion(node.text, shape.choices)
        return MISSING, _wrong(node, shape, key, shown(node.text), hint)
    return node.text, None


def _number(node: Scalar, shape: Shape, key: str) -> tuple[Value, Problem | None]:
    if node.tag == "int" and _DECIMAL.fullmatch(node.text):
        return int(node.text), None
    hint = ""
    if node.tag == "str" and _DECIMAL.fullmatch(node.text):
        hint = "write it without quotes"
    elif _ZERO_LED.fullmatch(node.text):
        hint = "write it without leading zeros"
    found = shown(node.text, shape) if node.tag == "str" else _reading(node, shape)
    return MISSING, _wrong(node, shape, key, found, hint)


def _switch(node: Scalar, shape: Shape, key: str) -> tuple[Value, Problem | None]:
    if node.tag == "bool":
        return bool(yaml.SafeLoader.bool_values[node.text.lower()]), None
    hint = "write it without quotes" if node.text.lower() in yaml.SafeLoader.bool_values else ""
    return MISSING, _wrong(node, shape, key, shown(node.text, shape), hint)


def _wrong(node: Scalar, shape: Shape, key: str, found: str, hint: str = "") -> Problem:
    return error(node.origin, key, found, allowed=shape.allowed, why=shape.says.why, hint=hint)


def _reading(node: Scalar, shape: Shape) -> str:
    """`1.20, which YAML reads as the number 1.2`."""
    if shape.secret:
        return f"a value that YAML reads as {_noun(node)}"
    value = _value(node)
    if node.tag not in ("int", "float", "bool") or value is None:
        return f"{shown(node.text)}, which YAML reads as {_noun(node)}"
    return (
        f"{shown(node.text)}, which YAML reads as {_noun(node)} "
        f"{shown(str(value).lower())}{_base(node)}"
    )


def _noun(node: Scalar) -> str:
    return {
        "int": "the number",
        "float": "the number",
        "bool": "the switch",
        "timestamp": "a date",
    }.get(node.tag, node.tag)


def _value(node: Scalar) -> object:
    try:
        return yaml.safe_load(node.text) if len(node.text) < 60 else None
    except (ValueError, yaml.YAMLError):
        return None


def _base(node: Scalar) -> str:
    digits = node.text.lstrip("+-")
    if ":" in digits:
        return " (base 60)"
    if node.tag == "int" and len(digits) > 1 and digits[0] == "0":
        return {"x": " (base 16)", "b": " (base 2)"}.get(digits[1], " (base 8)")
    return ""
