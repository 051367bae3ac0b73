"""The folders of the parser stand on each other in the order that its docstring gives; no two files do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import dirk_parser
from tests.cluster import ROOT
from tests.shell.source import files, imported, module_name

#: The types of a syntax tree hold each other: an expression has subqueries, a query has expressions.
_AST = ("dirk_parser.ast.expression", "dirk_parser.ast.query")
MUTUAL = {_AST, _AST[::-1]}


def order() -> list[str]:
    """The folders from the lowest: the indented lines of the docstring."""
    lines = (ast.get_docstring(ast.parse(Path(dirk_parser.__file__).read_text(encoding="utf-8"))) or "").splitlines()
    return [name for line in lines if line.startswith("    ") for name in line.split()]


def modules() -> dict[str, Path]:
    """Every file of the parser but the folders' own docstrings, by its dotted name."""
    paths = (path for path in files() if path.is_relative_to(ROOT / "parser") and path.name != "__init__.py")
    return {module_name(path): path for path in paths}


def edges() -> Iterator[tuple[str, str]]:
    """Each import of one file of the parser by another."""
    known = modules()
    for name, path in known.items():
        yield from ((name, other) for other in sorted(set(imported(path)) & known.keys()))


def folder(module: str) -> str:
    """The name in the docstring's order of the folder that a module stands in; its own for a file beside them."""
    parts = module.split(".")[1:]
    return ".".join(parts[:-1]) or parts[0]


def test_every_folder_has_its_place() -> None:
    assert sorted({folder(module) for module in modules()}) == sorted(order())


def test_a_folder_imports_only_what_stands_before_it() -> None:
    places = {name: place for place, name in enumerate(order())}
    wrong = [f"{one} imports {other}" for one, other in edges() if places[folder(other)] > places[folder(one)]]
    assert wrong == []


def test_no_two_files_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for one, other in edges():
        if (one, other) not in MUTUAL:
            graph.setdefault(one, set()).add(other)
    TopologicalSorter(graph).prepare()


def test_the_docstrings_of_folders_import_nothing() -> None:
    signs = [path for path in files() if path.is_relative_to(ROOT / "parser") and path.name == "__init__.py"]
    assert [path for path in signs if list(imported(path))] == []
