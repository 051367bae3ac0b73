"""The machine's troubles: full disks, killed processes, poisoned entries, damaged files, two servers at once."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import apsw
import pytest

from dirk_gevent.engine.apply.applier import Applier
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import DirectoryInUse, StorageFault
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.wal import checkpoints
from tests.engine.plans import LogMaker, open_database, open_engine, rows_normalized, rows_of, work

_WRITER = Path(__file__).with_name("endless_writer.py")


def wait_for(condition: Callable[[], bool], deadline_seconds: float = 20.0) -> None:
    """Wait until `condition` holds."""
    end = time.monotonic() + deadline_seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system needs the right to mount one")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_applies_nothing_and_recovers_when_there_is_room(small_disk: Path, log: LogMaker) -> None:
    engine = open_engine(small_disk / "data")
    database = open_database(engine)
    database.apply(work(log.sql("create table t (a, b)"), log.sql("insert into t values (1, 'x')")))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 100_000))
    rows = [(n, "long text " * 20) for n in range(2000)]
    batch = work(
        log.sql("insert into t values (2, 'x')"), log.statement(rows_normalized("insert into t values (?1, ?2)", rows))
    )
    with pytest.raises(StorageFault) as fault:
        database.apply(batch)
    assert fault.value.is_full
    assert database.applied_index == 2
    assert rows_of(database, "select a from t") == [(1,)]
    ballast.unlink()
    assert [o.sqlstate for o in database.apply(batch)] == ["", ""]
    assert rows_of(database, "select count(*) from t") == [(2002,)]
    engine.close()


def test_a_database_that_cannot_be_closed_keeps_no_other_open(
    tmp_path: Path, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(tmp_path / "data")
    database = open_database(engine)
    database.apply(work(log.sql("create table t (a)")))

    def failing(*_: object, **_options: object) -> bool:
        raise apsw.IOError("fsync failed")

    engine.create(database.log_id + 1, "another")
    another = engine.logs()[database.log_id + 1]
    closed: list[int] = []
    monkeypatch.setattr(another, "close", lambda: closed.append(another.log_id))
    monkeypatch.setattr(checkpoints, "checkpoint", failing)
    with pytest.raises(StorageFault):
        engine.close()
    monkeypatch.undo()
    assert closed == [another.log_id]
    assert engine.directory.path.joinpath("dirk.running").exists()


def test_a_process_killed_while_it_applies_keeps_index_and_data_together(tmp_path: Path) -> None:
    for round_number in range(4):
        with subprocess.Popen([sys.executable, str(_WRITER), str(tmp_path / "data")], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            confirmed = [json.loads(writer.stdout.readline()) for _ in range(5 + round_number * 7)]
            writer.send_signal(signal.SIGKILL)
        engine = open_engine(tmp_path / "data")
        try:
            assert engine.directory.was_unclean
            database = open_database(engine)
            index = database.applied_index
            assert index >= confirmed[-1]
            # entry 1 makes the table, each later one adds a row holding its own index
            assert rows_of(database, "select count(*), max(a) from t") == [(index - 1, index)]
        finally:
            engine.close()


def die(engine: Engine) -> None:
    """What is left when a process is killed: the lock is gone, the mark that it ran is not."""
    assert engine.directory._lock is not None
    engine.directory._lock.release()
    engine.directory._lock = None


def test_after_a_death_inside_a_piece_its_entries_go_one_by_one(
    tmp_path: Path, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces while nothing says which entry may have killed; inside the one that did each has its own marker."""
    entries = work(log.sql("create table t (a, b)"), *(log.sql(f"insert into t values ({n}, 0)") for n in range(9)))
    engine = open_engine(tmp_path / "data")
    open_database(engine).apply(entries[:1])
    die(engine)
    markers = {"": ["2-10"], "4-6\n": ["2-3", "4 1", "5 1", "6 1", "7-10"], "4 1\n": ["2-3", "4 2", "5-10"]}
    for left, expected in markers.items():
        found: list[str] = []
        if left:
            engine.directory.marker(1).write_text(left)
        engine = open_engine(tmp_path / "data")
        database = open_database(engine)
        with monkeypatch.context() as patch:
            patch.setattr(Applier, "apply", staticmethod(partial(found_marker, engine.directory.marker(1), found)))
            database.apply(entries[1:])
        assert found == expected
        die(engine)
    engine = open_engine(tmp_path / "data")
    assert [outcome.rows for outcome in open_database(engine).apply(entries[1:])] == [1] * 9
    assert not engine.directory.marker(1).exists()
    engine.close()


def found_marker(marker: Path, found: list[str], *_: object) -> list[Outcome]:
    """In place of an application: note what the marker says."""
    found.append(marker.read_text().strip())
    return []


def test_after_a_clean_end_nothing_is_applied_one_by_one(engine: Engine, database: Database, log: LogMaker) -> None:
    database.apply(work(log.sql("create table t (a, b)")))
    engine.close()
    again = open_engine(engine.directory.path)
    assert not again.directory.was_unclean
    assert again.logs()[1].file.careful is None
    again.close()


def test_two_engines_never_share_a_directory(engine: Engine) -> None:
    with pytest.raises(DirectoryInUse):
        open_engine(engine.directory.path)


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 300])
def test_a_damaged_file_is_set_aside_and_replayed(
    engine: Engine, database: Database, log: LogMaker, content: bytes
) -> None:
    entries = work(log.sql("create table t (a, b)"), log.sql("insert into t values (1, 2)"))
    database.apply(entries)
    engine.close()
    for path in engine.directory.path.glob("db-00000001.sqlite*"):
        path.unlink()
    database.file.path.write_bytes(content)
    again = open_engine(engine.directory.path)
    try:
        database = again.logs()[1]
        assert database.applied_index == 0
        database.apply(entries)
        assert rows_of(database, "select a from t") == [(1,)]
    finally:
        again.close()
