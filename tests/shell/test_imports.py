"""Who imports whom: the order of the folders, and no circle of files."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from tests.cluster import ROOT
from tests.shell.source import files, imported, module_name, shown, tree

#: A folder of dirk_gevent imports only what stands left of it; those between bars never import each other.
ORDER = (
    "base messages config protocol driver loop sqlite log engine replication server coordinator"
    " node|proxy|cache|client|admin|launcher cli"
)
#: The folders that start without gevent, and may import nothing that brings it.
WITHOUT_GEVENT = ("base", "messages", "config", "protocol", "driver", "client")
#: What else binds a folder: the folders of ours that it may import.
ONLY = {
    "base": (),
    "client": ("base", "messages", "config", "protocol", "driver"),
    "cache": tuple(ORDER.split()[: ORDER.split().index("coordinator")]),
}
#: Types of syntax trees hold each other.
MUTUAL = {"dirk_parser.ast.expression", "dirk_parser.ast.query"}

RANK = {name: rank for rank, names in enumerate(ORDER.split()) for name in names.split("|")}


def graph() -> dict[str, set[str]]:
    """Which of our modules each of them imports: inside functions and for type checkers too."""
    modules = {module_name(path) for path in files()}
    edges: dict[str, set[str]] = {module: set() for module in modules}
    for path in files():
        module = module_name(path)
        edges[module] = {name for name in imported(path) if name in modules} - {module}
    return edges


def folder(module: str) -> str:
    """The folder of dirk_gevent that a module lies in, or its own name when it lies in none."""
    return module.split(".")[1] if "." in module else ""


def circles(edges: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """The strongly connected components of more than one module (Kosaraju's algorithm)."""
    done: list[str] = []
    seen: set[str] = set()

    def visit(module: str) -> None:
        seen.add(module)
        for other in edges[module]:
            if other not in seen:
                visit(other)
        done.append(module)

    for module in edges:
        if module not in seen:
            visit(module)
    importers: dict[str, list[str]] = {module: [] for module in edges}
    for module, others in edges.items():
        for other in others:
            importers[other].append(module)
    found, left = [], set(edges)
    for start in reversed(done):
        component, waiting = set(), [start]
        while waiting:
            module = waiting.pop()
            if module in left:
                left.discard(module)
                component.add(module)
                waiting += importers[module]
        if len(component) > 1:
            found.append(component)
    return found


def test_a_folder_imports_only_what_stands_left_of_it() -> None:
    wrong = []
    for module, others in graph().items():
        if not module.startswith("dirk_gevent."):
            wrong += [f"{module} imports {other}" for other in others if other.startswith("dirk_gevent")]
            continue
        own = folder(module)
        for other in others:
            its = folder(other)
            if not other.startswith("dirk_gevent.") or its == own:
                continue
            allowed = ONLY.get(own)
            if RANK[its] >= RANK[own] or (allowed is not None and its not in allowed):
                wrong.append(f"{module} imports {other}")
    assert sorted(wrong) == []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert [sorted(found) for found in circles(graph()) if found != MUTUAL] == []


def test_circles_are_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a"]}) == [{"b", "c"}]
    assert circles({"a": ["b"], "b": []}) == []


def test_what_starts_fast_brings_no_gevent() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files()
        if path.relative_to(ROOT).parts[0] == "parser" or path.parent.name in WITHOUT_GEVENT
        for name in imported(path)
        if name.split(".")[0] == "gevent"
    ]
    assert wrong == []


def test_nothing_lies_loose_at_the_root_of_a_package() -> None:
    loose = {path.stem for path in (ROOT / "dirk_gevent").glob("*.py")} - {"__init__", "__main__", "cli"}
    loose |= {path.stem for path in (ROOT / "parser").glob("*.py")} - {"__init__", "errors", "names"}
    assert not loose


def test_no_module_only_hands_on_names_of_others() -> None:
    """But the one that docs/protocol.md promises to programs."""
    only = set()
    for path in files():
        if path.name != "__init__.py":
            own = [node for node in tree(path).body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)]
            if all(ast.unparse(node).startswith("__all__ =") for node in own):
                only.add(shown(path))
    assert only == {"dirk_gevent/client/driver.py"}


def test_each_folder_has_its_sign() -> None:
    """About ten lines that say what it is for, its entry points, its invariants."""
    folders = {path.parent for path in files()} - {ROOT / "dirk_gevent"}
    bad = []
    for folder in folders:
        sign = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
        if not 3 <= len(sign.splitlines()) <= 15:
            bad.append(str(folder.relative_to(ROOT)))
    assert sorted(bad) == []
