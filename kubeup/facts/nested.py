"""Values inside of what tools print as JSON or YAML."""

from __future__ import annotations

from typing import Any


def value(data: Any, *path: str, default: Any = "") -> Any:
    """What lies at a path of keys, or `default` where a part of it is missing or null."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return default if data is None else data
