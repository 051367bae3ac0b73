"""A database on a node goes through its states at random: none of it asks for a move that is not in the table."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from dirk_gevent.engine.apply.database_writer import DatabaseWriter
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import PoisonedEntry, SnapshotDamaged, StorageFault
from dirk_gevent.engine.files.data_directory import DataDirectory
from dirk_gevent.engine.status import DatabaseState, DatabaseStatus, IllegalMove
from dirk_gevent.log.entry import NO_CHAIN
from dirk_gevent.log.records import chain_through
from dirk_gevent.log.skipped import SKIP_MARK
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node import apply_queue
from dirk_gevent.node.queue_items import Batch, Mark, Restore
from tests.engine.plans import LogMaker, work
from tests.seeds import chosen_seed
from tests.service.fake_node import until
from tests.service.lone_follower import MADE, come, fence, lone_follower, rows_of_t

_STEPS = 400
#: What the machine, or an entry, does to a call.
_FAULTS = (StorageFault(OSError(28, "full"), "test"), StorageFault(OSError(5, "Input/output error"), "test"))


class Trouble:
    """Calls of a node that fail by chance while `is_on`."""

    def __init__(self, chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_on = True
        self.moves: set[tuple[DatabaseState, DatabaseState]] = set()
        self.illegal: list[str] = []
        self._chance = chance
        for owner, name, faults in (
            (Database, "apply", (*_FAULTS, PoisonedEntry(1, 1, "SIGSEGV"), RuntimeError("odd"), RuntimeError("odd"))),
            (Database, "restore", (*_FAULTS, SnapshotDamaged("test"))),
            (DataDirectory, "set_aside", (OSError(28, "full"), RuntimeError("odd"))),
            (DatabaseWriter, "probe", _FAULTS),
        ):
            monkeypatch.setattr(owner, name, self._failing(getattr(owner, name), faults))
        move = DatabaseStatus.move

        def watched(status: DatabaseStatus, to: DatabaseState, reason: str = "") -> None:
            before = status.state
            try:
                move(status, to, reason)
            except IllegalMove as error:
                self.illegal.append(str(error))
                raise
            self.moves.add((before, status.state))

        monkeypatch.setattr(DatabaseStatus, "move", watched)

    def _failing(self, plain: Callable[..., Any], faults: tuple[Exception, ...]) -> Callable[..., Any]:
        def maybe(*words: Any) -> Any:
            if self.is_on and self._chance.random() < 0.4:
                raise self._chance.choice(faults)
            return plain(*words)

        return maybe


def test_each_move_is_in_the_table(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_queue, "_RETRY_SECONDS", 0.002)
    chance = random.Random(chosen_seed())
    lone = lone_follower(engine)
    database = engine.logs()[1]
    database.upkeep.snapshot(tmp_path / "shot")
    lone.context.link.is_connected = True
    trouble = Trouble(chance, monkeypatch)

    def restore() -> None:
        shutil.copy(tmp_path / "shot", path := tmp_path / f"incoming-{chance.random()}")
        lone.queues.open(1).put(Restore(path))

    def skip() -> None:
        encoded = rows_of_t()[0].encode()
        after = chain_through(NO_CHAIN, [encoded])
        lone.queues.open(1).put(Batch(1, NO_CHAIN, (SKIP_MARK + encoded,), after))

    steps: tuple[Callable[[], object], ...] = (
        restore,
        skip,
        lambda: come(lone, 1, *rows_of_t()),
        lambda: come(lone, 1, rows_of_t()[1], before=database.position.chain),
        lambda: fence(lone, 1),
        lambda: lone.context.report_damage(database, "damaged"),
        lambda: lone.queues.open(1).put(Mark(database.applied_index, False)),
        lambda: lone.queues.open(1).retry(),
        lambda: lone.queues.open(1).halt(),
        lambda: lone.queues.open(1).cut(),
        lambda: lone.progress.welcomed({0: 1, 1: chance.choice((0, 2))}),
    )
    for _ in range(_STEPS):
        chance.choice(steps)()
        gevent.sleep(chance.choice((0, 0.001, 0.003)))
    trouble.is_on = False
    lone.queues.open(1).cut()
    lone.progress.welcomed({0: 1, 1: 2})
    fence(lone, 1)
    come(lone, 1, *rows_of_t())
    until(lambda: database.applied_index == 2 and database.status.state is DatabaseState.LIVE)
    drop = LogMaker(0)
    drop.index = MADE.index
    NativeThreads(1).call(engine.apply_system, work(drop.database("drop_database", "t", MADE.index)))
    assert database.status.state is DatabaseState.DROPPED
    come(lone, 1, *rows_of_t())
    gevent.sleep(0.02)
    lone.queues.stop_all()
    assert trouble.illegal == []
    assert database.status.state is DatabaseState.DROPPED
    states = {state for move in trouble.moves for state in move}
    assert states == set(DatabaseState), f"never seen: {set(DatabaseState) - states}"
