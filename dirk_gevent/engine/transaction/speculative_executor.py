"""Statements of a transaction on the applier's connection, between batches, and never committed.

A statement runs after the transaction's earlier changes, inside a SQLite transaction that is always rolled back. It
stays open for the next statement as long as nobody else needs the connection: whoever does (an entry to apply, first
of all) ends it, and the changes are run again before the next statement. A process that dies in the middle leaves
frames in the WAL that no commit ends: SQLite does not read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

import apsw

from dirk_gevent.engine.apply.executor import Executor, Result
from dirk_gevent.engine.compiler import CompiledSchema
from dirk_gevent.engine.errors.failures import DATA_ERRORS, statement_failure
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.read.explain import explanation
from dirk_gevent.engine.read.long_reads import Opened, RelationStream, StreamHead, StreamLimits
from dirk_gevent.engine.results import Relation, Row, boolean_positions, columns_json, converted
from dirk_gevent.engine.transaction.conflict import tables_of
from dirk_gevent.engine.transaction.open_transaction import Transaction, Written
from dirk_gevent.log.entry import LoggedStatement
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import QueryPlan


@dataclass(frozen=True, slots=True)
class SpoolBounds:
    """Where an answer goes that is longer than `most_rows`: to an unlinked file."""

    most_rows: int
    limits: StreamLimits


class SpeculativeExecutor:
    """The applier's connection lent to transactions. Its caller holds the writer lock, on a native thread."""

    def __init__(self, executor: Executor) -> None:
        #: Whose changes the connection has made and not rolled back.
        self.owner: Transaction | None = None
        self._executor = executor
        self._connection = executor.connection
        self._steps = executor.steps
        self._schema: CompiledSchema | None = None

    def end(self) -> None:
        """Roll back what is open. Raises apsw errors: the connection is then of no more use."""
        self.owner = self._schema = None
        self._steps.end()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def change(self, transaction: Transaction, written: Written, position: Position) -> Result:
        """Make a change and keep it in the transaction; one that fails leaves the changes before it.

        Raises SqlError, and apsw errors that are the machine's.
        """
        with self._working(transaction, position) as schema:
            executor, statement = self._executor, written.statement
            transaction.touch(tables_of(executor.planned(statement.normalized, schema)))
            result = executor.statement(statement, schema, position.index + 1)
            self._schema = result.schema or schema
            transaction.keep(written)
            transaction.ticks = self._steps.ticks
        return result

    def read(
        self, transaction: Transaction, statement: LoggedStatement, position: Position, spool: SpoolBounds
    ) -> Relation | RelationStream:
        """Answer a query that sees the changes; a long answer is in its file when this returns. Raises as `change`."""
        with self._working(transaction, position) as schema:
            plan = self._executor.plans.plan(statement.normalized, schema, False)
            transaction.touch(tables_of(plan))
            if not isinstance(plan, QueryPlan):
                raise SqlError("not_supported", what=plan.verb)
            return self._answer(plan, statement, position.index, spool)

    def _answer(
        self, plan: QueryPlan, statement: LoggedStatement, index: int, spool: SpoolBounds
    ) -> Relation | RelationStream:
        bindings = self._executor.compiler.bind(plan, statement.normalized, statement.args)
        self._executor.context.begin(statement.time_ms or 0, statement.seed or 0)
        cursor = self._connection.execute(plan.sql, bindings, can_cache=plan.may_stay_prepared)
        try:
            return self._taken(plan, statement, cursor, index, spool)
        finally:
            # One that is left in its middle keeps its tables from being dropped.
            cursor.close(True)

    def _taken(
        self, plan: QueryPlan, statement: LoggedStatement, cursor: apsw.Cursor, index: int, spool: SpoolBounds
    ) -> Relation | RelationStream:
        columns = plan.columns if plan.static_names else self._executor.compiler.columns(plan, statement.normalized)
        given: Iterator[Row] = cursor
        if plan.explained is not None:
            given = iter(explanation(plan.explained, cursor))
        rows = list(islice(given, spool.most_rows + 1))
        if len(rows) <= spool.most_rows:
            values = converted(rows, boolean_positions(columns))
            return Relation(
                name=plan.relation,
                columns=columns,
                rows=values,
                index=index,
                tables=plan.tables,
                repeatable=False,
                columns_json=columns_json(columns),
            )
        head = StreamHead.of(plan.relation, columns, index, plan.tables, False)
        opened = Opened(self._connection, chain(rows, given), head)
        stream = RelationStream(lambda _: opened, lambda *_: None, spool.limits)
        stream.spool()
        return stream

    @contextmanager
    def _working(self, transaction: Transaction, position: Position) -> Iterator[CompiledSchema]:
        """The connection with the transaction's changes made, for one statement; the schema as they left it."""
        # One that can't even be planned depends on the definitions.
        transaction.touch(())
        try:
            yield self._resumed(transaction, position)
        except apsw.InterruptError as error:
            # SQLite has rolled everything back.
            self.end()
            raise SqlError("transaction_steps") from error
        except DATA_ERRORS as error:
            reached = self._steps.reached
            if not self._connection.in_transaction or reached:
                self.end()
            failure = statement_failure(error, self._executor.table)
            raise SqlError("transaction_steps") if reached else failure from error
        except BaseException:
            self.end()
            raise
        finally:
            self._steps.end()

    def _resumed(self, transaction: Transaction, position: Position) -> CompiledSchema:
        if self.owner is transaction and self._schema is not None and self._connection.in_transaction:
            self._steps.begin(transaction.step_limit, transaction.ticks)
            return self._schema
        self.end()
        self._connection.execute("BEGIN IMMEDIATE")
        self._steps.begin(transaction.step_limit)
        schema, executor = position.schema, self._executor
        try:
            for written in transaction.written:
                result = executor.statement(written.statement, schema, position.index + 1)
                schema = result.schema or schema
        except DATA_ERRORS:
            # Half of its changes are none: the next statement begins anew.
            self.end()
            raise
        transaction.ticks = self._steps.ticks
        self.owner, self._schema = transaction, schema
        return schema
