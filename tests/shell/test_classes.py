"""No class does or holds too much, no call is a row of values that only their order tells apart, no two share a
name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import ROOT
from tests.shell.source import Function, definitions, files, shown, tree

MAX_PUBLIC_METHODS = 15
MAX_ATTRIBUTES = 12
MAX_POSITIONAL_ARGUMENTS = 5
_TEXTS = "messages/catalogue"
#: Folders that have parts for the same subjects: a file of one stands beside the file of that name in another.
PARALLEL = (
    {"parser/ast", "parser/grammar", "parser/printer", "parser/compile", "parser/compile/query", "parser/compile/ddl"},
    {"parser/compile", "parser/compile/expression", "engine", "engine/read"},
    {"server", "node", "proxy", "cache"},
    {"server", "driver"},
    {"admin", "coordinator/admin", "client"},
    *({_TEXTS, room} for room in ("engine", "coordinator")),
)


def classes() -> Iterator[tuple[Path, str, ast.ClassDef]]:
    """Each class of the two packages: its file, its dotted name in that, its node."""
    for path in files():
        for name, node in definitions(path):
            if isinstance(node, ast.ClassDef):
                yield path, name, node


def methods(node: ast.ClassDef) -> list[Function]:
    """What a class defines itself: functions, properties too."""
    return [child for child in node.body if isinstance(child, Function)]


def attributes(node: ast.ClassDef) -> set[str]:
    """The names that instances hold a value under: fields, `__slots__`, and what methods assign to `self`."""
    found = {child.target.id for child in node.body if _is_field(child)}
    for function in methods(node):
        own = function.args.args[0].arg if function.args.args else ""
        for inner in ast.walk(function):
            if (
                isinstance(inner, ast.Attribute)
                and isinstance(inner.ctx, ast.Store)
                and isinstance(inner.value, ast.Name)
                and inner.value.id == own
            ):
                found.add(inner.attr)
    return found


def _is_field(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not ast.unparse(node.annotation).startswith(("ClassVar", "Final"))
    )


def has_behaviour(node: ast.ClassDef) -> bool:
    """A class with methods that are not only other ways to read or make a record."""
    readers = {"property", "cached_property", "classmethod", "staticmethod"}
    return any(
        not readers & {ast.unparse(each) for each in function.decorator_list} and not function.name.startswith("__")
        for function in methods(node)
    )


def test_no_class_has_too_many_public_methods() -> None:
    many = {}
    for path, name, node in classes():
        public = {function.name for function in methods(node) if not function.name.startswith("_")}
        if len(public) > MAX_PUBLIC_METHODS:
            many[f"{shown(path)}:{name}"] = len(public)
    assert many == {}


def test_no_class_holds_too_many_things() -> None:
    many = {}
    for path, name, node in classes():
        held = attributes(node)
        if has_behaviour(node) and len(held) > MAX_ATTRIBUTES:
            many[f"{shown(path)}:{name}"] = sorted(held)
    assert many == {}


def test_no_call_has_too_many_values_without_names() -> None:
    long = [
        f"{shown(path)}:{node.lineno}: {ast.unparse(node.func)}"
        for path in files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and len(node.args) > MAX_POSITIONAL_ARGUMENTS
    ]
    assert long == []


def test_no_two_classes_share_a_name() -> None:
    """But for the same thing on two sides of a wire, whose docstrings say so."""
    places = defaultdict(list)
    for path, name, node in classes():
        places[name.rpartition(".")[2]].append((path, ast.get_docstring(node) or ""))
    wrong = {}
    for name, found in places.items():
        if len(found) > 1 and not all("wire" in docstring for _, docstring in found):
            wrong[name] = [shown(path) for path, _ in found]
    assert wrong == {}


def test_files_share_a_name_only_where_their_folders_are_parallel() -> None:
    paths = defaultdict(list)
    for path in files():
        if path.name not in ("__init__.py", "main.py"):
            paths[path.name].append(str(path.parent.relative_to(ROOT)).removeprefix("dirk_gevent/"))
    wrong = {
        name: folders
        for name, folders in paths.items()
        if len(folders) > 1 and not any(set(folders) <= parallel for parallel in PARALLEL)
    }
    assert wrong == {}
