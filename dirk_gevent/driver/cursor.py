"""PEP 249's cursor: runs statements on its connection and gives their rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from dirk_gevent.driver.answers import Cell, End, Page
from dirk_gevent.driver.dbapi_errors import DataError, Error, InterfaceError, OperationalError, ProgrammingError
from dirk_gevent.driver.dbapi_types import Parameters, encoded, type_code
from dirk_gevent.driver.one_statement import NotOneError, the_statement
from dirk_gevent.driver.requests import Answer, Args

#: One column of `Cursor.description`: name, type code, and five fields that DirkDB has no values for.
Described = tuple[str, str | None, None, None, None, None, None]
Row = tuple[Cell, ...]


class Asking(Protocol):
    """A cursor's connection, as the cursor and those who have only the cursor use it."""

    def ask(self, statement: str, args: Args | None, cursor: Cursor | None) -> Answer:
        """Run a statement for `cursor`. Raises Error."""

    def take(self, answer: Answer) -> Page | None:
        """The answer's next page, None at its end. Raises Error, also that of the server at the end."""

    def begin_if_needed(self) -> None:
        """Open the transaction that a statement without autocommit belongs to. Raises Error."""

    def must_be_usable(self, cursor: Cursor | None = None) -> None:
        """Make it free for a statement of `cursor`. Raises Error when it is closed, or has lost a transaction."""

    def must_be_open(self) -> None:
        """Raises InterfaceError when it is closed."""

    def own(self, key: str, **params: str) -> str:
        """One of the client's own sentences, in the session's language."""

    def commit(self) -> None:
        """Commit the open transaction."""

    def rollback(self) -> None:
        """Undo the open transaction."""


class Cursor:
    """Runs statements on its connection and gives their rows; pages are read when they are fetched.

    An exception may come out of any call at any point (a signal's, a time limit's). What was under way is then void:
    `_is_at_work` stays true, and later calls say so instead of giving an answer in which something may be missing.
    """

    def __init__(self, connection: Asking) -> None:
        self.connection = connection
        self.arraysize = 1
        self.description: Sequence[Described] | None = None
        self.rowcount = -1
        #: The server's message of the last statement that was not a relation.
        self.message = ""
        self._rows: deque[Row] = deque()
        self._answer: Answer | None = None
        self._failure: Error | None = None
        self._read_rows = 0
        self._is_at_work = False
        self._is_closed = False

    def execute(self, statement: str, parameters: Parameters | None = None) -> Self:
        """Run one statement, with or without its ``;``. Returns the cursor, so that it can be iterated.

        A text without a statement (white space, comments) does nothing. Raises Error: ProgrammingError before anything
        is sent for several statements, and for one with a string or comment that is not closed; DataError for
        parameters that can't be kept as they are.
        """
        self._must_be_open()
        self._reset()
        text = self._statement_of(statement)
        try:
            args = None if parameters is None else encoded(parameters)
        except (TypeError, ValueError) as error:
            raise DataError(str(error), "22023") from error
        self.connection.must_be_usable(self)
        if not text:
            return self
        self.connection.begin_if_needed()
        self._is_at_work = True
        self._answer = self.connection.ask(text, args, self)
        self._is_at_work = False
        first = self._next_page()
        if first is not None:
            self.description = _described(first)
            if first.total == 1:
                self._read_all()
        return self

    def executemany(self, statement: str, many: Iterable[Parameters]) -> Self:
        """Run one statement once for each set of parameters; `rowcount` is the sum. Relations are dropped.

        Raises as `execute`.
        """
        self._must_be_open()
        if not isinstance(many, Iterable):
            raise DataError(f"the sets of parameters must be iterable, not a {type(many).__name__}", "22023")
        changed = 0
        for parameters in many:
            self.execute(statement, parameters)
            self._read_all()
            changed += max(self.rowcount, 0)
        self._reset()
        self.rowcount = changed
        return self

    def fetchone(self) -> Row | None:
        """The next row; None after the last. Raises InterfaceError when there is no relation, Error when it is void."""
        self._must_have_relation()
        while not self._rows:
            if self._next_page() is None:
                return None
        return self._taken(1)[0]

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next `size` rows (default `arraysize`), fewer at the end. Raises as `fetchone`."""
        wanted = self.arraysize if size is None else size
        self._must_have_relation()
        while len(self._rows) < wanted and self._next_page() is not None:
            pass
        return self._taken(min(wanted, len(self._rows)))

    def fetchall(self) -> list[Row]:
        """All rows that are left. Raises as `fetchone`."""
        self._must_have_relation()
        self._read_all()
        return self._taken(len(self._rows))

    def read_ahead(self) -> None:
        """Read the rest of the answer into memory, so that the connection is free. An error is kept for who fetches."""
        try:
            self._read_all()
        except Error as error:
            self._failure = error

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

    def _statement_of(self, text: str) -> str:
        if not isinstance(text, str):
            raise ProgrammingError(f"a statement is a str, not a {type(text).__name__}", "42601")
        try:
            return the_statement(text)
        except NotOneError as error:
            raise ProgrammingError(f"{self.connection.own(error.key, inside=error.inside)} (42601)", "42601") from error

    def _taken(self, count: int) -> list[Row]:
        """The first rows of those that are here. Broken off, it leaves none: some would be missing."""
        self._is_at_work = True
        try:
            rows = [self._rows.popleft() for _ in range(count)]
            self._is_at_work = False
            return rows
        except BaseException:
            self._is_at_work = True
            raise

    def _read_all(self) -> None:
        while self._next_page() is not None:
            pass

    def _next_page(self) -> Page | None:
        """Take the next page's rows; at the answer's end note how it ended. Raises Error: all rows are void then."""
        self._must_be_whole()
        if self._answer is None:
            return None
        self._is_at_work = True
        try:
            page = self.connection.take(self._answer)
        except Error as error:
            self._failure, self._answer = error, None
            self._rows.clear()
            self._is_at_work = False
            raise
        if page is None:
            self._ended(self._answer.end)
            self._answer = None
        else:
            self._read_rows += len(page.rows)
            self._rows.extend(map(tuple, page.rows))
        self._is_at_work = False
        return page

    def _ended(self, end: End) -> None:
        if self.description is not None or self._read_rows:
            self.rowcount = self._read_rows
            return
        self.message = end.message
        if end.meta is not None and end.meta.rows is not None:
            self.rowcount = end.meta.rows
        else:
            self.rowcount = _rows_in(end.message)

    def _reset(self) -> None:
        """Forget the last statement; the session reads away what the server still sends of it."""
        self._answer = self._failure = None
        self._rows.clear()
        self.description, self.rowcount, self.message, self._read_rows = None, -1, "", 0
        self._is_at_work = False

    def _must_be_open(self) -> None:
        if self._is_closed:
            raise InterfaceError("the cursor is closed")
        self.connection.must_be_open()

    def _must_be_whole(self) -> None:
        """Raises the error at which the answer ended."""
        if self._is_at_work and self._failure is None:
            self._failure = OperationalError(f"{self.connection.own('client_interrupted')} (57014)", "57014")
        if self._failure is not None:
            raise self._failure

    def _must_have_relation(self) -> None:
        self._must_be_open()
        self._must_be_whole()
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
