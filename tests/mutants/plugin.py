"""A pytest plugin that gives one module another text, and runs chosen tests in their order.

No file is changed: the module is compiled from that text when it is imported. MUTANT names a JSON
file with the module's name, its text, and the tests' ids.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

VARIABLE = "MUTANT"


@cache
def told() -> dict[str, Any]:
    return json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))


class Changed(SourceFileLoader):
    """Loads a module from its file's place, with another text."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class Finder(MetaPathFinder):
    """Finds that one module; all others are Python's to find."""

    def __init__(self, module: str, text: str) -> None:
        self._module, self._text = module, text

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == self._module else None
        if spec is not None and spec.origin:
            spec.loader = Changed(fullname, spec.origin, self._text)
        return spec


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before any of them imports it."""
    assert told()["module"] not in sys.modules, "it was imported before it could be changed"
    sys.meta_path.insert(0, Finder(told()["module"], told()["text"]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that were asked for, in that order: those that could be collected."""
    there = {item.nodeid: item for item in items}
    items[:] = [there[name] for name in told()["tests"] if name in there]
