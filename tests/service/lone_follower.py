"""A follower that is connected to nobody, with one database, whole: a test says what comes of the logs."""

from __future__ import annotations

from dirk_gevent.base.logger import logger
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.entry import NO_CHAIN, Entry
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node.follower import Follower
from dirk_gevent.node.progress import Progress
from dirk_parser.errors import SqlError
from tests.engine.plans import LogMaker, work
from tests.service.test_follower import entries

_SYSTEM = LogMaker(0)
MADE = _SYSTEM.database("create_database", "t")
EMPTY = _SYSTEM.database("create_database", "empty")


class LoneFollower(Follower):
    """It breaks no connection, but counts in `broken` how often it would."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.progress = engine, Progress(engine)
        super().__init__(engine, self.progress, ("127.0.0.1", 1), logger("test"))
        self.broken = 0
        self.context.link.reconnect = self._count  # type: ignore[method-assign]

    def _count(self) -> None:
        self.broken += 1


def rows_of_t() -> list[Entry]:
    """The log of the database: a table `t` with one row, 7."""
    log = LogMaker(1)
    return [log.sql("create table t (a)"), log.sql("insert into t values (7)")]


def lone_follower(engine: Engine) -> LoneFollower:
    """One that has applied all that the log told it of."""
    found = LoneFollower(engine)
    NativeThreads(1).call(engine.apply_system, work(MADE))
    engine.logs()[1].apply(work(*rows_of_t()))
    found.progress.welcomed({0: 1, 1: 2})
    found.progress.check(1)
    return found


def come(follower: Follower, log_id: int, *made: Entry, before: bytes = NO_CHAIN) -> None:
    """Entries of the log come: from its first, or from where its chain is `before`."""
    follower.incoming.receive(entries(log_id, *(one.encode() for one in made), first=made[0].index, before=before))


def fence(follower: Follower, log_id: int) -> None:
    """The log says that this node's state of one does not count."""
    follower.incoming.receive({"t": "fence", "log": log_id, "epoch": ""})


def is_answered(follower: Follower, log_id: int) -> bool:
    """Whether the node answers from a log."""
    try:
        follower.context.progress.check(log_id)
    except SqlError as error:
        assert error.key == "being_seeded"
        return False
    return True
