"""The models, seen as a tree of keys: what stands under a name, and what it may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from kubeup.settings.kinds import Constraint

Kind = Literal["section", "list", "mapping", "text", "number", "switch", "tree"]
_WORDS: dict[Kind, str] = {
    "section": "keys and values",
    "list": "a list",
    "mapping": "names and values",
    "text": "text",
    "number": "a whole number",
    "switch": "true or false",
    "tree": "anything",
}
_KINDS: dict[Any, Kind] = {bool: "switch", int: "number", Any: "tree"}


@dataclass(frozen=True, slots=True)
class Shape:
    kind: Kind
    says: Constraint = field(default_factory=Constraint)
    fields: dict[str, Shape] = field(default_factory=dict)
    item: Shape | None = None  # of a list or a mapping
    choices: tuple[str, ...] = ()
    range: str = ""
    optional: bool = False
    secret: bool = False

    @property
    def allowed(self) -> str:
        return self.says.allowed or self.range or ", ".join(self.choices) or _WORDS[self.kind]

    def child(self, name: str) -> Shape | None:
        return self.item or self.fields.get(name)


@cache
def shape_of(model: type[BaseModel]) -> Shape:
    fields = {
        name: _shape(info.annotation, info.metadata) for name, info in model.model_fields.items()
    }
    return Shape("section", fields=fields)


def _shape(annotation: Any, metadata: list[Any]) -> Shape:
    shape = _bare(annotation)
    limits = dict[str, int]()
    # in Annotated a Field comes whole, on a model taken apart
    for extra in (part for found in metadata for part in getattr(found, "metadata", [found])):
        if isinstance(extra, Constraint):
            shape = replace(shape, says=extra)
        limits |= {name: getattr(extra, name) for name in ("ge", "le") if hasattr(extra, name)}
    return replace(shape, range="{ge} to {le}".format(**limits)) if limits else shape


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
    if issubclass(annotation, BaseModel):
        return shape_of(annotation)
    return Shape(_KINDS.get(annotation, "text"), secret=annotation is SecretStr)


def dotted(shape: Shape, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Shape]]:
    """Every key that holds a value, with the sections' names before it."""
    for name, child in shape.fields.items():
        if child.kind == "section":
            yield from dotted(child, (*path, name))
        else:
            yield ".".join((*path, name)), child
