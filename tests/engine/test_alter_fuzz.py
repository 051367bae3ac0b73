"""ALTER TABLE of tables that refer to each other, by chance: rows, definitions and constraints are right afterwards.

What is altered is held against its twin: a database that was made from the definitions as the catalog has them now,
with the same rows. Both must keep the same definitions in SQLite, and end each change alike.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.failures import statement_failure
from dirk_gevent.engine.results import converted
from dirk_gevent.engine.transaction.open_transaction import Transaction
from dirk_gevent.log.entry import LoggedStatement
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.normalize.normalizer import split
from dirk_parser.printer.writer import quoted
from dirk_parser.schema.schema import Schema
from tests.engine.alterations.world import Changes, Names, tables, view
from tests.engine.constraints.changes import Statement
from tests.engine.plans import START_MS
from tests.engine.test_constraint_fuzz import Cluster, cluster
from tests.parser.small_database import SmallDatabase
from tests.seeds import chosen_seed

pytestmark = pytest.mark.usefixtures("unwatched")

#: What an ALTER may be refused for; the others must work.
_REFUSALS = {
    "take a name": {"duplicate_column", "change_in_use"},
    "drop column": {"in_use", "generated_invalid", "foreign_key_invalid"},
    "add reference": {"foreign_key_invalid", "foreign_key_violation"},
    "require": {"rows_have_null"},
    "constrain": {
        "unique_violation", "check_violation", "foreign_key_invalid", "foreign_key_violation", "generated_invalid"
    },
    "free": {"unknown_constraint"},
}  # fmt: skip
_INTERNAL = frozenset(("internal", "execution_failed"))
_SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name NOT LIKE 'dirk\\_%' ESCAPE '\\'"


@dataclass
class Run:
    """One database through its ALTERs."""

    nodes: Cluster
    rng: random.Random
    seed: str
    said: list[str] = field(default_factory=list)
    outcomes: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database: Database = self.nodes.begin()
        self.names = Names(self.rng)
        self.changes = Changes(self.rng, self.names)

    @property
    def schema(self) -> Schema:
        """The definitions as they are."""
        return cast(Schema, self.database.position.schema)

    def do(self, *texts: str) -> str:
        """Run one entry; the error's key, or ''."""
        self.said += [f"{text};" for text in texts]
        outcome = self.nodes.append(self.database, [Statement(text) for text in texts])
        self.outcomes.append(outcome)
        assert outcome.key not in _INTERNAL, self.about(str(outcome))
        return outcome.key

    def about(self, what: str = "") -> str:
        """What was done until now."""
        return "\n".join([f"seed {self.seed}", *self.said, what])

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of all tables in their order, by the tables' keys."""
        return {name: self.read(table.name) for name, table in self.schema.tables.items()}

    def read(self, name: str) -> list[tuple[Any, ...]]:
        """The rows of a table or view."""
        return list(self.database.reads.read(split(f"select * from {quoted(name)}"), (), START_MS).rows)

    def digest(self) -> bytes:
        """The hash of all there is."""
        return self.database.upkeep.content_digest()[1]

    def columns(self) -> dict[str, list[str]]:
        """The keys of the columns of all tables."""
        return {name: [each.key for each in table.columns] for name, table in self.schema.tables.items()}


def begin(run: Run) -> None:
    """Tables with rows, and views."""
    for text in tables(run.rng, run.names):
        assert run.do(text) == "", run.about()
    made = sum(run.do(run.changes.row(run.schema)) == "" for _ in range(30))
    assert made, run.about()
    for _ in range(4):
        run.do(view(run.rng, run.names, run.schema))


# --- one ALTER -----------------------------------------------------------------------------------------------


def alter(run: Run) -> str:
    """One ALTER, rehearsed before by a transaction that is not committed; its kind and, when it was refused, why."""
    kind, name, text = run.changes.alter(run.schema)
    rows, columns = run.rows(), run.columns()
    views = {each.key: sorted(map(repr, run.read(each.name))) for each in run.schema.views.values()}
    digest = run.digest()
    rehearse(run, text)
    assert run.digest() == digest, run.about(text)
    # With a row that is refused everything of the entry is undone.
    if run.rng.random() < 0.2:
        table = run.schema.tables[name]
        (number,) = table.unique[0]
        assert run.do(text, f"INSERT INTO {quoted(table.name)} ({quoted(number)}) VALUES ('no')"), run.about()
        assert run.digest() == digest, run.about()
    refused = run.do(text)
    if refused:
        assert refused in _REFUSALS.get(kind, ()), run.about(str(run.outcomes[-1]))
        assert run.digest() == digest, run.about()
        return f"{kind}: {refused}"
    check_rows(run, kind, name, rows, columns)
    if kind in ("rename table", "rename column", "take a name", "capitals"):
        # Views say what they said, whatever their columns are called.
        now = {each.key: sorted(map(repr, run.read(each.name))) for each in run.schema.views.values()}
        assert now == views, run.about()
    return kind


def rehearse(run: Run, text: str) -> None:
    """The ALTER and a change after it in a transaction that ends without a COMMIT."""
    transaction = Transaction(run.database.base_state(), 0, 1 << 20)
    for each in (text, run.changes.row(run.schema)):
        statement = LoggedStatement(split(each), (), START_MS, 1)
        try:
            run.database.writer.change_in(transaction, transaction.written_as(each, statement))
        except SqlError as error:
            assert error.key not in _INTERNAL, run.about(each)


def check_rows(
    run: Run, kind: str, name: str, rows: dict[str, list[tuple[Any, ...]]], columns: dict[str, list[str]]
) -> None:
    """Every other table is as it was, and of this one every column that is still there."""
    now, names = run.rows(), run.columns()
    (new,) = (now.keys() - rows.keys()) or {name}
    for other in rows.keys() - {name}:
        assert now[other] == rows[other], run.about(other)
    before, after = columns[name], names[new]
    if kind == "drop column":
        kept = [before.index(each) for each in after]
        assert now[new] == [tuple(row[at] for at in kept) for row in rows[name]], run.about()
    else:
        assert [row[: len(before)] for row in now[new]] == rows[name], run.about()


# --- the twin ------------------------------------------------------------------------------------------------


def twin_of(run: Run) -> SmallDatabase:
    """A database made from the definitions and rows that there are."""
    made = SmallDatabase()
    made.connection.execute("PRAGMA foreign_keys = OFF")
    schema, source = run.schema, apsw.Connection(str(run.database.file.path), flags=apsw.SQLITE_OPEN_READONLY)
    for table in schema.tables.values():
        made.run(table.source)
    for table in schema.tables.values():
        columns = ", ".join(f'"{each.name}"' for each in table.columns if each.generated is None)
        rows = source.execute(f'SELECT {columns} FROM "{table.name}" NOT INDEXED').fetchall()
        marks = ", ".join("?" * (columns.count(", ") + 1))
        made.connection.executemany(f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})', rows)
    for index in schema.indexes.values():
        made.run(index.source)
    for each in sorted(schema.views.values(), key=lambda one: (len(one.tables), one.key)):
        made.run(each.source)
    for name, value in source.execute("SELECT * FROM dirk_sequence").fetchall() if _has_sequences(source) else ():
        made.connection.execute("UPDATE dirk_sequence SET value = ? WHERE name = ?", (value, name))
    made.connection.execute("PRAGMA foreign_keys = ON")
    defined = [sorted(map(repr, each.execute(_SQLITE))) for each in (source, made.connection)]
    assert defined[0] == defined[1], run.about()
    assert source.execute("PRAGMA integrity_check").fetchall() == [("ok",)], run.about()
    assert source.execute("PRAGMA foreign_key_check").fetchall() == [], run.about()
    source.close()
    return made


def _has_sequences(source: apsw.Connection) -> bool:
    return bool(source.execute("SELECT 1 FROM sqlite_schema WHERE name = 'dirk_sequence'").fetchall())


def check_twin(run: Run, changes: int) -> None:
    """Changes end in both alike."""
    twin = twin_of(run)
    for _ in range(changes):
        text = run.changes.row(run.schema)
        try:
            twin.run(text)
            expected = ""
        except (SqlError, apsw.ConstraintError) as error:
            expected = statement_failure(error).key
        # Whose row is still referred to is found by looking into the tables, which the twin's bare error does not.
        said = run.do(text).replace("foreign_key_in_use", "foreign_key_violation")
        assert said == expected, run.about(expected)
        for each in (*run.schema.tables.values(), *run.schema.views.values()):
            theirs = converted(twin.run(f"select * from {quoted(each.name)}"), ())
            assert sorted(map(repr, run.read(each.name))) == sorted(map(repr, theirs)), run.about(each.name)


def play(nodes: Cluster, seed: str, alterations: int) -> list[str]:
    """One run; what became of its ALTERs."""
    rng = random.Random(seed)
    run = Run(nodes, rng, seed)
    begin(run)
    ended = []
    for _ in range(alterations):
        ended.append(alter(run))
        assert all(each.key == key(each.name) for each in run.schema.tables.values())
        if rng.random() < 0.4:
            check_twin(run, 6)
        if rng.random() < 0.3:
            run.do(view(rng, run.names, run.schema))
    check_twin(run, 10)
    again = nodes.level(run.database, rng)
    assert [(o.digest, o.key, o.params) for o in again] == [(o.digest, o.key, o.params) for o in run.outcomes], seed
    return ended


@pytest.mark.timeout(600)
def test_alterations_leave_everything_as_if_it_had_been_made_so(memory_path: Path) -> None:
    seed = chosen_seed()
    with cluster(memory_path) as nodes:
        ended = [each for number in range(2) for each in play(nodes, f"{seed} {number}", 10)]
    assert sum(":" not in each for each in ended) > len(ended) // 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_alterations_leave_everything_as_if_it_had_been_made_so(memory_path: Path) -> None:
    seed = chosen_seed()
    with cluster(memory_path) as nodes:
        for number in range(40):
            play(nodes, f"slow {seed} {number}", 25)
