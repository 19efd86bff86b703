"""Typed settings: one file in the shape `settings: {env, users: {<profile>: {...}}}`, every value
with its origin.

Nothing is imported until a name is asked for, so that a command that needs no settings does not pay
for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubeup.settings.checks import check_provider
    from kubeup.settings.checks.routes import Route, check_routes
    from kubeup.settings.json_schema import json_schema
    from kubeup.settings.loading import Loaded, load
    from kubeup.settings.model import NodeSpec, Settings
    from kubeup.settings.problem import Origin, Problem
    from kubeup.settings.shown import SECRET_KEYS, origins, values

__all__ = [
    "SECRET_KEYS",
    "Loaded",
    "NodeSpec",
    "Origin",
    "Problem",
    "Route",
    "Settings",
    "check_provider",
    "check_routes",
    "json_schema",
    "load",
    "origins",
    "values",
]

_HOMES = {
    "SECRET_KEYS": "shown",
    "Loaded": "loading",
    "NodeSpec": "model",
    "Origin": "problem",
    "Problem": "problem",
    "Route": "checks.routes",
    "Settings": "model",
    "check_provider": "checks",
    "check_routes": "checks.routes",
    "json_schema": "json_schema",
    "load": "loading",
    "origins": "shown",
    "values": "shown",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
