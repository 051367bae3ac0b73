"""Transactions as node and proxy both see them: what may stand inside one, and its work on its way to the log.

A transaction lives on one node. What it leaves to be committed travels as the field `commit` of META: statements are
sent as text and read anew by whoever holds the log, so nothing gets into an entry that could not have come as a
statement of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gevent

from dirk_gevent.engine.transaction.open_transaction import MOST_STATEMENTS, TransactionWork
from dirk_gevent.log.entry import SYSTEM_LOG_ID, Draft, LoggedStatement
from dirk_gevent.server.session import Request, as_args
from dirk_gevent.server.statement_cache import ParsedStatement
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Kind, Route, check_databases

VERBS = frozenset(("begin", "commit", "rollback"))
_DATABASE_VERBS = frozenset(("create_database", "drop_database"))
_SEEDS = 2**64
_TURN_STATEMENTS = 64
#: The end of the year 9999, in Unix milliseconds: as far as dates go.
_MOST_MS = 253_402_300_800_000


def is_allowed_outside_transaction(route: Route) -> bool:
    """True when a statement has nothing to do with the session's transaction: SHOW DATABASES or SERVERS, the
    language."""
    return route.kind is Kind.ADMIN or route.is_of_names or route.verb == "set_language"


def refuse_inside(request: Request, route: Route) -> None:
    """Raises what can't stand inside a transaction (25001): another BEGIN, USE, CREATE and DROP DATABASE."""
    if route.verb == "begin":
        raise SqlError("transaction_open")
    if route.verb == "use" or route.verb in _DATABASE_VERBS:
        raise SqlError("refused_in_transaction", what=" ".join(request.text.split()[:2]))


def is_database_change(route: Route) -> bool:
    """True when a statement makes or drops a database."""
    return route.verb in _DATABASE_VERBS


def work_fields(work: TransactionWork) -> dict[str, Any] | None:
    """A transaction's work as META carries it; None when it only read."""
    if not work.statements:
        return None
    return {
        "log": work.log_id,
        "base": work.base_index,
        "tables": list(work.tables),
        "statements": [
            [written.text, _plain(written.statement), written.statement.time_ms, written.statement.seed]
            for written in work.statements
        ],
    }


def draft_of(
    fields: object,
    request_id: str,
    step_limit: int,
    parse: Callable[[str], ParsedStatement],
    name_of: Callable[[int], str],
) -> tuple[int, Draft]:
    """The log and the draft that `work_fields` speak of; `name_of` gives the name of a log's database.

    Raises SqlError: argument_invalid for what is no such thing, and what a statement's text raises.
    """
    match fields:
        case {"log": int(log_id), "base": int(base), "tables": list(tables), "statements": list(statements)} if (
            log_id > SYSTEM_LOG_ID and statements and tables and len(statements) <= MOST_STATEMENTS and base >= 0
        ):
            names = tuple(table for table in tables if isinstance(table, str))
            if len(names) == len(tables):
                written = tuple(_parsed(statements, parse, lambda: name_of(log_id)))
                return log_id, Draft(request_id, written, step_limit, base, names)
    raise SqlError("argument_invalid", field="commit")


def _plain(statement: LoggedStatement) -> object:
    args = statement.args
    return args if isinstance(args, Mapping) else list(args)


def _parsed(
    statements: list[object], parse: Callable[[str], ParsedStatement], name: Callable[[], str]
) -> Iterator[LoggedStatement]:
    """The statements, read anew; others have their turn in between."""
    for position, fields in enumerate(statements):
        if position % _TURN_STATEMENTS == _TURN_STATEMENTS - 1:
            gevent.sleep(0)
        yield _statement(fields, parse, name)


def _statement(
    fields: object, parse: Callable[[str], ParsedStatement], name: Callable[[], str]
) -> LoggedStatement:
    match fields:
        case [str(text), args, int(time_ms), int(seed)] if (
            "\0" not in text and 0 <= seed < _SEEDS and 0 <= time_ms < _MOST_MS
        ):
            parsed = parse(text)
            if parsed.route.databases:
                check_databases(parsed.route, name())
            if parsed.route.kind is Kind.WRITE and not is_database_change(parsed.route):
                return LoggedStatement(parsed.normalized, as_args(args), time_ms, seed)
    raise SqlError("argument_invalid", field="commit")
