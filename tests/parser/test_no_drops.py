"""No part of a statement is read and then forgotten: what is changed in a tree changes what is done, or is an error."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import apsw

from dirk_gevent.protocol.splitter import StatementSplitter
from dirk_parser.ast.expression import Name
from dirk_parser.ast.statement import Statement
from dirk_parser.compile.statement import compile_statement
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.plan import Plan
from dirk_parser.printer import printer
from tests.parser.small_database import STATEMENTS, SmallDatabase

SCRIPTS = Path(__file__).resolve().parents[1] / "corpus" / "scripts"
#: Joins in all their forms: each part of them counts, whatever stands beside it.
JOINS = tuple(
    f"SELECT * FROM t1 {natural}{side} JOIN t2 {on}"
    for natural in ("", "NATURAL ")
    for side in ("INNER", "LEFT", "RIGHT", "FULL")
    for on in ("", "ON t2.id > 1", "USING (a)")
    if not (natural and on.startswith("USING"))
)
#: Where a change makes no other plan, and what such a statement has in it (an expression).
HARMLESS = {
    # IF EXISTS where it is so, and other ways to say the same
    ("CreateTable", "optional"): "", ("CreateIndex", "optional"): "", ("CreateView", "optional"): "",
    ("Drop", "optional"): "", ("Limit", "offset_first"): "", ("Call", "arguments"): "'now'", ("Join", "on"): "ON true",
    ("ColumnDef", "constraints"): "PRIMARY KEY",
    # names that nothing in the statement uses, or that the catalog's text keeps
    ("TableRef", "alias"): "", ("TableCall", "alias"): "", ("Item", "alias"): "", ("NotNull", "name"): "CONSTRAINT",
    ("Unique", "name"): "CONSTRAINT", ("Default", "name"): "CONSTRAINT",
    # what a key says of how it is stored; of a table's key no text says it
    ("PrimaryKey", "descending"): "", ("PrimaryKey", "autoincrement"): "PRIMARY KEY",
    ("OrderTerm", "descending"): "ON CONFLICT|PRIMARY KEY|UNIQUE",
}  # fmt: skip


def parts(tree: Any, put: Callable[[Any], Any]) -> Iterator[tuple[str, str, Any]]:
    """Each field of each node in `tree`: its class and name, and the whole tree with the field changed."""
    if isinstance(tree, tuple):
        for at, each in enumerate(tree):
            yield from parts(each, lambda made, at=at: put((*tree[:at], made, *tree[at + 1 :])))
        return
    if not is_dataclass(tree) or isinstance(tree, type):
        return
    for field in fields(tree):
        if not field.compare:
            continue
        value = getattr(tree, field.name)
        for other in others(value, field.default):
            yield type(tree).__name__, field.name, put(replace(tree, **{field.name: other}))
        yield from parts(value, lambda made, name=field.name: put(replace(tree, **{name: made})))


def others(value: Any, default: Any) -> Iterator[Any]:
    """Other values that a field could have."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, tuple) and value:
        yield value[:-1]
    elif isinstance(value, Name):
        yield Name(value.text + "_x")
    elif default is not MISSING and value != default and not isinstance(value, str | int):
        yield default


def plan_of(tree: Statement, normalized: NormalizedStatement, database: SmallDatabase) -> Plan | str:
    """The plan, or the key of the error."""
    try:
        return compile_statement(tree, normalized, database.schema, False).plan
    except SqlError as error:
        return error.key


def dropped(database: SmallDatabase, text: str) -> Iterator[tuple[str, str, str]]:
    """The parts of a statement that another text has otherwise and no other plan: their class and name, that text."""
    try:
        normalized = split(text)
        tree = STATEMENTS.parse(normalized)
    except SqlError:
        return
    before, printed = plan_of(tree, normalized, database), printer.write(tree, normalized)
    if isinstance(before, str) or before.sql == ():
        return
    for kind, name, changed in parts(tree, lambda made: made):
        try:
            said = printer.write(changed, normalized)
            if said != printed and plan_of(changed, normalized, database) == before:
                yield kind, name, said
        except (LookupError, TypeError, ValueError, AttributeError, AssertionError):
            # No text makes such a tree.
            continue


def is_harmless(kind: str, name: str, _said: str, text: str) -> bool:
    """Whether a change of this part of `text` need not make another plan."""
    allowed = HARMLESS.get((kind, name))
    return allowed is not None and re.search(allowed, text, re.IGNORECASE) is not None


def test_whatever_is_changed_counts() -> None:
    found = []
    for path in sorted(SCRIPTS.glob("*.sql")):
        database = SmallDatabase()
        texts = [each.decode() for each in StatementSplitter().feed(path.read_bytes())]
        for text in texts:
            found += [(*each, text) for each in dropped(database, text)]
            with contextlib.suppress(SqlError, apsw.Error, ValueError):
                database.run(text, [1, "x", 2.5, None][: text.count("?")])
    assert [each for each in found if not is_harmless(*each)] == []


def test_every_part_of_a_join_counts() -> None:
    database = SmallDatabase()
    for name in ("t1", "t2"):
        database.run(f"create table {name} (id, a, b)")
    assert all(not isinstance(plan_of(STATEMENTS.parse(split(text)), split(text), database), str) for text in JOINS)
    assert [(*each, text) for text in JOINS for each in dropped(database, text)] == []
