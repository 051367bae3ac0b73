"""A session that runs transactions as a client would, and says of each how it ended. Nothing here imports DirkDB."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tests.checkers.list_append import Ending
from tests.cluster import Connection, message, rows

_STATE = re.compile(r"\((\w{5})\)\Z")
_RETRY_SECONDS = 0.05
_SETTLE_SECONDS = 30.0
#: What COMMIT answers that says no more than: the outcome is not known here, or not now.
_OPEN_STATES = frozenset(("08007", "08006", "57P03", "53300"))


class Refused(Exception):  # noqa: N818 - it is what the server says, not an error of the test
    """An error's answer, by its SQLSTATE."""

    def __init__(self, answer: str) -> None:
        super().__init__(message(answer))
        self.sqlstate = sqlstate(answer)


def sqlstate(answer: str) -> str:
    """The SQLSTATE of an error's answer; empty for a success."""
    text = message(answer)
    found = _STATE.search(text) if text.startswith("Hadisoana : ") else None
    return found[1] if found else ""


class Client:
    """One session of database `database`; it connects again by itself, with `port()` asked each time."""

    def __init__(self, port: Callable[[], int], database: str, source: random.Random) -> None:
        self._port = port
        self._database = database
        self._random = source
        self._connection: Connection | None = None
        #: Transactions that are known to be committed.
        self.commits = 0

    def ask(self, statement: str) -> str:
        """The answer to one statement, END included. Raises OSError when the connection is lost, Refused."""
        if self._connection is None:
            self._connection = Connection(self._port())
            try:
                self._must(f"ampiasao {self._database}")
            except Refused as error:
                self.close()
                raise ConnectionError(str(error)) from error
        return self._must(statement)

    def rows(self, statement: str) -> list[list[Any]]:
        """The rows that a query answers with; raises as `ask`."""
        return rows(self.ask(statement))

    def transact(self, work: Callable[[Client], None]) -> Ending:
        """BEGIN, `work`, COMMIT; whatever is refused on the way is rolled back. How it ended."""
        try:
            self.ask("atombohy")
            work(self)
        except Refused:
            with suppress(OSError, Refused):
                self.ask("avereno")
            return Ending.ABORTED
        except OSError:
            self.close()
            time.sleep(_RETRY_SECONDS)
            return Ending.ABORTED
        return self._commit()

    def close(self) -> None:
        """End the session; the next statement begins another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _must(self, statement: str) -> str:
        assert self._connection is not None
        try:
            answer = self._connection.ask(f"{statement};")
        except OSError:
            self.close()
            raise
        if sqlstate(answer):
            raise Refused(answer)
        return answer

    def _commit(self) -> Ending:
        """COMMIT under a request id, said again under the same id until it is known how it ended."""
        request_id = f"{time.time_ns() // 1_000_000}-{self._random.getrandbits(96):024x}"
        commit = f'/*dirk {{"id":"{request_id}"}}*/tehirizo'
        deadline = time.monotonic() + _SETTLE_SECONDS
        is_first = True
        while True:
            try:
                self.ask(commit)
                self.commits += 1
                return Ending.COMMITTED
            except Refused as error:
                ending = _ending(error.sqlstate, is_first)
            except OSError:
                ending = None
            if ending is not None:
                return ending
            if time.monotonic() > deadline:
                return Ending.UNKNOWN
            is_first = False
            time.sleep(_RETRY_SECONDS)


def _ending(state: str, is_first: bool) -> Ending | None:
    """What a refused COMMIT means; None while the question is open.

    That there is no such transaction (25P01) is a word for good: one that is seen after it is a wrong one.
    """
    if state in _OPEN_STATES and not (is_first and state == "57P03"):
        return None
    return Ending.ABORTED
