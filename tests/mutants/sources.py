"""The code as modules: their text, their trees, and which name means what in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Named = tuple[str, str]  # a module, and a name in it


@dataclass(frozen=True)
class Module:
    name: str
    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def parents(self) -> Mapping[ast.AST, ast.AST]:
        return {child: one for one in ast.walk(self.tree) for child in ast.iter_child_nodes(one)}

    @cached_property
    def _imported(self) -> Mapping[str, Named]:
        return {
            name.asname or name.name: (one.module or "", name.name)
            for one in ast.walk(self.tree)
            if isinstance(one, ast.ImportFrom)
            for name in one.names
        }

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, the nearest first."""
        while found := self.parents.get(node):
            yield found
            node = found

    def function(self, node: ast.AST) -> Function | None:
        return next((one for one in self.around(node) if isinstance(one, Function)), None)

    def meant(self, name: ast.expr) -> Named:
        """What `plan`, `apply.plan` or `self.plan` calls: the module that has it, its name."""
        if isinstance(name, ast.Name):
            return self._imported.get(name.id, (self.name, name.id))
        if not isinstance(name, ast.Attribute):
            return "", ""
        if isinstance(name.value, ast.Name) and name.value.id in self._imported:
            return ".".join(self._imported[name.value.id]), name.attr
        return self.name, name.attr


def modules(folder: Path, package: str) -> tuple[Module, ...]:
    """Those of a package below that folder."""
    found = []
    for path in sorted((folder / package).rglob("*.py")):
        place = path.relative_to(folder)
        parts = place.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, str(place), path.read_text(encoding="utf-8")))
    return tuple(found)
