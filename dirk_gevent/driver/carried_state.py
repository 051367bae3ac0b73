"""The state that a session carries from one connection to the next: what its server's answers said of it."""

from __future__ import annotations

import re
import time
from typing import Any

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.driver.answers import End
from dirk_gevent.driver.requests import Args, Request
from dirk_parser.names import key

_USE = re.compile(r"Ny tahiry : (.+) dia miasa ankehitriny\Z")
_DROP = re.compile(r"Ny tahiry : (.+) dia voarava\Z")
_LANGUAGE = re.compile(r"Ny fiteny : (\w+)\Z")
_TRANSACTION = {"Nanomboka ny asa": True, "Voatahiry ny asa": False, "Naverina ny asa": False}
# Databases whose index is remembered besides the system's: enough to move between a few, and requests stay short.
_LOGS_KEPT = 16
_SYSTEM_LOG = "0"


class CarriedState:
    """A session's database, language, transaction and the indexes it has seen; it dates and addresses its requests."""

    def __init__(self, language: str | None) -> None:
        #: What the client's own sentences are in: the language that was asked for, else the server's once it told.
        self.spoken = language
        self.database: str | None = None
        self.is_in_transaction = False
        #: A transaction ended with its connection; stays until the user of the session has taken note.
        self.has_lost_transaction = False
        #: Whether the server gives META, and so knows metadata and request ids; None until it answered.
        self.gives_meta: bool | None = None
        self._language = language
        self._indexes: dict[str, int] = {}
        #: What the log's clock is ahead of this machine's, once it was told.
        self._log_ahead_ms = 0
        #: The log of the database that the transaction is in, as its answers tell.
        self._transaction_log: int | None = None

    def request(self, statement: str, args: Args | None) -> Request:
        """The statement under a new request id."""
        log_id = self._transaction_log if self.is_in_transaction else None
        return Request(new_request_id(time.time_ns() // 1_000_000 + self._log_ahead_ms), statement, args, log_id)

    def lose_transaction(self) -> bool:
        """The connection ends: whether a transaction ends with it. The order holds against an exception between."""
        was_in_transaction = self.is_in_transaction
        if was_in_transaction:
            self.has_lost_transaction = True
            self.is_in_transaction = False
        return was_in_transaction

    def metadata(self, request: Request) -> dict[str, Any]:
        """Metadata of the request, so that a connection which knows nothing of the session may take it."""
        metadata: dict[str, Any] = {"id": request.request_id}
        if self.database is not None:
            metadata["db"] = self.database
        if self._language is not None:
            metadata["lang"] = self._language
        if self._indexes:
            metadata["min"] = self._indexes
        if request.args is not None:
            metadata["args"] = request.args
        if request.is_settled_by_id:
            # Said again it is about this database, though another may have the name by then.
            metadata["log"] = request.log_id
        return metadata

    def learn_clock(self, clock_ms: int) -> None:
        """Date requests by the log's clock from now on."""
        self._log_ahead_ms = clock_ms - time.time_ns() // 1_000_000

    def learn(self, end: End) -> None:
        """Take from an answer what the session carries on: its database, language, indexes, transaction."""
        meta = end.meta
        self.gives_meta = meta is not None
        if meta is not None and meta.log_id is not None and meta.index is not None:
            self._saw(meta.log_id, meta.index)
        if meta is not None and meta.clock_ms is not None:
            self.learn_clock(meta.clock_ms)
        if not end.is_error:
            self._learn_from_message(end.message)
        self.spoken = self._language or (meta.language if meta is not None else None) or self.spoken
        if meta is not None and meta.is_in_transaction is not None:
            self.is_in_transaction = meta.is_in_transaction
            if self.is_in_transaction and not end.is_error:
                self.has_lost_transaction = False
                self._transaction_log = int(meta.log_id) if meta.log_id and meta.log_id.isdecimal() else None

    def _learn_from_message(self, message: str) -> None:
        if match := _USE.match(message):
            self.database = match.group(1)
        elif (match := _DROP.match(message)) and self.database is not None:
            if key(match.group(1)) == key(self.database):
                self.database = None
        elif match := _LANGUAGE.match(message):
            self._language = match.group(1)
        self.is_in_transaction = _TRANSACTION.get(message, self.is_in_transaction)

    def _saw(self, log_id: str, index: int) -> None:
        index = max(index, self._indexes.pop(log_id, 0))
        self._indexes[log_id] = index
        if len(self._indexes) > _LOGS_KEPT:
            del self._indexes[next(log for log in self._indexes if log != _SYSTEM_LOG)]
