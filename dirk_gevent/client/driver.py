"""A PEP 249 driver: ``connect(…).cursor().execute("alaivo * ao@ t rehefa id = ?", (7,))``.

Parameters travel beside the statement, never as part of its text. A lost connection is opened again and what may
run twice is sent again, as `client.session` says. Unlike PEP 249's default a statement is committed by itself, as in
DirkDB everywhere; ``connect(autocommit=False)`` begins a transaction with the first statement after each commit.
Sockets block: a gevent program calls the driver from a native thread.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from dirk_gevent.client.answers import Cell, End, NotDirkError, Page
from dirk_gevent.client.connection import Address
from dirk_gevent.client.dbapi_errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004 (the name is PEP 249's)
    error_class,
)
from dirk_gevent.client.dbapi_types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Date,
    Parameters,
    Time,
    Timestamp,
    encoded,
    type_code,
)
from dirk_gevent.client.dbapi_types import date_from_ticks as DateFromTicks  # noqa: N812 (PEP 249's names)
from dirk_gevent.client.dbapi_types import time_from_ticks as TimeFromTicks  # noqa: N812
from dirk_gevent.client.dbapi_types import timestamp_from_ticks as TimestampFromTicks  # noqa: N812
from dirk_gevent.client.requests import Answer, Args, SessionError
from dirk_gevent.client.session import Patience, Session, use_statement
from dirk_gevent.client.texts import sentence

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
#: Threads may share the module, not connections.
threadsafety = 1
paramstyle = "qmark"

#: One column of `Cursor.description`: name, type code, and five fields that DirkDB has no values for.
Described = tuple[str, str | None, None, None, None, None, None]
Row = tuple[Cell, ...]


def connect(
    host: str = "127.0.0.1",
    port: int = 3949,
    database: str | None = None,
    *,
    language: str | None = None,
    autocommit: bool = True,
    wait_seconds: float = 0.0,
    reconnect_seconds: float = 30.0,
    timeout_seconds: float | None = None,
) -> Connection:
    """A connection, in `database` if one is named. Raises OperationalError or ProgrammingError.

    `wait_seconds`: how long to wait for a server that is not there yet; `reconnect_seconds`: how long to look for
    one that went away; `timeout_seconds`: the longest wait for an answer's next bytes (None: no limit).
    """
    patience = Patience(wait_seconds, reconnect_seconds, timeout_seconds)
    connection = Connection(Session(Address(host, port), language, patience), autocommit=autocommit)
    try:
        connection.open(database)
    except BaseException:
        connection.close()
        raise
    return connection


class Connection:
    """A session with a server. As a context manager it commits (or rolls back on an exception) and closes."""

    Warning = Warning
    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    DataError = DataError
    OperationalError = OperationalError
    IntegrityError = IntegrityError
    InternalError = InternalError
    ProgrammingError = ProgrammingError
    NotSupportedError = NotSupportedError

    def __init__(self, session: Session, *, autocommit: bool) -> None:
        self.autocommit = autocommit
        self._session = session
        self._is_closed = False
        self._reading: Cursor | None = None

    @property
    def database(self) -> str | None:
        """The current database; None before one is chosen."""
        return self._session.database

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._session.is_in_transaction

    def open(self, database: str | None) -> None:
        """Connect and choose `database`. Raises as `connect` does."""
        try:
            self._session.connect()
        except SessionError as error:
            raise self._error_of(error) from error
        if database is not None:
            self._must_end_well(self.ask(use_statement(database), None, None).end)

    def cursor(self) -> Cursor:
        """A new cursor."""
        self._must_be_open()
        return Cursor(self)

    def commit(self) -> None:
        """Commit the open transaction; nothing without one."""
        self._finish("tehirizo")

    def rollback(self) -> None:
        """Undo the open transaction; nothing without one."""
        self._finish("avereno")

    def close(self) -> None:
        """Close it; an open transaction is lost. Closing again does nothing."""
        self._is_closed = True
        self._reading = None
        self._session.close()

    def __enter__(self) -> Self:
        self._must_be_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()

    def ask(self, statement: str, args: Args | None, cursor: Cursor | None) -> Answer:
        """Run a statement for `cursor`; what another cursor has not fetched yet is read into its memory first.

        Raises InterfaceError when closed, OperationalError when the server can't be asked.
        """
        self._must_be_open()
        if self._reading is not None:
            self._reading.read_ahead()
        self._reading = cursor
        try:
            return self._session.run(statement, args)
        except SessionError as error:
            raise self._error_of(error) from error
        except NotDirkError as error:
            raise InterfaceError(f"what answers at {self._session.address} is not DirkDB: {error.line}") from error
        except UnicodeEncodeError as error:
            raise DataError(f"the statement is not Unicode text: {error}", "22021") from error

    def begin_if_needed(self) -> None:
        """Open the transaction that a statement without autocommit belongs to."""
        if not self.autocommit and not self.in_transaction:
            self._must_end_well(self.ask("atombohy", None, None).end)

    def pages(self, answer: Answer) -> Iterator[Page]:
        """An answer's pages. Raises OperationalError when they are cut off, and the server's error at their end."""
        try:
            yield from answer
        except SessionError as error:
            raise self._error_of(error) from error
        self._must_end_well(answer.end)

    def _finish(self, statement: str) -> None:
        self._must_be_open()
        if self.in_transaction:
            self._must_end_well(self.ask(statement, None, None).end)

    def _must_be_open(self) -> None:
        if self._is_closed:
            raise InterfaceError("the connection is closed")

    def _must_end_well(self, end: End) -> None:
        if end.is_error:
            column = end.meta.column if end.meta is not None else None
            raise error_class(end.sqlstate)(end.message, end.sqlstate, end.line, column)

    def _error_of(self, error: SessionError) -> Exception:
        text = sentence(error.key, self._session.language, error.params)
        return OperationalError(f"{text} ({error.sqlstate})", error.sqlstate)


class Cursor:
    """Runs statements on its connection and gives their rows; pages are read when they are fetched."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.description: Sequence[Described] | None = None
        self.rowcount = -1
        #: The server's message of the last statement that was not a relation.
        self.message = ""
        self._rows: deque[Row] = deque()
        self._pages: Iterator[Page] | None = None
        self._answer: Answer | None = None
        self._read_rows = 0
        self._is_closed = False

    def execute(self, statement: str, parameters: Parameters | None = None) -> Self:
        """Run one statement, with or without its ``;``. Returns the cursor, so that it can be iterated."""
        self._must_be_open()
        self._reset()
        try:
            args = None if parameters is None else encoded(parameters)
        except (TypeError, ValueError) as error:
            raise DataError(str(error), "22023") from error
        self.connection.begin_if_needed()
        self._answer = self.connection.ask(statement.strip().removesuffix(";"), args, self)
        self._pages = self.connection.pages(self._answer)
        first = self._next_page()
        if first is not None:
            self.description = _described(first)
            if first.total == 1:
                self.read_ahead()
        return self

    def executemany(self, statement: str, many: Iterable[Parameters]) -> Self:
        """Run one statement once for each set of parameters; `rowcount` is the sum. Relations are dropped."""
        changed = 0
        for parameters in many:
            self.execute(statement, parameters)
            self.read_ahead()
            changed += max(self.rowcount, 0)
        self._reset()
        self.rowcount = changed
        return self

    def fetchone(self) -> Row | None:
        """The next row; None after the last. Raises InterfaceError when there is no relation."""
        self._must_have_relation()
        while not self._rows:
            if self._next_page() is None:
                return None
        return self._rows.popleft()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next `size` rows (default `arraysize`), fewer at the end."""
        rows: list[Row] = []
        while len(rows) < (self.arraysize if size is None else size) and (row := self.fetchone()) is not None:
            rows.append(row)
        return rows

    def fetchall(self) -> list[Row]:
        """All rows that are left."""
        self._must_have_relation()
        self.read_ahead()
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def read_ahead(self) -> None:
        """Read the rest of the answer into memory, so that the connection is free. Raises the server's error."""
        while self._next_page() is not None:
            pass

    def close(self) -> None:
        """Close the cursor; rows not fetched are dropped."""
        self._reset()
        self._is_closed = True

    def setinputsizes(self, sizes: Sequence[object]) -> None:
        """Nothing: sizes need no announcement (PEP 249 allows it)."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing, likewise."""

    def __iter__(self) -> Iterator[Row]:
        while (row := self.fetchone()) is not None:
            yield row

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next_page(self) -> Page | None:
        """Take the next page's rows; at the answer's end note how it ended."""
        if self._pages is None:
            return None
        try:
            page = next(self._pages, None)
        except Error:
            self._pages, self._answer = None, None
            raise
        if page is None:
            self._pages = None
            self._ended()
            return None
        self._read_rows += len(page.rows)
        self._rows.extend(map(tuple, page.rows))
        return page

    def _ended(self) -> None:
        if self._answer is None:
            return
        end = self._answer.end
        if self.description is not None or self._read_rows:
            self.rowcount = self._read_rows
            return
        self.message = end.message
        if end.meta is not None and end.meta.rows is not None:
            self.rowcount = end.meta.rows
        else:
            self.rowcount = _rows_in(end.message)

    def _reset(self) -> None:
        """Forget the last statement, reading what the server still sends of it."""
        if self._pages is not None and self._answer is not None:
            with contextlib.suppress(Error):
                self.read_ahead()
        self._pages, self._answer = None, None
        self._rows.clear()
        self.description, self.rowcount, self.message, self._read_rows = None, -1, "", 0

    def _must_be_open(self) -> None:
        if self._is_closed:
            raise InterfaceError("the cursor is closed")

    def _must_have_relation(self) -> None:
        self._must_be_open()
        if self.description is None:
            raise InterfaceError("the last statement gave no relation")


def _described(page: Page) -> Sequence[Described]:
    described: list[Described] = []
    for at, column in enumerate(page.columns):
        first = next((row[at] for row in page.rows if row[at] is not None), None)
        described.append((column.name, type_code(first), None, None, None, None, None))
    return described


def _rows_in(message: str) -> int:
    """The number in ``… (N)`` of a message of change; -1 in any other."""
    count = message.rpartition("(")[2].removesuffix(")")
    return int(count) if message.endswith(")") and count.isdecimal() else -1
