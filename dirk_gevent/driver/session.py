"""A session that outlives its connections: it reconnects, restores what the session had, and resends with care.

What may be sent again after a connection was lost in the middle of a statement:

====================================  =====================================================================
a read                                always
a write                               with its request id only: the cluster runs an id once and gives the first
                                      run's answer again; not to a server that gave no META, it knows no ids
anything inside a transaction         never: the transaction died with its connection (its COMMIT: unknown)
====================================  =====================================================================

A write whose first answer was lost stays *in doubt* until an answer comes that a log entry can give. 57P03 and its
like say only that *this* attempt was not appended, so they settle nothing: after a few attempts the user is told
08007 with the request id.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dirk_gevent.driver.answers import End, NotDirkError, Page
from dirk_gevent.driver.requests import Answer, Args, Cancelled, LostError, Request, SessionError, UnreachableError
from dirk_gevent.driver.silence import wait_for_first_word
from dirk_gevent.driver.tcp_connection import Address, TcpConnection, encode

_USE = re.compile(r"Ny tahiry : (.+) dia miasa ankehitriny\Z")
_DROP = re.compile(r"Ny tahiry : (.+) dia voarava\Z")
_LANGUAGE = re.compile(r"Ny fiteny : (\w+)\Z")
_TRANSACTION = {"Nanomboka ny asa": True, "Voatahiry ny asa": False, "Naverina ny asa": False}

#: Answers that leave a write in doubt in doubt: not what a log entry answers, but what the way to it does.
_UNSETTLED_CLASSES = ("08", "53", "57P")
_OUTCOME_UNKNOWN = "08007"
_ATTEMPTS = 6
_BACKOFF_FIRST_SECONDS = 0.05
_BACKOFF_MOST_SECONDS = 2.0
# Databases whose index is remembered besides the system's: enough to move between a few, and requests stay short.
_LOGS_KEPT = 16
_SYSTEM_LOG = "0"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long connecting is tried: the first time, and after a connection that worked was lost."""

    first_seconds: float = 0.0
    again_seconds: float = 30.0
    answer_timeout_seconds: float | None = None


class Session:
    """A user's session: database, language, indexes seen. One statement at a time, from one thread.

    `notify(key, params)` is told what the user should know on the way (reconnecting, reconnected).
    """

    def __init__(
        self,
        address: Address,
        language: str | None = None,
        patience: Patience | None = None,
        notify: Callable[[str, Mapping[str, str]], None] = lambda _key, _params: None,
    ) -> None:
        self.address = address
        self.language = language
        #: What the client's own sentences are in: the language that was asked for, else the server's once it told.
        self.spoken = language
        self.database: str | None = None
        self.is_in_transaction = False
        #: A transaction ended with its connection; stays until the user of the session has taken note.
        self.has_lost_transaction = False
        #: The id of the last COMMIT.
        self.commit_id = ""
        self._patience = patience or Patience()
        self._notify = notify
        self._connection: TcpConnection | None = None
        self._was_connected = self._has_heard = False
        self._is_lost = self._is_sent = False
        self._gives_meta: bool | None = None
        self._indexes: dict[str, int] = {}
        #: What the log's clock is ahead of this machine's, once it was told.
        self._log_ahead_ms = 0
        #: The log of the database that the transaction is in, as its answers tell.
        self._transaction_log: int | None = None
        self._request: Request | None = None
        self._answer: Answer | None = None

    def connect(self) -> None:
        """Connect now rather than with the first statement. Raises UnreachableError."""
        self._connected()

    def run(self, statement: str, args: Args | None = None) -> Answer:
        """Run one statement (without ``;``); an error of the server is an Answer too.

        Raises UnreachableError, LostError, and NotDirkError when the server is none. Lost after the first page
        was given, iterating raises LostError: those rows are void. An earlier answer is read to its end first; one that
        an exception broke off ends its connection, and with it a transaction (LostError): nothing is run then.
        """
        was_in_transaction = self.is_in_transaction
        self.settle()
        if was_in_transaction and self.has_lost_transaction:
            raise LostError("client_transaction_lost", "08006", address=str(self.address))
        asked_at_seconds = time.monotonic()
        log_id = self._transaction_log if self.is_in_transaction else None
        request = Request(new_request_id(self._log_ahead_ms), statement, args, log_id)
        self._request, self._is_sent = request, False
        if request.is_commit:
            self.commit_id = request.request_id
        try:
            first, rest = self._ask(request)
        except SessionError:
            self._request = None
            raise
        self._answer = Answer(self._parts(first, rest), asked_at_seconds)
        return self._answer

    def settle(self) -> None:
        """Make the connection free for a request: nothing of an earlier answer is to come over it any more.

        What is left of one is read for nobody. One that was broken off ends its connection, as does a COMMIT whose
        answer nobody has seen; then `has_lost_transaction` says whether a transaction went with it.
        """
        left = self._request
        if self._answer is not None and not (left is not None and left.is_commit):
            with suppress(LostError, NotDirkError):
                self._answer.drop()
        if self._connection is not None and not self._connection.is_free:
            self._drop()
        self._request = self._answer = None

    def cancel(self) -> Cancelled | None:
        """Give up the running statement (None: there is none): its connection is closed, the next opens another.

        It is not sent again to learn its outcome, since that would run a write that had not run yet.
        """
        request, self._request = self._request, None
        if request is None:
            return None
        lost_transaction = self._drop()
        harmless = not self._is_sent or request.is_repeatable or (lost_transaction and not request.is_commit)
        return Cancelled(request, not harmless, lost_transaction)

    def close(self) -> None:
        """End the session. Never raises."""
        self._drop()

    def _ask(self, request: Request, is_redated: bool = False) -> tuple[Page | End, Iterator[Page | End]]:
        """Send the request, again where that is right, until its answer begins."""
        in_doubt = False
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_pause_seconds(attempt))
            try:
                first, rest = self._attempt(request, in_doubt)
            except UnreachableError as error:
                raise (self._unknown(request) if in_doubt else error) from error
            except OSError as error:
                self._after_loss(request, error)
                in_doubt = not request.is_repeatable
                continue
            if not isinstance(first, End) or not first.is_error:
                return first, rest
            self._gives_meta = first.meta is not None
            in_doubt = in_doubt or (first.sqlstate == _OUTCOME_UNKNOWN and not request.is_repeatable)
            if self._is_misdated(first, request):
                if in_doubt:
                    # An earlier sending may have run, or may run yet.
                    raise self._unknown(request)
                if not is_redated:
                    # Sent once and refused: the statement begins anew under an id of the log's time.
                    renewed = Request(new_request_id(self._log_ahead_ms), request.statement, request.args)
                    self._request = renewed
                    return self._ask(renewed, is_redated=True)
            if in_doubt and request.is_settled_by_id:
                # The transaction is over, however it ended.
                self.is_in_transaction = False
            is_settled = not first.sqlstate.startswith(_UNSETTLED_CLASSES)
            if not in_doubt or is_settled or self.is_in_transaction or not self._gives_meta:
                return first, rest
        if in_doubt:
            raise self._unknown(request)
        raise LostError("client_lost", "08006", address=str(self.address))

    def _is_misdated(self, end: End, request: Request) -> bool:
        """Whether the log refused the request's id for its date, and it may be given another; learns the log's time."""
        if end.meta is None or end.meta.clock_ms is None:
            return False
        self._learn_clock(end.meta.clock_ms)
        return not (self.is_in_transaction or request.is_commit)

    def _learn_clock(self, clock_ms: int) -> None:
        self._log_ahead_ms = clock_ms - time.time_ns() // 1_000_000

    def _attempt(self, request: Request, in_doubt: bool) -> tuple[Page | End, Iterator[Page | End]]:
        connection = self._connected()
        if in_doubt and not self._understands_ids(connection):
            raise self._unknown(request)
        encoded = encode(request.statement, self._metadata(request))
        self._is_sent = True
        rest = connection.ask(encoded, asks_meta=True)
        if not self._has_heard:
            wait_for_first_word(connection, self.address, self._notify)
        first = next(rest)
        self._has_heard = True
        return first, rest

    def _after_loss(self, request: Request, error: OSError) -> None:
        """The connection failed under a request: raises LostError when it must not be sent again."""
        was_in_transaction = self._drop()
        self._is_lost = True
        if was_in_transaction and not request.is_commit:
            raise LostError("client_transaction_lost", "08006", address=str(self.address)) from error
        is_asked_again = request.is_settled_by_id and bool(self._gives_meta) and not _is_timeout(error)
        if (was_in_transaction and not is_asked_again) or (_is_timeout(error) and not request.is_repeatable):
            raise self._unknown(request) from error
        if _is_timeout(error):
            raise LostError("client_timeout", "57014", address=str(self.address)) from error

    def _understands_ids(self, connection: TcpConnection) -> bool:
        """Whether the server knows request ids; asked with a read when no answer has told yet."""
        if self._gives_meta is None:
            for part in connection.ask(encode("alaivo 1 antso x", {"id": new_request_id()}), asks_meta=True):
                if isinstance(part, End):
                    self._gives_meta = part.meta is not None
            connection.settled()
        return bool(self._gives_meta)

    def _unknown(self, request: Request) -> LostError:
        return LostError("client_outcome_unknown", _OUTCOME_UNKNOWN, id=request.request_id)

    def _metadata(self, request: Request) -> dict[str, Any]:
        metadata: dict[str, Any] = {"id": request.request_id}
        if self.database is not None:
            metadata["db"] = self.database
        if self.language is not None:
            metadata["lang"] = self.language
        if self._indexes:
            metadata["min"] = self._indexes
        if request.args is not None:
            metadata["args"] = request.args
        if request.is_settled_by_id:
            # Said again it is about this database, though another may have the name by then.
            metadata["log"] = request.log_id
        return metadata

    def _parts(self, first: Page | End, rest: Iterator[Page | End]) -> Iterator[Page | End]:
        part: Page | End | None = first
        try:
            while part is not None:
                if isinstance(part, End):
                    self._learn(part)
                    if self._connection is not None:
                        # Last: what an exception keeps from being learned is not to be built upon.
                        self._connection.settled()
                yield part
                part = next(rest, None)
        except OSError as error:
            self._drop()
            self._request, self._is_lost = None, True
            raise LostError("client_lost_midway", "08006", address=str(self.address)) from error

    def _learn(self, end: End) -> None:
        """Take from an answer what the session carries on: its database, language, indexes, transaction."""
        self._request = None
        meta = end.meta
        self._gives_meta = meta is not None
        if meta is not None and meta.log_id is not None and meta.index is not None:
            self._saw(meta.log_id, meta.index)
        if meta is not None and meta.clock_ms is not None:
            self._learn_clock(meta.clock_ms)
        if not end.is_error:
            self._learn_from_message(end.message)
        self.spoken = self.language or (meta.language if meta is not None else None) or self.spoken
        if meta is not None and meta.is_in_transaction is not None:
            self.is_in_transaction = meta.is_in_transaction
            if self.is_in_transaction and not end.is_error:
                self.has_lost_transaction = False
                self._transaction_log = int(meta.log_id) if meta.log_id and meta.log_id.isdecimal() else None

    def _learn_from_message(self, message: str) -> None:
        if found := _USE.match(message):
            self.database = found.group(1)
        elif (found := _DROP.match(message)) and self.database is not None:
            if found.group(1).casefold() == self.database.casefold():
                self.database = None
        elif found := _LANGUAGE.match(message):
            self.language = found.group(1)
        self.is_in_transaction = _TRANSACTION.get(message, self.is_in_transaction)

    def _saw(self, log_id: str, index: int) -> None:
        index = max(index, self._indexes.pop(log_id, 0))
        self._indexes[log_id] = index
        if len(self._indexes) > _LOGS_KEPT:
            del self._indexes[next(log for log in self._indexes if log != _SYSTEM_LOG)]

    def _connected(self) -> TcpConnection:
        """The connection, a new one when there is none or the server closed it while it was idle."""
        if self._connection is not None and self._connection.has_ended():
            was_in_transaction = self._drop()
            self._is_lost = True
            if was_in_transaction:
                raise LostError("client_transaction_lost", "08006", address=str(self.address))
        if self._connection is None:
            connection = self._open()
            if self.database is not None and not self._gives_meta:
                self._restore_by_statement(connection, self.database)
            self._connection = connection
        return self._connection

    def _restore_by_statement(self, connection: TcpConnection, database: str) -> None:
        """Tell a server that knows no metadata which database the session is in, in its own words."""
        for _ in connection.ask(encode(use_statement(database), {}), asks_meta=False):
            pass
        connection.settled()

    def _open(self) -> TcpConnection:
        """Connect, trying again with jittered back-off; the user is told once that it takes time."""
        patience_seconds = self._patience.again_seconds if self._was_connected else self._patience.first_seconds
        deadline = time.monotonic() + patience_seconds
        params = {"address": str(self.address)}
        attempt = 0
        while True:
            try:
                connection = TcpConnection(self.address, self._patience.answer_timeout_seconds)
                break
            except (ValueError, OverflowError) as error:
                # No name of a machine, no number of a port: waiting changes nothing.
                raise UnreachableError("client_unreachable", "08001", **params, reason=str(error)) from error
            except OSError as error:
                pause_seconds = _pause_seconds(attempt)
                if time.monotonic() + pause_seconds > deadline:
                    raise UnreachableError("client_unreachable", "08001", **params, reason=_reason(error)) from error
            if attempt == 0:
                self._notify("client_reconnecting" if self._was_connected else "client_waiting", params)
            time.sleep(pause_seconds)
            attempt += 1
        if attempt or self._is_lost:
            self._notify("client_connected", params)
        self._was_connected, self._is_lost = True, False
        return connection

    def _drop(self) -> bool:
        """End the connection, and whatever was under way; whether a transaction ended with it.

        The order holds against an exception that comes between: what is not done yet is done by the next statement.
        """
        connection, was_in_transaction = self._connection, self.is_in_transaction
        if connection is not None:
            connection.is_given_up = True
        if was_in_transaction:
            self.has_lost_transaction = True
            self.is_in_transaction = False
        if connection is not None:
            connection.close()
        self._connection = self._answer = None
        return was_in_transaction


def use_statement(database: str) -> str:
    """The statement that makes `database` the current one, whatever its name."""
    doubled = database.replace("`", "``")
    return f"ampiasao `{doubled}`"


def new_request_id(ahead_ms: int = 0) -> str:
    """`<unix ms>-<96 random bits>`: unique in the world, and its age can be read from it.

    `ahead_ms` is what the log's clock is ahead of this machine's.
    """
    return f"{max(0, time.time_ns() // 1_000_000 + ahead_ms):013d}-{os.urandom(12).hex()}"


def _pause_seconds(attempt: int) -> float:
    """How long to wait before attempt `attempt` + 1: doubling up to the most, with jitter of a half."""
    import random

    return min(_BACKOFF_MOST_SECONDS, _BACKOFF_FIRST_SECONDS * float(2**attempt)) * random.uniform(0.5, 1.0)


def _is_timeout(error: OSError) -> bool:
    """Whether our own limit ended the wait (the system's ETIMEDOUT is a lost connection)."""
    return isinstance(error, TimeoutError) and error.errno is None


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
