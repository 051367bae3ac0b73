"""Files edited behind DirkDB's back, and links that break at a chosen step of the round that should find it out.

A row that no statement made is put into one node's file. Whatever breaks meanwhile, it must be gone from every node
soon after everything is mended, under load too, and no round of the log's host may last.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw
import gevent

from tests.simulation.checks import EDITED_ROW
from tests.simulation.clients import LOG_ID
from tests.simulation.loop import Lane
from tests.simulation.machines import Machine, SimCluster
from tests.simulation.standing import database_file
from tests.simulation.world import World, put

#: So soon an edited row is gone, in a database that is written all the time, once nothing is broken any more: after
#: `compare.BUSY_SECONDS`, and as much for comparisons that were not answered.
FOUND_SECONDS = 20.0
#: A round on nodes that are all there ends within so many seconds.
ROUND_SECONDS = 5.0
_RETRY_SECONDS = 0.05
_TRIES = 40


def edit(machine: Machine) -> None:
    """Put the row into the file of a node that is up."""
    for _ in range(_TRIES):
        if not machine.is_up:
            return
        try:
            connection = _opened(machine)
            try:
                connection.execute("INSERT INTO lisitra (w, n) VALUES (?, ?)", EDITED_ROW)
                return
            finally:
                connection.close(True)
        except apsw.Error:
            # A transaction has the writer's lock, or the disk is full.
            gevent.sleep(_RETRY_SECONDS)


def is_edited(cluster: SimCluster) -> bool:
    """Whether a node that is up holds the row."""
    return any(_holds_row(machine) for machine in cluster.nodes if machine.is_up)


def _holds_row(machine: Machine) -> bool:
    try:
        connection = _opened(machine)
        try:
            return bool(connection.execute("SELECT 1 FROM lisitra WHERE w = ?", EDITED_ROW[:1]).fetchall())
        finally:
            connection.close(True)
    except apsw.Error:
        # There is no such file or table at this moment.
        return False


def _opened(machine: Machine) -> apsw.Connection:
    path = database_file(machine.directory, LOG_ID)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.create_scalar_function("dirk_refuse", lambda *_: 0, 3)
    return connection


class Rounds:
    """The rounds of all log hosts of one world: told when one begins, asked how long the oldest lasts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keepers: dict[Lane, object] = {}
        self._told: list[Callable[[], None]] = []

    def watch(self) -> None:
        """Be told of every round that begins from now on, in this process."""
        from dirk_gevent.coordinator.divergence import digest_rounds

        began = digest_rounds.DigestRounds.begin
        if hasattr(began, "watched"):
            began = began.watched
        rounds = self

        def begin(self: digest_rounds.DigestRounds, *words: object, **named: object) -> int | None:
            index = began(self, *words, **named)  # type: ignore[arg-type]
            if index is not None:
                rounds._began(self)
            return index

        begin.watched = began  # type: ignore[attr-defined]
        put(digest_rounds.DigestRounds, "begin", begin)

    def at_next(self, happen: Callable[[], None]) -> None:
        """Have something happen when the next round begins."""
        self._told.append(happen)

    def _began(self, keeper: object) -> None:
        self._keepers[self._world.loop.current] = keeper
        told, self._told = self._told, []
        for happen in told:
            happen()

    def last_too_long(self) -> list[str]:
        """The rounds of living hosts that have lasted too long."""
        now = self._world.loop.time
        return [
            f"a round of log {log_id} at index {current.index} has lasted {now - current.started:.1f} s, "
            f"awaiting {current.awaited}"
            for lane, keeper in self._keepers.items()
            if not lane.is_dead
            for log_id, current in keeper._rounds.items()  # type: ignore[attr-defined]
            if now - current.started > ROUND_SECONDS
        ]
