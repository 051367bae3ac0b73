"""Large files a bounded part at a time: what is unsynced, when there is a rest and when there is no time for one."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.loop.throttle import (
    FREED_BYTES,
    LEAST_BYTES_A_SECOND,
    STEP_BYTES,
    IncrementalFsyncFile,
    Throttle,
    remove,
)
from tests.engine.plans import LogMaker, open_database, work

_LEAST_STEP_SECONDS = STEP_BYTES / LEAST_BYTES_A_SECOND
_ROW_BYTES = 64 * 1024
_STEPS = 3


@dataclass(slots=True)
class _Clock:
    """Time that passes when somebody works or rests."""

    now: float = 100.0
    rested: float = 0.0

    def read(self) -> float:
        return self.now

    def rest(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.rested += seconds


@pytest.fixture
def clock() -> _Clock:
    """It stands still by itself."""
    return _Clock()


def steps(clock: _Clock, count: int, step_seconds: float) -> float:
    """The bytes a second of `count` steps of work that take so long each."""
    began = clock.now
    pace = Throttle(clock.rest, clock.read)
    for _ in range(count):
        clock.now += step_seconds
        pace.worked(STEP_BYTES)
    return count * STEP_BYTES / (clock.now - began)


def test_a_rest_is_as_long_as_the_step_before_it(clock: _Clock) -> None:
    quick = _LEAST_STEP_SECONDS / 4
    rate = steps(clock, 10, quick)
    assert clock.rested == pytest.approx(10 * quick)
    assert rate == pytest.approx(2 * LEAST_BYTES_A_SECOND)


def test_rests_are_shorter_when_there_is_no_time_for_them(clock: _Clock) -> None:
    assert steps(clock, 10, _LEAST_STEP_SECONDS * 0.75) == pytest.approx(LEAST_BYTES_A_SECOND)
    assert clock.rested == pytest.approx(10 * _LEAST_STEP_SECONDS * 0.25)


def test_whoever_is_slow_never_rests(clock: _Clock) -> None:
    steps(clock, 10, _LEAST_STEP_SECONDS * 1.25)
    assert clock.rested == 0


def test_what_is_less_than_a_step_never_rests(clock: _Clock) -> None:
    pace = Throttle(clock.rest, clock.read)
    pace.worked(STEP_BYTES - 1)
    assert clock.rested == 0
    clock.now += _LEAST_STEP_SECONDS / 4
    pace.worked(1)
    assert clock.rested == pytest.approx(_LEAST_STEP_SECONDS / 4)


@pytest.fixture
def unsynced_bytes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[tuple[str, int]]]:
    """At each sync of a file: its name and how much of it was new since the sync before."""
    found: list[tuple[str, int]] = []
    sizes: dict[str, int] = {}

    def watched(plain: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            name = Path(f"/proc/self/fd/{descriptor}").readlink().name
            size = os.fstat(descriptor).st_size
            found.append((name, size - sizes.get(name, 0)))
            sizes[name] = size
            plain(descriptor)

        return sync

    monkeypatch.setattr(os, "fsync", watched(os.fsync))
    monkeypatch.setattr(os, "fdatasync", watched(os.fdatasync))
    return lambda: found


def test_a_file_is_never_far_from_the_disk(tmp_path: Path, unsynced_bytes: Callable[[], list[tuple[str, int]]]) -> None:
    piece = random.Random(1).randbytes(STEP_BYTES // 3)
    with (tmp_path / "large").open("wb") as file:
        steady = IncrementalFsyncFile(file)
        for _ in range(10):
            steady.write(piece)
        steady.finish()
    synced = [size for _, size in unsynced_bytes()]
    assert sum(synced) == 10 * len(piece) == (tmp_path / "large").stat().st_size
    assert max(synced) < STEP_BYTES + len(piece)


def test_a_snapshot_is_made_and_taken_in_a_step_at_a_time(
    tmp_path: Path, engine: Engine, unsynced_bytes: Callable[[], list[tuple[str, int]]]
) -> None:
    """Half of what is written is chance: that much stays of it in the snapshot's file."""
    chance, log = random.Random(2), LogMaker(1)
    rows = [chance.randbytes(_ROW_BYTES).hex() for _ in range(_STEPS * STEP_BYTES // _ROW_BYTES)]
    database: Database = open_database(engine)
    database.apply(work(log.sql("create table t (a)"), *(log.sql("insert into t values (?)", row) for row in rows)))
    database.upkeep.checkpoint()
    info = database.upkeep.snapshot(tmp_path / "shot")
    database.restore(tmp_path / "shot")
    image, packed, taken = (
        [size for name, size in unsynced_bytes() if name == temporary]
        for temporary in ("shot.image.partial", "shot.partial", "db-00000001.incoming.partial")
    )
    assert info.image_bytes > 2 * _STEPS * STEP_BYTES
    for synced in (image, packed, taken):
        assert len(synced) >= _STEPS
        assert max(synced) < 2 * STEP_BYTES
    assert sum(packed) == info.file_bytes
    assert sum(taken) == info.image_bytes


def test_a_large_file_is_given_back_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(3 * FREED_BYTES + 1)
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    remove(path)
    assert sizes == [2 * FREED_BYTES + 1, FREED_BYTES + 1, 1]
    assert not path.exists()


def test_a_file_that_is_not_there_is_removed(tmp_path: Path) -> None:
    remove(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
