"""The machine fails a database at rest: its lane tries again by itself, and nothing of it stays behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.engine.apply.database_writer import DatabaseWriter
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.database_file import DatabaseFile
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.log.entry import chain
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.loop.throttle import IncrementalFsyncFile
from dirk_gevent.node import apply_queue
from dirk_gevent.node.follower import Follower
from dirk_gevent.node.progress import Progress
from dirk_gevent.node.queue_items import Batch, Fence, Mark, Restore
from tests.engine.plans import LogMaker, open_database, open_engine, rows_of, work


@pytest.fixture
def said() -> list[dict[str, Any]]:
    """What the node has told its host."""
    return []


@pytest.fixture
def follower(engine: Engine, said: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Follower:
    """It follows nobody, and tries again soon."""
    monkeypatch.setattr(apply_queue, "_RETRY_SECONDS", 0.05)
    made = Follower(engine, Progress(engine), ("127.0.0.1", 1), logger("test"))
    monkeypatch.setattr(made.context.link, "send", lambda content, *_: said.append(content))
    return made


@pytest.fixture
def database(engine: Engine, log: LogMaker) -> Database:
    """A database with a row."""
    found = open_database(engine)
    found.apply(work(log.sql("create table t (a)"), log.sql("insert into t values (1)")))
    return found


@pytest.fixture
def log() -> LogMaker:
    """Makes the entries of log 1."""
    return LogMaker(1)


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    with gevent.Timeout(10):
        while not condition():
            gevent.sleep(0.01)


def test_a_mark_that_met_a_directory_gone_leaves_the_database_live_when_it_is_back(
    follower: Follower, engine: Engine, database: Database, said: list[dict[str, Any]]
) -> None:
    lane = follower.queues.open(1)
    database.writer.close_if_idle()
    directory = engine.directory.path
    away = directory.with_name("away")
    directory.rename(away)
    lane.put(Mark(database.applied_index, False))
    until(lambda: database.status.state is DatabaseState.STALLED)
    until(lambda: any(frame["t"] == "undone" for frame in said))
    gevent.sleep(0.2)
    assert database.status.state is DatabaseState.STALLED
    away.rename(directory)
    until(lambda: database.status.state is DatabaseState.LIVE)
    assert len([frame for frame in said if frame["t"] == "undone"]) == 1
    assert rows_of(database, "select a from t") == [(1,)]
    lane.stop()


def test_a_database_that_could_not_be_read_at_the_start_is_tried_without_an_entry(
    engine: Engine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply_queue, "_RETRY_SECONDS", 0.05)
    index = database.applied_index
    engine.close()
    load_file = DatabaseFile._load

    def failing(self: DatabaseFile) -> None:
        if self.log_id:
            raise StorageFault(apsw.IOError("no"), "test")
        load_file(self)

    with monkeypatch.context() as patch:
        patch.setattr(DatabaseFile, "_load", failing)
        again = open_engine(engine.directory.path)
        follower = Follower(again, Progress(again), ("127.0.0.1", 1), logger("test"))
        assert (again.logs()[1].status.state, again.logs()[1].applied_index) == (DatabaseState.STALLED, 0)
        lane = follower.queues.open(1)
        lane.retry()
        gevent.sleep(0.15)
        assert again.logs()[1].status.state is DatabaseState.STALLED
    until(lambda: again.logs()[1].status.state is DatabaseState.LIVE)
    assert again.logs()[1].applied_index == index
    lane.stop()
    NativeThreads(1).call(again.close)


def test_a_mount_point_without_its_disk_is_not_written_to(
    follower: Follower, engine: Engine, database: Database, log: LogMaker
) -> None:
    """An empty directory stands where the disk was: no new file begins there, under a state that has entries."""
    database.writer.close_if_idle()
    directory = engine.directory.path
    away = directory.with_name("away")
    directory.rename(away)
    directory.mkdir()
    entry = work(log.sql("insert into t values (2)"))
    with pytest.raises(StorageFault) as fault:
        database.apply(entry)
    assert not fault.value.is_damage
    assert list(directory.iterdir()) == []
    directory.rmdir()
    away.rename(directory)
    assert database.apply(entry)[0].rows == 1


def test_a_read_never_answers_from_a_file_that_is_behind(engine: Engine, database: Database, log: LogMaker) -> None:
    assert rows_of(database, "select count(*) from t") == [(1,)]
    directory, reader = engine.directory.path, database.file.committed.reader
    shutil.copytree(directory, directory.with_name("mounted"))
    directory.rename(directory.with_name("away"))
    directory.with_name("mounted").rename(directory)
    database.writer.close_if_idle()
    database.apply(work(log.sql("insert into t values (2)")))
    assert database.file.committed.reader is reader is not None
    with pytest.raises(StorageFault):
        rows_of(database, "select count(*) from t")
    assert rows_of(database, "select count(*) from t") == [(2,)]


def test_a_file_that_somebody_removed_counts_as_damage(engine: Engine, database: Database, log: LogMaker) -> None:
    database.writer.close_if_idle()
    for path in engine.directory.path.glob("db-*"):
        path.unlink()
    with pytest.raises(StorageFault) as fault:
        database.apply(work(log.sql("insert into t values (2)")))
    assert fault.value.is_damage
    assert database.set_aside("fenced") is None
    assert database.applied_index == 0


def test_a_stall_goes_on_being_tried_when_the_connection_takes_its_entry_away(
    follower: Follower, database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host sends nothing again that it believes applied: nothing else would ever end the stall."""
    faulty = [True]
    apply, probe = Database.apply, DatabaseWriter.probe

    def failing(plain: Callable[..., Any]) -> Callable[..., Any]:
        def maybe(self: Any, *rest: Any) -> Any:
            if faulty[0]:
                raise StorageFault(apsw.IOError("no"), "test")
            return plain(self, *rest)

        return maybe

    monkeypatch.setattr(Database, "apply", failing(apply))
    monkeypatch.setattr(DatabaseWriter, "probe", failing(probe))
    lane = follower.queues.open(1)
    entry = log.sql("insert into t values (2)")
    encoded = entry.encode()
    lane.put(Batch(entry.index, database.position.chain, (encoded,), chain(database.position.chain, encoded)))
    until(lambda: database.status.state is DatabaseState.STALLED)
    lane.cut()
    gevent.sleep(0.15)
    assert database.status.state is DatabaseState.STALLED
    faulty[0] = False
    until(lambda: database.status.state is DatabaseState.LIVE)
    lane.stop()


def test_a_seeding_database_is_seeding_again_after_a_stall(
    follower: Follower, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise StorageFault(OSError(28, "full"), "restore")

    monkeypatch.setattr(Database, "restore", failing)
    (tmp_path / "incoming.partial").write_bytes(b"x")
    lane = follower.queues.open(1)
    lane.put(Fence())
    lane.put(Restore(tmp_path / "incoming.partial"))
    until(lambda: database.status.state is DatabaseState.STALLED)
    lane.cut()
    until(lambda: database.status.state is DatabaseState.SEEDING)
    lane.stop()


def test_a_snapshot_that_finds_no_room_breaks_no_connection(
    follower: Follower, engine: Engine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stalls its own database, which asks for it again when the disk takes something."""
    broken: list[int] = []
    monkeypatch.setattr(follower.context.link, "reconnect", lambda: broken.append(1))
    before = sorted(path.name for path in engine.directory.path.iterdir())
    is_full = [True]
    write, probe = IncrementalFsyncFile.write, DatabaseWriter.probe

    def written(self: IncrementalFsyncFile, piece: bytes) -> None:
        if is_full[0]:
            raise OSError(28, "No space left on device")
        write(self, piece)

    def probed(self: DatabaseWriter) -> None:
        if is_full[0]:
            raise StorageFault(OSError(28, "No space left on device"), "probe")
        probe(self)

    monkeypatch.setattr(IncrementalFsyncFile, "write", written)
    monkeypatch.setattr(DatabaseWriter, "probe", probed)
    follower.incoming.receive({"t": "snapshot", "log": 1})
    for _ in range(3):
        follower.incoming.receive({"t": "chunk", "log": 1, "body": b"piece"})
    follower.incoming.receive({"t": "snapshot_end", "log": 1})
    until(lambda: database.status.state is DatabaseState.STALLED)
    gevent.sleep(0.15)
    assert not broken
    assert sorted(path.name for path in engine.directory.path.iterdir()) == before
    is_full[0] = False
    until(lambda: bool(broken))
    assert database.status.state is DatabaseState.LIVE


@pytest.mark.parametrize("content", [b"", b"{}", b"no snapshot", b'{"format": 1}\n' + bytes(100)])
def test_a_damaged_snapshot_leaves_no_file(
    follower: Follower, engine: Engine, database: Database, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[int] = []
    monkeypatch.setattr(follower.context.link, "reconnect", lambda: broken.append(1))
    before = sorted(path.name for path in engine.directory.path.iterdir())
    for count in (1, 2, 3):
        follower.incoming.receive({"t": "snapshot", "log": 1})
        follower.incoming.receive({"t": "chunk", "log": 1, "body": content})
        follower.incoming.receive({"t": "snapshot_end", "log": 1})
        until(lambda count=count: len(broken) == count)  # type: ignore[misc]
    assert sorted(path.name for path in engine.directory.path.iterdir()) == before


def spoil(image: Path) -> None:
    """Make a file no database any more."""
    with image.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(4000))


def test_a_copy_that_is_damaged_before_it_is_read_is_no_damage_of_the_database(
    engine: Engine, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dirk_gevent.engine.snapshot.snapshot import PinnedState

    copy = PinnedState._copy

    def spoilt(pin: PinnedState, image: Path, rests: bool) -> None:
        copy(pin, image, rests)
        spoil(image)

    monkeypatch.setattr(PinnedState, "_copy", spoilt)
    before = sorted(path.name for path in engine.directory.path.iterdir())
    with pytest.raises(StorageFault) as fault:
        database.upkeep.snapshot(tmp_path / "shot")
    assert not fault.value.is_damage
    assert sorted(path.name for path in engine.directory.path.iterdir()) == before
    assert rows_of(database, "select a from t") == [(1,)]


def test_a_snapshot_with_a_damaged_image_leaves_no_file_and_is_no_damage_of_the_database(
    engine: Engine, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checksum is right, and what is in it is no database: the file of this node is whole."""
    from dirk_gevent.engine.errors.faults import SnapshotDamaged
    from dirk_gevent.engine.snapshot import snapshot

    compress = snapshot._compress

    def spoilt(image: Path, target: Path, info: snapshot.SnapshotHeader) -> snapshot.SnapshotHeader:
        spoil(image)
        return compress(image, target, info)

    monkeypatch.setattr(snapshot, "_compress", spoilt)
    database.upkeep.snapshot(tmp_path / "shot")
    before = sorted(path.name for path in engine.directory.path.iterdir())
    with pytest.raises(SnapshotDamaged):
        database.restore(tmp_path / "shot")
    assert sorted(path.name for path in engine.directory.path.iterdir()) == before
    assert rows_of(database, "select a from t") == [(1,)]
