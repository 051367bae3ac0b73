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

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.driver.answers import End, NotDirkError, Page
from dirk_gevent.driver.carried_state import CarriedState
from dirk_gevent.driver.dialer import Dialer, Patience, new_backoff
from dirk_gevent.driver.requests import Answer, Args, Cancelled, LostError, Request, SessionError, UnreachableError
from dirk_gevent.driver.tcp_connection import Address, TcpConnection, encode

#: Answers that leave a write in doubt in doubt: not what a log entry answers, but what the way to it does.
_UNSETTLED_CLASSES = ("08", "53", "57P")
_OUTCOME_UNKNOWN = "08007"
_ATTEMPTS = 6


class Session:
    """A user's session on the client's side of the wire: database, language, indexes seen. One statement at a time,
    from one thread.

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
        #: The id of the last COMMIT.
        self.commit_id = ""
        self._carried = CarriedState(language)
        self._dialer = Dialer(address, patience or Patience(), notify)
        self._connection: TcpConnection | None = None
        self._is_sent = False
        self._request: Request | None = None
        self._answer: Answer | None = None

    @property
    def spoken(self) -> str | None:
        """The language of the client's own sentences: the one asked for, else the server's once it told."""
        return self._carried.spoken

    @property
    def database(self) -> str | None:
        """The current database, None while none is chosen."""
        return self._carried.database

    @property
    def is_in_transaction(self) -> bool:
        """True when a transaction is open."""
        return self._carried.is_in_transaction

    @property
    def has_lost_transaction(self) -> bool:
        """True when a transaction ended with its connection, and the user of the session has not taken note yet."""
        return self._carried.has_lost_transaction

    def note_lost_transaction(self) -> None:
        """The user knows that a transaction was lost: the next statement is of another one."""
        self._carried.has_lost_transaction = False

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
        request = self._carried.request(statement, args)
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
        in_doubt, backoff = False, new_backoff()
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(backoff.next_seconds())
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
            self._carried.gives_meta = first.meta is not None
            in_doubt = in_doubt or (first.sqlstate == _OUTCOME_UNKNOWN and not request.is_repeatable)
            if self._is_misdated(first, request):
                if in_doubt:
                    # An earlier sending may have run, or may run yet.
                    raise self._unknown(request)
                if not is_redated:
                    # Sent once and refused: the statement begins anew under an id of the log's time.
                    renewed = self._carried.request(request.statement, request.args)
                    self._request = renewed
                    return self._ask(renewed, is_redated=True)
            if in_doubt and request.is_settled_by_id:
                # The transaction is over, however it ended.
                self._carried.is_in_transaction = False
            is_settled = not first.sqlstate.startswith(_UNSETTLED_CLASSES)
            if not in_doubt or is_settled or self.is_in_transaction or not self._carried.gives_meta:
                return first, rest
        if in_doubt:
            raise self._unknown(request)
        raise LostError("client_lost", "08006", address=str(self.address))

    def _is_misdated(self, end: End, request: Request) -> bool:
        """True when the log refused the request's id for its date, and it may be given another; learns the log's
        time."""
        if end.meta is None or end.meta.clock_ms is None:
            return False
        self._carried.learn_clock(end.meta.clock_ms)
        return not (self.is_in_transaction or request.is_commit)

    def _attempt(self, request: Request, in_doubt: bool) -> tuple[Page | End, Iterator[Page | End]]:
        connection = self._connected()
        if in_doubt and not self._understands_ids(connection):
            raise self._unknown(request)
        encoded = encode(request.statement, self._carried.metadata(request))
        self._is_sent = True
        rest = connection.ask(encoded, asks_meta=True)
        return self._dialer.first_part(connection, rest), rest

    def _after_loss(self, request: Request, error: OSError) -> None:
        """The connection failed under a request: raises LostError when it must not be sent again."""
        was_in_transaction = self._drop()
        self._dialer.is_lost = True
        if was_in_transaction and not request.is_commit:
            raise LostError("client_transaction_lost", "08006", address=str(self.address)) from error
        is_asked_again = request.is_settled_by_id and bool(self._carried.gives_meta) and not _is_timeout(error)
        if (was_in_transaction and not is_asked_again) or (_is_timeout(error) and not request.is_repeatable):
            raise self._unknown(request) from error
        if _is_timeout(error):
            raise LostError("client_timeout", "57014", address=str(self.address)) from error

    def _understands_ids(self, connection: TcpConnection) -> bool:
        """True when the server knows request ids; asked with a read when no answer has told yet."""
        if self._carried.gives_meta is None:
            request_id = new_request_id(time.time_ns() // 1_000_000)
            for part in connection.ask(encode("alaivo 1 antso x", {"id": request_id}), asks_meta=True):
                if isinstance(part, End):
                    self._carried.gives_meta = part.meta is not None
            connection.settled()
        return bool(self._carried.gives_meta)

    def _unknown(self, request: Request) -> LostError:
        return LostError("client_outcome_unknown", _OUTCOME_UNKNOWN, id=request.request_id)

    def _parts(self, first: Page | End, rest: Iterator[Page | End]) -> Iterator[Page | End]:
        part: Page | End | None = first
        try:
            while part is not None:
                if isinstance(part, End):
                    self._request = None
                    self._carried.learn(part)
                    if self._connection is not None:
                        # Last: what an exception keeps from being learned is not to be built upon.
                        self._connection.settled()
                yield part
                part = next(rest, None)
        except OSError as error:
            self._drop()
            self._request, self._dialer.is_lost = None, True
            raise LostError("client_lost_midway", "08006", address=str(self.address)) from error

    def _connected(self) -> TcpConnection:
        """The connection, a new one when there is none or the server closed it while it was idle."""
        if self._connection is not None and self._connection.has_ended():
            was_in_transaction = self._drop()
            self._dialer.is_lost = True
            if was_in_transaction:
                raise LostError("client_transaction_lost", "08006", address=str(self.address))
        if self._connection is None:
            connection = self._dialer.open()
            if self.database is not None and not self._carried.gives_meta:
                self._restore_by_statement(connection, self.database)
            self._connection = connection
        return self._connection

    def _restore_by_statement(self, connection: TcpConnection, database: str) -> None:
        """Tell a server that knows no metadata which database the session is in, in its own words."""
        for _ in connection.ask(encode(use_statement(database), {}), asks_meta=False):
            pass
        connection.settled()

    def _drop(self) -> bool:
        """End the connection, and whatever was under way; whether a transaction ended with it.

        The order holds against an exception that comes between: what is not done yet is done by the next statement.
        """
        connection = self._connection
        if connection is not None:
            connection.is_given_up = True
        was_in_transaction = self._carried.lose_transaction()
        if connection is not None:
            connection.close()
        self._connection = self._answer = None
        return was_in_transaction


def use_statement(database: str) -> str:
    """The statement that makes `database` the current one, whatever its name."""
    doubled = database.replace("`", "``")
    return f"ampiasao `{doubled}`"


def _is_timeout(error: OSError) -> bool:
    """True when our own limit ended the wait (the system's ETIMEDOUT is a lost connection)."""
    return isinstance(error, TimeoutError) and error.errno is None
