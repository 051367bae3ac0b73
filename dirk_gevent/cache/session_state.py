"""A cache's view of one client's session, taken from the answers that went through it.

It decides by that whether the store may answer a request, and how new the answer must be.
"""

from __future__ import annotations

from typing import Any

from dirk_gevent.cache.store import Key, Store
from dirk_gevent.cache.verdicts import Verdict, canonical_args
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.server.freshness import needed_index
from dirk_gevent.server.session import Request, Session, spoken

#: Longer statements are not worth a place in the store.
KEY_LIMIT_BYTES = 64 * 1024
#: Logs whose index a session remembers before it forgets those of databases that are gone.
REMEMBERED_LOGS = 64


class SessionState:
    """The state of one session: `session`, the logs of the databases it named, its transaction.

    Nothing is served from the store before the first answer from upstream: that says how far a new session must see.
    """

    def __init__(self, store: Store, language: str) -> None:
        self.session = Session(language)
        self.in_transaction = False
        self._store = store
        self._log_ids: dict[str, int] = {}
        self._is_introduced = False

    def log_id_of(self, request: Request) -> int:
        """The log of the database that a request is about, the log of databases when it is not known."""
        if request.database in (None, self.session.database):
            return self.session.log_id
        return self._log_ids.get(request.database or "", SYSTEM_LOG_ID)

    def metadata_for(self, request: Request) -> dict[str, Any]:
        """The metadata that upstream needs, so that its answer is the one that the session is to get."""
        session = self.session
        minimum = dict(request.minimum)
        # Only the logs that the request can be about: a session may have seen thousands of databases.
        for log_id in (SYSTEM_LOG_ID, session.log_id, self._log_ids.get(request.database or "", SYSTEM_LOG_ID)):
            if index := needed_index(session, request, log_id):
                minimum[log_id] = index
        added: dict[str, Any] = {"min": {str(log_id): index for log_id, index in minimum.items()}}
        if self._is_introduced:
            added["lang"] = spoken(session, request)
        if (database := request.database or session.database) is not None:
            added["db"] = database
        return added

    def judge(self, request: Request) -> Verdict:
        """Decide if, and under which key, the store may answer."""
        session = self.session
        log_id: int | None = session.log_id
        if request.database is not None and request.database != session.database:
            log_id = self._log_ids.get(request.database)
        bypass = ""
        if request.read == "strong":
            bypass = "strong"
        elif self.in_transaction:
            bypass = "transaction"
        elif not self._is_introduced or log_id is None:
            bypass = "new_session"
        elif len(request.raw) > KEY_LIMIT_BYTES:
            bypass = "size"
        if bypass or log_id is None:
            return Verdict(None, 0, bypass)
        if request.read != "any" and log_id not in session.indexes:
            return Verdict(None, 0, "new_session")
        if needed_index(session, request, SYSTEM_LOG_ID) > self._named_index(log_id):
            return Verdict(None, 0, "databases")
        need = needed_index(session, request, log_id)
        language = spoken(session, request)
        return Verdict(Key(log_id, language, request.raw, canonical_args(request)), need)

    def _named_index(self, log_id: int) -> int:
        """Up to which index of the log of databases it is known here that a name stands for this log: up to the entry
        that made it, and on up to the last header, since with its drop all that is held of it would have gone.
        """
        return max(log_id, self._store.horizon(SYSTEM_LOG_ID).head)

    def absorb(self, request: Request, meta: dict[str, Any]) -> None:
        """Take over what an answer says of the session."""
        session = self.session
        log_id, index = meta.get("log"), meta.get("index")
        self.in_transaction = bool(meta.get("tx", self.in_transaction))
        # Where a session begins is not told by what "any" gave: that may be old.
        is_any = request.read == "any" and log_id not in session.indexes and meta.get("kind") == "read"
        if isinstance(log_id, int) and isinstance(index, int) and not is_any:
            session.saw(log_id, index)
        self._learn_database(meta)
        is_session = meta.get("kind") == "session"
        if isinstance(meta.get("lang"), str) and (request.language is None or is_session):
            session.language = meta["lang"]
        if isinstance(log_id, int):
            self._is_introduced = True

    def _learn_database(self, meta: dict[str, Any]) -> None:
        """Which database is chosen, and which log a database has, for requests that name one.

        Only what was about a database says so: to anything else a fresh upstream connection answers that none
        is chosen. All is forgotten when databases may have changed.
        """
        kind, database, log_id = meta.get("kind"), meta.get("db"), meta.get("log")
        if kind == "write" and not meta.get("tables"):
            self._forget_databases()
            if meta.get("dropped") == self.session.log_id:
                self.session.database, self.session.log_id = None, SYSTEM_LOG_ID
        elif kind in ("read", "session") and isinstance(database, str) and isinstance(log_id, int):
            self._log_ids[database] = log_id
            if kind == "session" or database == self.session.database:
                self.session.use(database, log_id)

    def _forget_databases(self) -> None:
        """A database was made or dropped by this session."""
        self._log_ids.clear()
        indexes = self.session.indexes
        if len(indexes) > REMEMBERED_LOGS:
            for log_id in [log for log in indexes if log != SYSTEM_LOG_ID and not self._store.follows(log)]:
                del indexes[log_id]

    def may_hit(self) -> bool:
        """True when the store may answer what says no more than a statement."""
        if not self._is_introduced or self.in_transaction:
            return False
        indexes, log_id = self.session.indexes, self.session.log_id
        return log_id in indexes and indexes.get(SYSTEM_LOG_ID, 0) <= self._named_index(log_id)
