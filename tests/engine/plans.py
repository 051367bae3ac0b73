"""A stand-in for the compiler: statements are SQLite's own SQL, each template mapped to a plan by hand-written
rules."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from dirk_gevent.engine.apply.applier import Work, as_work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import Overrun
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import DatabaseChange, Draft, Entry, LoggedStatement, request_hash
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement, Value
from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.blocks import Blocks
from dirk_parser.plan.plan import CatalogChange, ChangePlan, DdlPlan, Output, Plan, QueryPlan

START_MS = 1_790_000_000_000


@dataclass(frozen=True, eq=False)
class Schema:
    """Table names only. No two are the same."""

    version: int
    tables: tuple[str, ...] = ()


class Plans:
    """Plans by template and schema, the same object each time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Schema, int], Plan] = {}

    def plan(self, normalized: NormalizedStatement, schema: Schema, for_write: bool) -> Plan:
        """The plan of a statement in SQLite's SQL."""
        key = (normalized.template, schema, normalized.row_width)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _plan(normalized)
        return kept

    def is_settled_by_template(self, template: str) -> bool:
        """These plans know no ordinals."""
        return bool(template)


class StandInCompiler:
    """`Compiler` over `Plans`."""

    def plans(self) -> Plans:
        """A new cache."""
        return Plans()

    def load_schema(self, rows: Iterable[CatalogChange], version: int) -> Schema:
        """The tables of the catalog."""
        return Schema(version, tuple(row.key for row in rows))

    def change_schema(self, schema: Schema, changes: Iterable[CatalogChange], version: int) -> Schema:
        """Another version."""
        return Schema(version, schema.tables)

    def bind(self, plan: QueryPlan | ChangePlan, normalized: NormalizedStatement, args: Args) -> tuple[Value, ...]:
        """The literals."""
        return normalized.literals

    def rows(self, plan: ChangePlan, normalized: NormalizedStatement, args: Args) -> Iterator[tuple[Value, ...]]:
        """The literals, a row's width at a time."""
        width = normalized.row_width
        for at in range(0, width * normalized.rows, width):
            yield normalized.literals[at : at + width]

    def blocks(self, plan: ChangePlan, normalized: NormalizedStatement) -> Blocks | None:
        """None: every row by itself."""
        return None

    def columns(self, plan: QueryPlan | ChangePlan, normalized: NormalizedStatement) -> tuple[Output, ...]:
        """The plan's own."""
        return plan.columns if isinstance(plan, QueryPlan) else plan.returning

    def key(self, name: str) -> str:
        """Case-folded."""
        return name.casefold()


def _plan(normalized: NormalizedStatement) -> Plan:
    words = re.findall(r"\w+", normalized.template)
    verb = words[0].lower()
    if verb in ("select", "with"):
        table = words[words.index("from") + 1] if "from" in words else ""
        columns = tuple(Output(name, table, name.startswith("is_")) for name in _names(normalized.template))
        return QueryPlan(normalized.template, (), columns, table or "valiny", (table,) if table else ())
    if verb == "create":
        change = CatalogChange(words[1], words[2].casefold(), words[2], normalized.template)
        return DdlPlan((normalized.template,), (change,), "create_table", "table", words[2])
    if verb == "drop":
        return DdlPlan(
            (normalized.template,), (CatalogChange("table", words[2], words[2], None),), "drop_table", "table", words[2]
        )
    table = {"insert": words[2], "update": words[1], "delete": words[2]}.get(verb)
    if table is None:
        raise SqlError("syntax", line=1, column=1, source=normalized.template, expected="")
    returning = (Output("a", table),) if "returning" in words else ()
    return ChangePlan(
        normalized.template, (), verb, table, (), (table,), normalized.rows > 1 or normalized.row_width > 0, returning
    )


def _names(sql: str) -> list[str]:
    head = sql.split(" from ")[0].removeprefix("select ")
    return [part.split()[-1] for part in re.split(r",(?![^(]*\))", head)]


def normalized(sql: str, *literals: Value) -> NormalizedStatement:
    """A statement with its values."""
    return NormalizedStatement(sql, literals)


def rows_normalized(sql: str, rows: list[tuple[Value, ...]]) -> NormalizedStatement:
    """An insert of many rows."""
    flat = tuple(value for row in rows for value in row)
    return NormalizedStatement(sql, flat, (), len(rows), 0, len(rows[0]))


class LogMaker:
    """Makes the entries of one log in order."""

    def __init__(self, log_id: int = 1) -> None:
        self.log_id = log_id
        self.index = 0
        self.time_ms = START_MS

    def statement(
        self,
        *statements: NormalizedStatement,
        request_id: str = "",
        step_limit: int = 0,
        base: int | None = None,
        reads: tuple[str, ...] = (),
        args: Args = (),
    ) -> Entry:
        """The next entry with these statements."""
        logged = tuple(LoggedStatement(each, args) for each in statements)
        draft = Draft(request_id or self.request_id(), logged, step_limit, base, reads)
        return self._next(draft)

    def sql(self, sql: str, *literals: Value) -> Entry:
        """The next entry with one statement."""
        return self.statement(normalized(sql, *literals))

    def database(self, verb: str, name: str, log_id: int = 0) -> Entry:
        """The next entry of the system log."""
        return self._next(Draft(self.request_id(), ()), DatabaseChange(verb, name, log_id or self.index + 1))

    def request_id(self) -> str:
        """A fresh id at the log's time."""
        return f"{self.time_ms:013d}-{secrets.token_hex(10)}"

    def _next(self, draft: Draft, change: DatabaseChange | None = None) -> Entry:
        self.index += 1
        self.time_ms += 1
        return Entry(
            self.log_id,
            self.index,
            self.time_ms,
            self.index * 7919,
            draft.request_id,
            request_hash(draft),
            draft.statements,
            draft.step_limit,
            draft.base_index,
            draft.tables_read,
            change,
        )


def work(*entries: Entry) -> list[Work]:
    """Entries with their bytes."""
    return as_work(entries)


@dataclass
class TestLimits:
    """Limits a test may set."""

    __test__ = False
    page_rows: int = 200
    result_bytes: int = 1 << 28
    statement_seconds: float = 30.0
    wal_bytes: int = 1 << 28


def open_engine(directory: Path, limits: TestLimits | None = None) -> Engine:
    """An engine on hand-written plans, open."""
    engine = Engine(directory, "m1", limits or TestLimits(), StandInCompiler())
    engine.open()
    return engine


def open_compiled(directory: Path) -> Engine:
    """An engine on the real compiler, open."""
    engine = Engine(directory, "m1", TestLimits())
    engine.open()
    return engine


def open_database(engine: Engine) -> Database:
    """The database of log 1, made by the system log if it is not there."""
    if 1 not in engine.logs():
        engine.apply_system(work(LogMaker(0).database("create_database", "t")))
    return engine.logs()[1]


@contextmanager
def made_by(directory: Path, statements: Iterable[str]) -> Iterator[tuple[Database, LogMaker]]:
    """A database on the real compiler in which `statements` have run, each without a refusal."""
    engine = open_compiled(directory)
    log, opened = LogMaker(1), open_database(engine)
    outcomes = opened.apply(work(*(log.statement(split(text)) for text in statements)))
    assert {each.key for each in outcomes} == {""}
    yield opened, log
    engine.close()


def outcomes(database: Database, *texts: str) -> list[Outcome]:
    """How statements ended that come next in a database's log, an entry each."""
    log = LogMaker(database.log_id)
    log.index, log.time_ms = database.applied_index, max(log.time_ms, database.position.time_ms)
    return database.apply(work(*(log.statement(split(text)) for text in texts)))


def rows_of(database: Database, sql: str, *literals: Value) -> list[tuple[Value, ...]]:
    """The rows of a short read, however busy the machine is."""
    try:
        return list(database.reads.read(normalized(sql, *literals), (), START_MS).rows)
    except Overrun:
        return long_rows_of(database, sql, *literals)


def long_rows_of(database: Database, sql: str, *literals: Value) -> list[tuple[Value, ...]]:
    """The rows of a read that may take its time."""
    stream = database.reads.stream(normalized(sql, *literals), (), START_MS)
    try:
        found: list[tuple[Value, ...]] = []
        while not stream.finished:
            found += [tuple(row) for page in stream.fetch(1) for row in orjson.loads(page.rows_json)]
        return found
    finally:
        stream.close()
