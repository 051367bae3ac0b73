"""The checkout's own Python files as syntax trees, for the tests that hold its shape."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.cluster import ROOT

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> list[Path]:
    """Every module of the two packages."""
    return sorted([*ROOT.glob("dirk_gevent/**/*.py"), *ROOT.glob("parser/**/*.py")])


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    """The full name by which a file of the two packages is imported; a folder's for its `__init__.py`."""
    first, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(["dirk_parser" if first == "parser" else first, *rest]).removesuffix(".__init__")


def shown(path: Path) -> str:
    """A file's path as documents write it."""
    return str(path.relative_to(ROOT))


def definitions(path: Path) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """The dotted name and node of each class, function and method; not what is inside functions."""
    yield from _inside(tree(path), "")


def _inside(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            yield prefix + child.name, child
            yield from _inside(child, f"{prefix}{child.name}.")
        elif isinstance(child, Function):
            yield prefix + child.name, child


def imported(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports, inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{shown(path)}: relative import"
            name = node.module or ""
            yield from (f"{name}.{alias.name}" for alias in node.names)
            yield name
