"""The shape of the source: sizes, documented names, layers, no patched library."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import clean_environ
from tests.shell.source import Function, definitions, files, imported, shown, tree

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
SAYING_NOTHING = {"each", "found", "known", "made", "one", "told"}


def code_lines(node: Function) -> int:
    """Lines from `def` to the end, the docstring's own left out."""
    last = node.end_lineno or node.lineno
    first = node.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return last - node.lineno + 1 - docstring


def test_files_stay_short() -> None:
    sizes = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files()}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE_LINES} == {}


def test_functions_stay_short() -> None:
    sizes = {
        f"{shown(path)}:{name}": code_lines(node)
        for path in files()
        for name, node in definitions(path)
        if isinstance(node, Function)
    }
    assert {name: size for name, size in sizes.items() if size > MAX_FUNCTION_LINES} == {}


def test_public_names_are_documented() -> None:
    bare = [shown(path) for path in files() if not ast.get_docstring(tree(path))]
    for path in files():
        for name, node in definitions(path):
            is_public = not any(part.startswith("_") for part in name.split("."))
            if is_public and not ast.get_docstring(node) and not is_grammar_rule(path, name):
                bare.append(f"{shown(path)}:{name}")
    assert bare == []


def test_docstrings_begin_with_the_thing_itself() -> None:
    """A noun, an order, or "True when": a reader who scans them finds nothing in "What is…" and "Whether…"."""
    bad = []
    for path in files():
        named = [(node, name) for name, node in definitions(path)]
        for node, name in [(tree(path), ""), *named]:
            words = (ast.get_docstring(node) or "").split(None, 1)
            if words and words[0] in ("Whether", "What", "Have"):
                bad.append(f"{shown(path)}:{name}")
    assert bad == []


def test_locals_say_what_they_are() -> None:
    """`found` and `each` say how a value was come by; a reader wants to know what it is."""
    bad = []
    for path in files():
        for name, node in definitions(path):
            if isinstance(node, Function):
                stored = {
                    one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
                }
                bad += [f"{shown(path)}:{name}: {word}" for word in sorted(stored & SAYING_NOTHING)]
    assert bad == []


def is_grammar_rule(path: Path, name: str) -> bool:
    """PLY's rules are named for it; their docstrings are the grammar."""
    return path.parent.name == "grammar" and name.rpartition(".")[2].startswith(("p_", "t_"))


def test_nothing_is_monkey_patched() -> None:
    patched = [shown(path) for path in files() if any("monkey" in name for name in imported(path))]
    assert patched == []


def test_a_broad_except_logs_or_hands_on_what_it_caught() -> None:
    silent = []
    for path in files():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "Exception":
                inside = ast.dump(ast.Module(node.body, []))
                hands_on = rf"attr='\w*(exception|failure)\w*'|Raise\(|Return\(.*Name\(id='{node.name}'"
                if not re.search(hands_on, inside):
                    silent.append(f"{shown(path)}:{node.lineno}")
    assert silent == []


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("dirk_gevent.cli", ("gevent", "apsw", "ply", "orjson", "prompt_toolkit")),
        ("dirk_gevent.client.main", ("gevent", "apsw", "ply")),
        ("dirk_gevent.launcher.up", ("gevent", "apsw", "ply")),
    ],
)
def test_programs_load_only_what_they_run(module: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted(name for name in {unwanted!r} if name in sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", code], env=clean_environ(), capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []
