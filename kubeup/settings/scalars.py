"""What a value is that is written down, and how a message tells of one that is refused.

YAML 1.1's own guesses are refused by name, never followed in silence.
"""

from __future__ import annotations

import re

import yaml

from kubeup.settings.nearest import suggestion
from kubeup.settings.shape import Shape
from kubeup.settings.tree import Node

REDACTED = "********"
_LOGIN = re.compile(r"(?<=://)[^/\s]+(?=@)")  # in a URL
# Numbers as everybody reads them: YAML 1.1 has 010 as 8, 1:30 as 90 and 1_000 as 1000
# (https://yaml.org/type/int.html).
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
_ZERO_LED = re.compile(r"[+-]?0[0-9_]+")
# yes, no, on and off as well (https://yaml.org/type/bool.html)
_SWITCHES = yaml.SafeLoader.bool_values
_TYPES: dict[str, type] = {"text": str, "number": int}
_NO_SCALAR = {"map": "keys and values", "seq": "a list", "null": "no value"}
_NOUNS = {"int": "the number", "float": "the number", "bool": "the switch", "timestamp": "a date"}
_BASES = {"x": " (base 16)", "b": " (base 2)"}


def scalar(node: Node, shape: Shape) -> object:
    """A scalar for pydantic; what YAML guesses and nobody wants stays a node, which it refuses."""
    if node.tag in _NO_SCALAR:
        return node
    # What comes from a shell has no quotes left that could say "this is text".
    if node.tag == "str" or (shape.kind == "text" and node.origin.kind != "file"):
        return node.text
    if node.tag == "int" and _DECIMAL.fullmatch(node.text):
        return int(node.text)
    return _SWITCHES[node.text.lower()] if node.tag == "bool" else node


def shown(text: str, shape: Shape | None = None) -> str:
    """A value as a message may show it: short, in one line, and never a secret."""
    if shape and shape.secret:
        return REDACTED
    text = _LOGIN.sub(REDACTED, text)
    cut = text if len(text) <= 60 else text[:57] + "..."
    return cut if cut.isprintable() and cut else repr(cut)


def described(node: Node, shape: Shape) -> str:
    """What is there in place of what the shape allows."""
    if node.tag in _NO_SCALAR:
        return _NO_SCALAR[node.tag]
    return _as_yaml(node, shape) if _misread(node, shape) else shown(node.text, shape)


def hint(node: Node, shape: Shape) -> str:
    """How it may have been meant, or nothing."""
    if node.tag in _NO_SCALAR:
        return ""
    if _misread(node, shape) and shape.kind == "text":
        return "put it in quotes" if shape.secret else f'put it in quotes: "{shown(node.text)}"'
    if shape.kind == "number" and _ZERO_LED.fullmatch(node.text):
        return "write it without leading zeros"
    number = shape.kind == "number" and _DECIMAL.fullmatch(node.text)
    switch = shape.kind == "switch" and node.text.lower() in _SWITCHES
    if node.tag == "str" and (number or switch):
        return "write it without quotes"
    return suggestion(node.text, shape.choices)


def _misread(node: Node, shape: Shape) -> bool:
    """Whether YAML takes the text for something else than its key wants."""
    wanted = _TYPES.get(shape.kind)
    return node.tag != "str" and wanted is not None and type(scalar(node, shape)) is not wanted


def _as_yaml(node: Node, shape: Shape) -> str:
    """`1.20, which YAML reads as the number 1.2`."""
    noun = _NOUNS.get(node.tag, node.tag)
    if shape.secret:
        return f"a value that YAML reads as {noun}"
    return f"{shown(node.text)}, which YAML reads as {noun}{_read_as(node)}"


def _read_as(node: Node) -> str:
    if node.tag not in ("int", "float", "bool") or len(node.text) >= 60:
        return ""
    # A number of thousands of digits is refused by Python itself, and a tag may lie about its text.
    try:
        read = str(yaml.safe_load(node.text)).lower()
    except (ValueError, yaml.YAMLError):
        return ""
    digits = node.text.lstrip("+-")
    if ":" in digits:
        return f" {read} (base 60)"
    octal = node.tag == "int" and len(digits) > 1 and digits[0] == "0"
    return f" {read}{_BASES.get(digits[1], ' (base 8)') if octal else ''}"
