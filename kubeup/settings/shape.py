"""The models, seen as a tree of keys: what stands under a name, and what it may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from kubeup.settings.kinds import Constraint
from kubeup.settings.model import Keys

Kind = Literal["section", "list", "mapping", "text", "number", "switch"]
_WORDS: dict[Kind, str] = {
    "section": "keys and values",
    "list": "a list",
    "mapping": "names and values",
    "text": "text",
    "number": "a whole number",
    "switch": "true or false",
}


@dataclass(frozen=True, slots=True)
class Shape:
    kind: Kind
    says: Constraint = field(default_factory=Constraint)
    fields: dict[str, Shape] = field(default_factory=dict)
    also: dict[str, str] = field(default_factory=dict)
    item: Shape | None = None  # of a list or a mapping
    choices: tuple[str, ...] = ()
    optional: bool = False
    secret: bool = False

    @property
    def allowed(self) -> str:
        return self.says.allowed or ", ".join(self.choices) or _WORDS[self.kind]

    def child(self, name: str | int) -> Shape | None:
        if self.item is not None:
            return self.item
        return self.fields.get(self.also.get(str(name), str(name)))


@cache
def keys_shape() -> Shape:
    """Of a whole profile."""
    return _section(Keys)


def _section(model: type[BaseModel]) -> Shape:
    fields = {
        name: _shape(info.annotation, info.metadata) for name, info in model.model_fields.items()
    }
    return Shape("section", fields=fields, also=getattr(model, "also", {}))


def _shape(annotation: Any, metadata: list[Any]) -> Shape:
    says = next((extra for extra in metadata if isinstance(extra, Constraint)), Constraint())
    found = _bare(annotation)
    return replace(found, says=says) if says != Constraint() else found


def _bare(annotation: Any) -> Shape:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(arguments[0], list(arguments[1:]))
    if origin in (Union, UnionType):
        return replace(_bare(next(arm for arm in arguments if arm is not NoneType)), optional=True)
    if origin is tuple:
        return Shape("list", item=_bare(arguments[0]))
    if origin is dict:
        return Shape("mapping", item=_bare(arguments[1]))
    if origin is Literal:
        return Shape("text", choices=arguments)
    return _simple(annotation)


def _simple(annotation: type) -> Shape:
    if issubclass(annotation, BaseModel):
        return _section(annotation)
    kinds: dict[type, Kind] = {bool: "switch", int: "number"}
    return Shape(kinds.get(annotation, "text"), secret=annotation is SecretStr)


def dotted(shape: Shape, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Shape]]:
    """Every key that holds a value, with the sections' names before it."""
    for name, child in shape.fields.items():
        if child.kind == "section":
            yield from dotted(child, (*path, name))
        else:
            yield ".".join((*path, name)), child


def secret_keys() -> frozenset[str]:
    return frozenset(key for key, shape in dotted(keys_shape()) if shape.secret)
