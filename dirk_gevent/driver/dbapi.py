"""A PEP 249 driver: ``connect(…).cursor().execute("alaivo * ao@ t rehefa id = ?", (7,))``.

Parameters travel beside the statement, never as part of its text, and are kept exactly or refused. An answer belongs to
its request, or the connection ends: whatever exception leaves `execute`, and wherever, the next statement gets its own
answer. A lost connection is opened again and what may
run twice is sent again, as `driver/session.py` says. Unlike PEP 249's default a statement is committed by itself, as in
DirkDB everywhere; ``connect(autocommit=False)`` begins a transaction with the first statement after each commit.
Sockets block: a gevent program calls the driver from a native thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from dirk_gevent.driver.answers import End, NotDirkError, Page
from dirk_gevent.driver.client_texts import sentence
from dirk_gevent.driver.cursor import Cursor
from dirk_gevent.driver.dbapi_errors import (
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
from dirk_gevent.driver.dbapi_types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    Time,
    Timestamp,
    half_character,
)
from dirk_gevent.driver.dbapi_types import date_from_ticks as DateFromTicks  # noqa: N812 (PEP 249's names)
from dirk_gevent.driver.dbapi_types import time_from_ticks as TimeFromTicks  # noqa: N812
from dirk_gevent.driver.dbapi_types import timestamp_from_ticks as TimestampFromTicks  # noqa: N812
from dirk_gevent.driver.dialer import Patience
from dirk_gevent.driver.requests import Answer, Args, SessionError, is_commit
from dirk_gevent.driver.session import Session, use_statement
from dirk_gevent.driver.tcp_connection import Address
from dirk_gevent.messages.texts import LANGUAGES

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
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
#: SQLSTATEs of a transaction that went with its connection, and of a COMMIT that may have been carried out.
_LOST, _UNKNOWN = "08006", "08007"


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

    `language` is that of the server's messages: mg, fr or en; None leaves it to the server.
    `wait_seconds`: how long to wait for a server that is not there yet; `reconnect_seconds`: how long to look for
    one that went away; `timeout_seconds`: the longest wait for an answer's next bytes (None: no limit).
    """
    if language is not None and language not in LANGUAGES:
        raise ProgrammingError(f"language {language!r} is not one of {', '.join(LANGUAGES)}", "22023")
    patience = Patience(wait_seconds, reconnect_seconds, timeout_seconds)
    connection = Connection(Session(Address(host, port), language, patience), autocommit=autocommit)
    try:
        connection.open(database)
    except BaseException:
        connection.close()
        raise
    return connection


class Connection:
    """A session with a server. As a context manager it commits (or rolls back on an exception) and closes.

    An exception that breaks off a call (Ctrl-C, a time limit) ends the connection at the server; the next call opens
    another. A transaction is lost with it: every call says so then, until `rollback` or `commit`.
    """

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
        self._autocommit = autocommit
        self._session = session
        self._is_closed = False
        #: A COMMIT has begun and nobody has been told yet how it ended.
        self._is_committing = False
        self._reading: Cursor | None = None

    @property
    def autocommit(self) -> bool:
        """True when each statement is committed by itself. Setting it inside a transaction raises ProgrammingError."""
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        """Change it. Raises ProgrammingError inside a transaction, InterfaceError when closed."""
        self.must_be_usable()
        if value == self._autocommit:
            return
        if self.in_transaction:
            raise ProgrammingError(f"{self.own('client_in_transaction')} (25001)", "25001")
        self._autocommit = bool(value)

    @property
    def database(self) -> str | None:
        """The current database; None before one is chosen."""
        return self._session.database

    @property
    def in_transaction(self) -> bool:
        """True when a transaction is open."""
        return self._session.is_in_transaction

    def open(self, database: str | None) -> None:
        """Connect and choose `database`. Raises as `connect` does."""
        try:
            self._session.connect()
        except SessionError as error:
            raise self._error_of(error) from error
        if database is not None:
            self._run(use_statement(database))

    def cursor(self) -> Cursor:
        """A new cursor."""
        self.must_be_open()
        return Cursor(self)

    def commit(self) -> None:
        """Commit the open transaction; nothing without one. Raises OperationalError when it was lost."""
        self._end("tehirizo")

    def rollback(self) -> None:
        """Undo the open transaction; nothing without one, and when it was lost.

        Raises OperationalError 08007 after a COMMIT that was broken off: it may have been carried out.
        """
        try:
            self._end("avereno")
        except OperationalError as error:
            if error.sqlstate != _LOST:
                raise

    def close(self) -> None:
        """Close it; an open transaction is lost. Closing again does nothing."""
        self._is_closed = True
        self._reading = None
        self._session.close()

    def __enter__(self) -> Self:
        self.must_be_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._is_closed:
                self.commit()
        finally:
            self.close()

    def ask(self, statement: str, args: Args | None, cursor: Cursor | None) -> Answer:
        """Run a statement for `cursor`; what another cursor has not fetched yet is read into its memory first.

        Raises InterfaceError when closed, OperationalError when the server can't be asked.
        """
        self.must_be_usable(cursor)
        self._reading = cursor
        self._is_committing = self.in_transaction and is_commit(statement)
        try:
            with self._errors():
                return self._session.run(statement, args)
        except Error:
            if self._is_committing:
                self._has_told()
            raise

    def take(self, answer: Answer) -> Page | None:
        """An answer's next page, None at its end. Raises OperationalError when it is cut off, and the server's error
        at its end.
        """
        with self._errors():
            page = answer.take()
        if page is None:
            self._is_committing = False
            self._must_end_well(answer.end)
        return page

    def begin_if_needed(self) -> None:
        """Open the transaction that a statement without autocommit belongs to."""
        if not self._autocommit and not self.in_transaction:
            self._run("atombohy")

    def must_be_open(self) -> None:
        """Raises InterfaceError when it is closed."""
        if self._is_closed:
            raise InterfaceError("the connection is closed")

    def must_be_usable(self, cursor: Cursor | None = None) -> None:
        """Make the connection free for a statement of `cursor`: what another has not fetched is read into its memory.

        Raises InterfaceError when it is closed; while a transaction that was lost has not been ended, OperationalError:
        08006, or 08007 when that was in its COMMIT.
        """
        self.must_be_open()
        reading, self._reading = self._reading, None
        if reading is not None and reading is not cursor:
            reading.read_ahead()
        self._session.settle()
        if self._is_committing and not self.in_transaction:
            text = self.own("client_outcome_unknown", id=self._session.commit_id)
            raise OperationalError(f"{text} ({_UNKNOWN})", _UNKNOWN)
        if self._session.has_lost_transaction:
            text = self.own("client_transaction_lost", address=str(self._session.address))
            raise OperationalError(f"{text} ({_LOST})", _LOST)

    def own(self, key: str, **params: str) -> str:
        """One of the client's own sentences, in the session's language."""
        return sentence(key, self._session.spoken, params)

    def _end(self, statement: str) -> None:
        """End the transaction, if there is one. What is told of it here, by an Error, is not told again."""
        try:
            self.must_be_usable()
            if self.in_transaction:
                self._run(statement)
        except Error:
            self._has_told()
            raise

    def _has_told(self) -> None:
        """An Error says what is known of the transaction that there was: the next statement is of another one."""
        self._is_committing = False
        self._session.note_lost_transaction()

    def _run(self, statement: str) -> None:
        """Run a statement that answers with no relation. Raises Error."""
        answer = self.ask(statement, None, None)
        while self.take(answer) is not None:
            pass

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Whatever goes wrong on the way to the server, as PEP 249's errors."""
        try:
            yield
        except SessionError as error:
            raise self._error_of(error) from error
        except NotDirkError as error:
            raise InterfaceError(f"what answers at {self._session.address} is not DirkDB: {error.line}") from error
        except UnicodeEncodeError as error:
            raise DataError(f"the statement {half_character(error)}", "22021") from error
        except OSError as error:
            raise OperationalError(f"{error} (08006)", "08006") from error

    def _must_end_well(self, end: End) -> None:
        if end.is_error:
            column = end.meta.column if end.meta is not None else None
            raise error_class(end.sqlstate)(end.message, end.sqlstate, end.line, column)

    def _error_of(self, error: SessionError) -> Exception:
        return OperationalError(f"{self.own(error.key, **error.params)} ({error.sqlstate})", error.sqlstate)
