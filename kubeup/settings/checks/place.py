from __future__ import annotations

from kubeup.settings.model import Settings
from kubeup.settings.problem import DEFAULT, Origin


def at(settings: Settings, *keys: str) -> Origin:
    """The place of the first of these keys that somebody wrote."""
    places = (settings._origins[key] for key in keys if key in settings._origins)
    return next(places, DEFAULT)
