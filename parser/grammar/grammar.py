"""The whole grammar, as PLY reads it: the rules of all grammar files, the tokens, the precedences."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

from dirk_parser.ast.statement import Show
from dirk_parser.grammar import alter, base, change, command, definition, expression, function, query, source
from dirk_parser.grammar.base import P, passing
from dirk_parser.lexical.keywords import KEYWORDS, NAME_TOKENS
from dirk_parser.lexical.lexer import SIGNS
from dirk_parser.lexical.listings import NAMES_BY_TOKEN

_MODULES = (
    base, expression, function, query, source, change,
    definition, alter, command,
)  # fmt: skip

#: All token types.
TOKENS: tuple[str, ...] = (
    *(token for token in KEYWORDS if token != "NY"), *SIGNS, "ID", "TEXT", "WHOLE", "REAL", "ANY", "PARAMETER",
    "ON_CONFLICT", "NOT_INDEXED", "INDEXED_BY", "BLOB",
    "GENERATED_ALWAYS", "NOT_DEFERRABLE",
)  # fmt: skip


#: Precedences, loosest first.
PRECEDENCE = expression.precedence


@passing
def p_name_word(p: P) -> None:
    p[0] = p[1]


p_name_word.__doc__ = "name_word : " + "\n | ".join(NAME_TOKENS)


def p_show(p: P) -> None:
    p[0] = Show(NAMES_BY_TOKEN[p.slice[2].type], place=p.lexpos(1))


p_show.__doc__ = "command : " + "\n | ".join(f"SHOW {token}" for token in NAMES_BY_TOKEN)


def rules() -> dict[str, Callable[[P], None]]:
    """Every grammar rule by its function's name."""
    rules_by_name: dict[str, Callable[[P], None]] = {}
    for module in _MODULES:
        own = {name: rule for name, rule in vars(module).items() if name.startswith("p_")}
        if any(rule.__doc__ is None for rule in own.values()):
            _take_text_from_source(module, own)
        rules_by_name |= own
    return {**rules_by_name, "p_name_word": p_name_word, "p_show": p_show}


def _take_text_from_source(module: ModuleType, own: Mapping[str, Callable[[P], None]]) -> None:
    """Give rules the text that Python has dropped with all docstrings, as it is told to (-OO, PYTHONOPTIMIZE=2)."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef) and node.name in own:
            own[node.name].__doc__ = ast.get_docstring(node, clean=False)


def for_ply(on_error: Callable[[Any], None]) -> SimpleNamespace:
    """The grammar as the module-like object that `ply.yacc.yacc` takes; `on_error` gets the offending token."""
    return SimpleNamespace(
        **rules(),
        tokens=TOKENS,
        precedence=PRECEDENCE,
        start="statement",
        p_error=on_error,
        __file__=__file__,
    )
