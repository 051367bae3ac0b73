"""The LALR tables: made by PLY once, kept in the user's cache directory, read at each start.

Building takes seconds and reading milliseconds. A file is named by everything the tables depend on, checked by a
digest, and ignored when it can't be read or written: then the tables are built, which is slower and no less right.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import marshal
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

import ply
from ply import yacc

from dirk_parser.grammar import grammar

#: (action, goto, productions): all that a parser needs besides the rules' own functions.
_Content: TypeAlias = tuple[Any, Any, Any]
_DIGEST_BYTES = 20


def load() -> Any:
    """PLY's LRTable of the grammar, its rules bound."""
    path = cache_directory() / f"grammar-{signature()}.tables"
    content = _read(path)
    if content is None:
        content = build()
        _write(path, content)
    table = yacc.LRTable()
    table.lr_action, table.lr_goto, productions = content
    table.lr_productions = [yacc.MiniProduction(*production) for production in productions]
    table.bind_callables(grammar.rules())
    return table


def cache_directory() -> Path:
    """`$XDG_CACHE_HOME/dirkdb`, else `~/.cache/dirkdb`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dirkdb"


def signature() -> str:
    """A digest of all that the tables depend on: the grammar, Python (the file's format) and PLY."""
    rules = sorted((name, inspect.getdoc(rule)) for name, rule in grammar.rules().items())
    about = (rules, grammar.TOKENS, grammar.PRECEDENCE, sys.version_info[:2], marshal.version, ply.__version__)
    return hashlib.blake2b(repr(about).encode(), digest_size=12).hexdigest()


def build() -> _Content:
    """The tables from the grammar. Raises ply.yacc.YaccError for a grammar that is none."""
    parser = yacc.yacc(
        module=grammar.for_ply(_unused), write_tables=False, debug=False, errorlog=yacc.NullLogger()
    )
    productions = [(str(rule), rule.name, rule.len, rule.func, None, 0) for rule in parser.productions]
    return parser.action, parser.goto, productions


def _unused(_token: object) -> None:
    """PLY wants an error function beside the grammar; the parsers get their own (`dirk_parser.grammar.statements`)."""


def _read(path: Path) -> _Content | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    tables: _Content = marshal.loads(body)
    return tables


def _write(path: Path, content: _Content) -> None:
    """Whole or not at all: other processes may start at the same moment."""
    body = marshal.dumps(content)
    digest = hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(digest + body)
        Path(name).replace(path)
