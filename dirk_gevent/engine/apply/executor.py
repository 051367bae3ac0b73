"""One entry's statements, run on the writer's connection: plan, bind, execute, count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import apsw

from dirk_gevent.base import logger
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.definitions import define
from dirk_gevent.engine.apply.row_runs import RowRun
from dirk_gevent.engine.apply.step_limit import StepCounter
from dirk_gevent.engine.compiler import CompiledSchema, Compiler, PlanSource
from dirk_gevent.engine.errors.failing_row import failing_row
from dirk_gevent.engine.errors.failures import DATA_ERRORS
from dirk_gevent.engine.errors.violations import definition_violation, violation
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.results import Relation, Row, boolean_positions, columns_json, converted, row_bytes
from dirk_gevent.engine.sqlite_connection import savepoint
from dirk_gevent.log.entry import Entry, LoggedStatement
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import NormalizedStatement, Value
from dirk_parser.plan.blocks import Blocks
from dirk_parser.plan.plan import CatalogChange, ChangePlan, DdlPlan, Plan

_DDL = ("*",)
#: What RETURNING of one statement may give; the same on every node, for it decides how an entry ends.
RETURNED_BYTES = 32 * 1024 * 1024
#: What a mistake in DirkDB's own code raises; `RuntimeError` has RecursionError and NotImplementedError among it.
MISTAKES = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    StopIteration,
)
_log = logger.logger("engine")


@dataclass(slots=True)
class Result:
    """The result of a successful entry. `tables` written; `catalog`: what became of its objects; `schema`: the schema
    that this leads to, None when it is as it was."""

    verb: str
    name: str
    rows: int
    tables: tuple[str, ...]
    catalog: tuple[CatalogChange, ...] = ()
    returning: Relation | None = None
    schema: CompiledSchema | None = None


class Executor:
    """Runs statements of entries on `connection`, whose steps `steps` counts.

    `table` is the one the last statement was about, for errors that name none.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        context: EntryContext,
        compiler: Compiler,
        plans: PlanSource,
        steps: StepCounter,
    ) -> None:
        self.table = ""
        self.connection = connection
        self.context = context
        self.compiler = compiler
        self.plans = plans
        self.steps = steps

    def run(self, entry: Entry, schema: CompiledSchema, exact: bool) -> Result:
        """Run all statements of an entry or none. `exact` asks for freshly prepared ones (see `StepCounter`).

        Raises SqlError and apsw errors; what the entry did is then undone.
        """
        if len(entry.statements) == 1 and entry.base_index is None:
            return self._timed(entry, entry.statements[0], schema, exact)
        results: list[Result] = []
        with savepoint(self.connection):
            before = schema
            for statement in entry.statements:
                result = self._timed(entry, statement, schema, exact)
                schema = result.schema or schema
                results.append(result)
            catalog = _last_changes(change for result in results for change in result.catalog)
            return Result(
                verb="commit",
                name="",
                rows=sum(result.rows for result in results),
                tables=tuple(dict.fromkeys(table for result in results for table in result.tables)),
                catalog=catalog,
                schema=self.compiler.change_schema(before, catalog, entry.index) if catalog else None,
            )

    def statement(self, statement: LoggedStatement, schema: CompiledSchema, index: int) -> Result:
        """Run one statement that has its own time and seed, as part of what may become entry `index`.

        Raises SqlError and apsw errors; what the statement did is then undone.
        """
        self.context.begin(statement.time_ms or 0, statement.seed or 0)
        return self._statement(statement, schema, index, False)

    def _timed(self, entry: Entry, statement: LoggedStatement, schema: CompiledSchema, exact: bool) -> Result:
        time_ms, seed = statement.time_ms, statement.seed
        self.context.begin(entry.time_ms if time_ms is None else time_ms, entry.seed if seed is None else seed)
        return self._statement(statement, schema, entry.index, exact)

    def _statement(self, statement: LoggedStatement, schema: CompiledSchema, index: int, exact: bool) -> Result:
        self.table = ""
        plan = self.planned(statement.normalized, schema)
        if isinstance(plan, ChangePlan):
            return self._change(plan, statement, index, exact)
        if isinstance(plan, DdlPlan):
            return self._ddl(plan, schema, index)
        raise SqlError("not_supported", what="a query in the log")

    def planned(self, normalized: NormalizedStatement, schema: CompiledSchema) -> Plan:
        """The plan; a mistake in the compiler is the same on every node, so it is a result and stops no database."""
        try:
            return self.plans.plan(normalized, schema, True)
        except MISTAKES as error:
            _log.exception("compiler_failed", error, template=normalized.template[:200])
            raise SqlError("internal", detail=type(error).__name__) from error

    def _change(self, plan: ChangePlan, statement: LoggedStatement, index: int, exact: bool) -> Result:
        self.table = plan.table
        is_one = not plan.rows_sql and (not plan.per_row or statement.normalized.rows == 1)
        if is_one and not plan.returning and not plan.cascades:
            rows, _ = self._run_change(plan, statement, exact)
            return Result(plan.verb, plan.table, rows, plan.writes if rows else ())
        blocks = self.compiler.blocks(plan, statement.normalized)
        if blocks is not None and (inserted := self._run_blocks(plan, blocks, exact)) is not None:
            return Result(plan.verb, plan.table, inserted, plan.writes)
        with savepoint(self.connection):
            rows, returned = self._run_change(plan, statement, exact)
            relation = self._returned(plan, statement, returned, index) if plan.returning else None
        return Result(plan.verb, plan.table, rows, plan.writes if rows else (), returning=relation)

    def _run_blocks(self, plan: ChangePlan, blocks: Blocks, exact: bool) -> int | None:
        """Rows inserted; None, and nothing done, when one can't be: which is the first, and why, only runs of them one
        by one can tell (foreign keys are looked at when a statement ends)."""
        connection = self.connection
        whole, rest = RowRun(connection, blocks.values), RowRun(connection, blocks.rest)
        try:
            with savepoint(connection):
                connection.executemany(blocks.sql, whole, can_cache=not exact)
                connection.executemany(plan.sql, rest, can_cache=not exact)
        except DATA_ERRORS:
            self.context.begin_again()
            return None
        return whole.changed_rows + rest.changed_rows

    def _run_change(self, plan: ChangePlan, statement: LoggedStatement, exact: bool) -> tuple[int, list[Row]]:
        """Rows changed and rows returned."""
        normalized, args, connection = statement.normalized, statement.args, self.connection
        if plan.rows_sql:
            return self._run_one_by_one(plan, self.compiler.bind(plan, normalized, args), exact)
        if not plan.per_row:
            bound = self.compiler.bind(plan, normalized, args)
            try:
                returned = _taken(connection.execute(plan.sql, bound, can_cache=not exact))
            except apsw.ConstraintError as error:
                raise self._violation(error, plan, bound) from error
            return connection.changes(), returned
        return self._run_rows(plan, self.compiler.rows(plan, normalized, args), exact)

    def _run_one_by_one(self, plan: ChangePlan, bound: tuple[Value, ...], exact: bool) -> tuple[int, list[Row]]:
        """As `_run_change` for rows that a query of the plan gives."""
        rows = self.connection.execute(plan.rows_sql, bound[: plan.row_binds], can_cache=not exact)
        try:
            return self._run_rows(plan, (bound + row for row in rows), exact)
        finally:
            rows.close(True)

    def _run_rows(self, plan: ChangePlan, rows: Iterable[Sequence[Value]], exact: bool) -> tuple[int, list[Row]]:
        run = RowRun(self.connection, rows)
        try:
            # What is not kept is prepared again for every row.
            returned = _taken(self.connection.executemany(plan.sql, run, can_cache=not exact))
        except apsw.ConstraintError as error:
            raise self._violation(error, plan, run.given) from error
        return run.changed_rows, returned

    def _violation(self, error: apsw.ConstraintError, plan: ChangePlan, bound: Sequence[Value]) -> SqlError:
        """The refusal, with what can be told of it; the looking costs the entry no steps."""

        def look(table: str, columns: Sequence[str]) -> dict[str, Value]:
            self.context.begin_again()
            return failing_row(self.connection, table, columns, plan, bound)

        with self.steps.paused():
            return violation(self.connection, error, plan, bound, look)

    def _returned(self, plan: ChangePlan, statement: LoggedStatement, rows: list[Row], index: int) -> Relation:
        columns = self.compiler.columns(plan, statement.normalized)
        values: list[Row] = converted(rows, boolean_positions(columns))
        return Relation(
            name=plan.table,
            columns=columns,
            rows=values,
            index=index,
            tables=plan.writes,
            repeatable=False,
            columns_json=columns_json(columns),
        )

    def _ddl(self, plan: DdlPlan, schema: CompiledSchema, version: int) -> Result:
        self.table = plan.name
        try:
            with savepoint(self.connection):
                define(self.connection, plan)
                stored_records.write_catalog(self.connection, plan.catalog)
                # Here, so that a definition which can't be read back undoes what it did.
                after = self.compiler.change_schema(schema, plan.catalog, version) if plan.catalog else None
        except apsw.ConstraintError as error:
            with self.steps.paused():
                raise definition_violation(self.connection, error, plan) from error
        changed = bool(plan.catalog or plan.sql)
        return Result(plan.verb, plan.name, 0, _DDL if changed else (), plan.catalog, schema=after)


def _taken(cursor: apsw.Cursor) -> list[Row]:
    """All that a statement returns; SqlError result_too_large when that is more than travels in one message.

    A statement that is left in its middle, for that or for a row that cannot be taken, is ended: while it is under way
    nothing that it did can be undone.
    """
    taken: list[Row] = []
    size_bytes = 0
    try:
        for row in cursor:
            size_bytes += row_bytes(row)
            if size_bytes > RETURNED_BYTES:
                raise SqlError("result_too_large", limit=RETURNED_BYTES)
            taken.append(row)
    except BaseException:
        cursor.close(True)
        raise
    return taken


def _last_changes(changes: Iterable[CatalogChange]) -> tuple[CatalogChange, ...]:
    """The last change of each object: one that was made and dropped again must not come back."""
    last: dict[tuple[str, str], CatalogChange] = {}
    for change in changes:
        last.pop((change.kind, change.key), None)
        last[change.kind, change.key] = change
    return tuple(last.values())
