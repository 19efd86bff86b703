"""Typed settings of a profile, every value with its origin.

They are read from one file in the shape `settings: {env, users: {<profile>: {...}}}`.
Nothing is imported until a name is asked for, so that a command that needs no settings does not pay
for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubeup.settings.checks import check_provider as check_provider
    from kubeup.settings.checks.routes import check_routes as check_routes
    from kubeup.settings.loading import Loaded as Loaded
    from kubeup.settings.loading import load as load
    from kubeup.settings.model import Settings as Settings
    from kubeup.settings.problem import Problem as Problem
    from kubeup.settings.shown import SECRET_KEYS as SECRET_KEYS
    from kubeup.settings.shown import origins as origins
    from kubeup.settings.shown import secret_values as secret_values
    from kubeup.settings.shown import values as values

HOMES = {
    "SECRET_KEYS": "shown",
    "Loaded": "loading",
    "Problem": "problem",
    "Settings": "model",
    "check_provider": "checks",
    "check_routes": "checks.routes",
    "load": "loading",
    "origins": "shown",
    "secret_values": "shown",
    "values": "shown",
}


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    globals()[name] = value
    return value
