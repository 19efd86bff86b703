"""The rows of a module's tables of orders, each with the table that it is in.

A table is a tuple that a module assigns to a name. A row that is made by a loop has its inner
tuples as well: what the loop goes through.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.mutants.sources import Module

ORDERS = "kubeup.core.orders"
DATA = "DATA"  # the table of what would lose data


def rows(module: Module) -> list[tuple[ast.expr, bool]]:
    """Each row, and whether it protects data: it is in that table, or in one that it is made of."""
    tables = dict(_tables(module))
    guards = {DATA, *_names(tables[DATA])} if DATA in tables else set()
    return [(row, name in guards) for name, table in tables.items() for row in _rows(table)]


def _tables(module: Module) -> Iterator[tuple[str, ast.Tuple]]:
    for one in module.tree.body:
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Tuple):
            yield ast.unparse(one.targets[0]), one.value


def _names(table: ast.Tuple) -> set[str]:
    return {one.id for one in ast.walk(table) if isinstance(one, ast.Name)}


def _rows(table: ast.Tuple) -> Iterator[ast.expr]:
    for row in table.elts:
        yield row
        if isinstance(row, ast.Starred):
            yield from (
                one for inner in ast.walk(row) if isinstance(inner, ast.Tuple) for one in inner.elts
            )
