"""Settings as a user may see them: every key, its value and where it came from, secrets hidden."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, SecretStr

from kubeup.settings.model import Keys, Settings
from kubeup.settings.problem import Origin
from kubeup.settings.scalars import REDACTED
from kubeup.settings.shape import dotted, shape_of

SECRET_KEYS = frozenset(key for key, shape in dotted(shape_of(Keys)) if shape.secret)


def values(settings: Settings) -> dict[str, str]:
    """Each key with its value as text; a secret that is set is shown as stars."""
    return dict(_flat(settings, ""))


def secret_values(settings: Settings) -> list[str]:
    """Values that nobody may see, for who takes them out of a text."""
    found = list[str]()
    parts: list[object] = [settings]
    while parts:
        value = parts.pop()
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
        elif isinstance(value, BaseModel):
            parts += (getattr(value, name) for name in type(value).model_fields)
        elif isinstance(value, tuple):
            parts += value
    return list(filter(None, found))


def origins(settings: Settings) -> dict[str, Origin]:
    """Each key with where its value came from."""
    return {key: settings.origin(key) for key in values(settings)}


def _flat(value: object, key: str) -> Iterator[tuple[str, str]]:
    # Machines and folders have keys of their own, hosts.0.name; other lists are one value.
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _flat(getattr(value, name), f"{key}.{name}".lstrip("."))
    elif isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        for number, item in enumerate(value):
            yield from _flat(item, f"{key}.{number}")
    else:
        yield key, _text(value)


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return REDACTED if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_text(inner)}" for name, inner in value.items())
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
