"""Where the sessions of a log's host stand: in which database, from which index on, and what they have been told."""

from __future__ import annotations

from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.server.freshness import needed_index
from dirk_gevent.server.session import Request, Session
from dirk_parser.errors import SqlError


class Sessions:
    """Resolves the database of a request for the sessions of one host; no answer promises what is not known."""

    def __init__(self, state: CoordinatorState) -> None:
        self._state = state

    def resolve(self, session: Session, named: str | None) -> tuple[str | None, int]:
        """Name and log id of the database that a request is about: the one it names, else the session's.

        A session whose database was dropped by somebody else goes on in the one that bears its name now; SqlError
        unknown_database when there is none.
        """
        name, log_id = self._resolve(session, named)
        self.begin(session, log_id)
        return name, log_id

    def resolve_in(self, session: Session, named: str | None, log_id: int) -> tuple[str, int]:
        """As `resolve`, of the database with this log, whatever bears its name now.

        Raises SqlError: unknown_database when it was dropped, stale_read or what blocks the log of databases while it
        may be that this one only lacks it.
        """
        if not self._state.log.reads.is_open(log_id):
            self._state.blocks.check(SYSTEM_LOG_ID)
            head = self._state.head_index(SYSTEM_LOG_ID)
            if log_id > head:
                raise SqlError("stale_read", node="proxy", applied=head, minimum=log_id)
            raise SqlError("unknown_database", name=named or session.database or f"#{log_id}")
        self.begin(session, log_id)
        return self._state.database_name(log_id), log_id

    def begin(self, session: Session, log_id: int) -> None:
        """Initialise the session's index in a log to where the log is known to be, whatever its first request there is:
        an answer from an older state, which "any" may give, is not where it stands.
        """
        if log_id not in session.indexes:
            session.saw(log_id, self.known_index(log_id))

    def known_index(self, log_id: int) -> int:
        """The last index of a log whose outcome is known, or that of an answer passed on; 0 for a log that is gone."""
        known_outcomes = self._state.outcomes.known(log_id)
        return known_outcomes.index if known_outcomes is not None else 0

    def check_names(self, session: Session, request: Request) -> None:
        """Raises SqlError stale_read when a request needs a log of databases that is longer than this one."""
        if request.minimum:
            head, needed = self._state.head_index(SYSTEM_LOG_ID), needed_index(session, request, SYSTEM_LOG_ID)
            if needed > head:
                config = self._state.config
                name = "proxy" if config.load_balancer is not None else config.instances[0].id
                raise SqlError("stale_read", node=name, applied=head, minimum=needed)

    def pass_on(self, session: Session, request: Request, log_id: int, index: int) -> None:
        """The session is about to be given an answer of a log's state at `index`, which none after it goes behind.

        That of a strong read waits for what `hold` waits for, and raises what that raises.
        """
        if request.read == "strong":
            self.hold(log_id, index)
        self.tell(session, log_id, index)

    def tell(self, session: Session, log_id: int, index: int) -> None:
        """The session is told of a log at `index`: neither it nor one that begins later goes behind.

        What lies past the log's end is another history, of a node that will be shut out: nobody else waits for it.
        """
        session.saw(log_id, index)
        if (known_outcomes := self._state.outcomes.known(log_id)) is not None:
            known_outcomes.pass_on(min(index, self._state.head_index(log_id)))

    def hold(self, log_id: int, index: int) -> None:
        """Wait until it is known here, too, how the entry at `index` ended, which a node has answered from already.

        Raises SqlError no_readable_node after `limits.waitMs`: all masters went silent since.
        """
        known_outcomes, wait_ms = self._state.outcomes.known(log_id), self._state.config.limits.wait_ms
        if known_outcomes is not None and not known_outcomes.wait(index, wait_ms / 1000):
            raise SqlError("no_readable_node", waited_ms=wait_ms)

    def _resolve(self, session: Session, named: str | None) -> tuple[str | None, int]:
        if named is None:
            if session.database is None or self._state.log.reads.is_open(session.log_id):
                return session.database, session.log_id
            info = self._state.find(session.database)
            session.use(info.name, info.log_id)
        else:
            info = self._state.find(named)
        return info.name, info.log_id
