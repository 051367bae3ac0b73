"""One database in memory: statements through the compiler into apsw, with the engine's own functions."""

from __future__ import annotations

from typing import Any

import apsw

from dirk_gevent.engine.apply.definitions import define
from dirk_gevent.engine.functions import EntryContext, register
from dirk_parser.compile.ddl.catalog import change_schema, load_schema
from dirk_parser.compile.plans import Plans
from dirk_parser.errors import SqlError
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalized_statement import Args, Value
from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.bind import bind, columns, rows
from dirk_parser.plan.plan import CatalogChange, ChangePlan, DdlPlan, QueryPlan
from dirk_parser.schema.schema import Schema

STATEMENTS = Statements()


class SmallDatabase:
    """Runs DirkDB statements, each all or nothing."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        self.connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        self.connection.execute("PRAGMA foreign_keys=ON")
        self.context = EntryContext()
        self.context.begin(1_795_000_000_000, 7)
        register(self.connection, self.context)
        self.connection.execute("CREATE TABLE dirk_catalog(kind TEXT, key TEXT, name TEXT, source TEXT)")
        self.plans = Plans(STATEMENTS)
        self.schema = Schema()

    def plan(self, text: str, for_write: bool = False) -> QueryPlan | ChangePlan | DdlPlan:
        """The plan of `text`."""
        return self.plans.plan(split(text), self.schema, for_write)

    def run(self, text: str, args: Args = ()) -> list[tuple[Any, ...]]:
        """The rows of a read (or RETURNING); booleans as such."""
        normalized = split(text)
        plan = self.plans.plan(normalized, self.schema, False)
        with self.connection:
            if isinstance(plan, DdlPlan):
                return self._define(plan)
            if isinstance(plan, ChangePlan) and plan.rows_sql:
                found = one_by_one(self.connection, plan, bind(plan.binds, normalized, args))
            elif isinstance(plan, ChangePlan) and plan.per_row:
                found = [
                    row for each in rows(plan, normalized, args) for row in self.connection.execute(plan.sql, each)
                ]
            else:
                found = self.connection.execute(plan.sql, bind(plan.binds, normalized, args)).fetchall()
        flags = [each.is_boolean for each in (plan.columns if isinstance(plan, QueryPlan) else plan.returning)]
        return [
            tuple(bool(v) if flag and v is not None else v for v, flag in zip(row, flags, strict=True)) for row in found
        ]

    def names(self, text: str) -> list[str]:
        """The names of the result's columns."""
        normalized = split(text)
        plan = self.plans.plan(normalized, self.schema, False)
        assert not isinstance(plan, DdlPlan)
        return [each.name for each in columns(plan, normalized)]

    def origins(self, text: str) -> list[str]:
        """The origins of the result's columns."""
        plan = self.plan(text)
        assert isinstance(plan, QueryPlan)
        return [each.origin for each in plan.columns]

    def error(self, text: str, args: Args = ()) -> SqlError:
        """The error that `text` ends in."""
        try:
            self.run(text, args)
        except SqlError as error:
            return error
        raise AssertionError(f"no error: {text}")

    def _define(self, plan: DdlPlan) -> list[tuple[Any, ...]]:
        define(self.connection, plan)
        for change in plan.catalog:
            self.connection.execute("DELETE FROM dirk_catalog WHERE kind=? AND key=?", (change.kind, change.key))
            if change.source is not None:
                values = (change.kind, change.key, change.name, change.source)
                self.connection.execute("INSERT INTO dirk_catalog VALUES (?,?,?,?)", values)
        changed = change_schema(self.schema, plan.catalog, self.schema.version + 1)
        all_rows = self.connection.execute("SELECT kind, key, name, source FROM dirk_catalog").fetchall()
        assert load_schema([CatalogChange(*row) for row in all_rows], changed.version) == changed
        self.schema = changed
        return []


def one_by_one(connection: apsw.Connection, plan: ChangePlan, bound: tuple[Value, ...]) -> list[tuple[Any, ...]]:
    """What a change returns whose rows a query of its plan gives."""
    given = connection.execute(plan.rows_sql, bound[: plan.row_binds]).fetchall()
    return list(connection.executemany(plan.sql, [bound + row for row in given]))
