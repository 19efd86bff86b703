"""How much there is to read in Python code, folder by folder: `python scripts/sizes.py [FOLDER …]`.

A token is a name, an operator, a number or a string: unlike lines they stay the same however the
code is laid out.
"""

from __future__ import annotations

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

READ = (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LONG = 100
HEAD = ("folder", "tokens", "lines", "statement", "function", "file", "comments", "if-else", "for")


@dataclass
class Sizes:
    """Counts over some files: tokens of each statement, lines of each function and file."""

    tokens: int = 0
    lines: int = 0
    comments: int = 0
    conditional: int = 0
    comprehensions: int = 0
    statements: list[int] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Count one file."""
        lines = text.splitlines()
        if not lines:
            return
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        read = [token for token in tokens if token.type in READ]
        self.tokens += len(read)
        self.lines += len(lines)
        self.files.append(len(lines))
        self.comments += sum(token.type == tokenize.COMMENT for token in tokens)
        for node in ast.walk(ast.parse(text)):
            self._count(node, read)

    def _count(self, node: ast.AST, read: Sequence[tokenize.TokenInfo]) -> None:
        self.conditional += isinstance(node, ast.IfExp)
        self.comprehensions += isinstance(node, COMPREHENSIONS)
        if isinstance(node, FUNCTIONS):
            self.functions.append(_last(node) - node.lineno + 1)
        if isinstance(node, ast.stmt) and not hasattr(node, "body") and not _is_docstring(node):
            first = (node.lineno, node.col_offset)
            last = (_last(node), node.end_col_offset or 0)
            self.statements.append(sum(first <= one.start and one.end <= last for one in read))

    def row(self, name: str) -> tuple[str, ...]:
        """Numbers for a table; median, 90th percentile and largest where several are given."""
        return (
            name,
            str(self.tokens),
            str(self.lines),
            _spread(self.statements),
            _spread(self.functions),
            _spread(self.files),
            f"{100 * self.comments / self.lines:.1f} %",
            f"{1000 * self.conditional / self.lines:.0f}",
            f"{1000 * self.comprehensions / self.lines:.0f}",
        )


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _spread(numbers: Sequence[int]) -> str:
    if not numbers:
        return "-"
    high = sorted(numbers)[int(len(numbers) * 0.9)]
    return f"{statistics.median(numbers):.0f}/{high}/{max(numbers)}"


def measure(folder: Path) -> Sizes:
    """Count every Python file below a folder."""
    sizes = Sizes()
    for file in sorted(folder.rglob("*.py")):
        sizes.add(file.read_text(encoding="utf-8"))
    return sizes


def rows(folders: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """A row for each folder, and before it one for each folder in it."""
    yield HEAD
    for folder in folders:
        for inner in sorted(path for path in folder.iterdir() if any(path.glob("*.py"))):
            yield measure(inner).row(str(inner))
        yield measure(folder).row(str(folder))


if __name__ == "__main__":
    for row in rows([Path(name) for name in sys.argv[1:] or ("kubeup",)]):
        print(f"{row[0]:24}", *(f"{cell:>12}" for cell in row[1:]))
