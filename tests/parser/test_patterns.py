"""Regular expressions do what they say on every Python from 3.11.0 on, in memory that does not grow with the text."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import random
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import dirk_gevent
import dirk_parser
from dirk_parser.lexical.repetition import optional, repeated

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    found.name
    for package in (dirk_gevent, dirk_parser)
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not found.name.endswith("__main__")
)


def _patterns(value: object, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 3 and isinstance(value, dict):
        for one in value.values():
            yield from _patterns(one, depth + 1)
    elif depth < 3 and isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _patterns(one, depth + 1)


def _possessive_groups(parsed: Any) -> Iterator[Any]:
    """The bodies of possessive repetitions that are more than one character or one set of characters."""
    for operation, argument in parsed:
        if operation is _constants.POSSESSIVE_REPEAT:
            body = argument[2]
            if len(body) != 1 or body[0][0] not in (
                _constants.IN, _constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY
            ):
                yield body
        for inner in argument if isinstance(argument, tuple | list) else (argument,):
            yield from _inside(inner)


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, _parser.SubPattern):
        yield from _possessive_groups(value)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _inside(one)


@pytest.mark.parametrize("pattern", [r"(?:ab|b)*+", r"x(?:ab?c)?+y", r"(?>a(?:b+c){2,}+)", r"(?:(?=a)b)++", r"(a)*+"])
def test_a_possessive_group_is_seen(pattern: str) -> None:
    assert list(_possessive_groups(_parser.parse(pattern)))


@pytest.mark.parametrize("module", MODULES)
def test_no_group_is_possessive(module: str) -> None:
    """CPython before 3.11.5 matches them wrongly: a statement in a comment was run."""
    loaded = importlib.import_module(module)
    for pattern in _patterns(vars(loaded)):
        assert not list(_possessive_groups(_parser.parse(pattern.pattern, pattern.flags))), pattern.pattern


@pytest.mark.parametrize("folder", ["dirk_gevent", "parser"])
def test_a_pattern_made_in_a_function_repeats_nothing_possessively(folder: str) -> None:
    """The test above sees those of modules alone."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                texts = [
                    inner.value
                    for one in ast.walk(function)
                    if _makes_a_pattern(one)
                    for inner in ast.walk(one)
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
                ]
                assert not re.search(r"[*+?}]\+", "".join(texts)), f"{path}:{function.lineno}"


def _makes_a_pattern(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr != "escape"
    )


def test_repeated_takes_what_a_loop_takes() -> None:
    """Against a loop over single matches, on random texts; long ones, so that several steps are taken."""
    chance = random.Random(3)
    bodies = (r"''|\\.", r"-(?=[^-])|[^-;]", r"ab?c", r"[a-c]+;|ab", r"/\*.*?\*/|\s+")
    for _ in range(3000):
        body = chance.choice(bodies)
        text = "".join(chance.choices(r"abc;-'\/* ", k=chance.choice((3, 12, 40)))) * chance.choice((1, 1, 300))
        one, at = re.compile(body, re.DOTALL), 0
        while (found := one.match(text, at)) is not None:
            at = found.end()
        taken = re.compile(repeated(body), re.DOTALL).match(text)
        assert taken is not None and taken.end() == at, (body, text)
        first = one.match(text)
        taken = re.compile(optional(body), re.DOTALL).match(text)
        assert taken is not None and taken.end() == (0 if first is None else first.end()), (body, text)


def test_repeated_needs_no_memory_for_each_repetition() -> None:
    text = "''" * 1_000_000
    pattern = re.compile(repeated("''"))
    tracemalloc.start()
    found = pattern.match(text)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None and found.end() == len(text)
    assert peak_bytes < len(text) // 2
