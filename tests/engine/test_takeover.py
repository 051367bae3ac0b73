"""A directory of the release before becomes one of this, and none that the release before could damage."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dirk_gevent.coordinator.admin.inspect_nodes import node_files
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.files.file_format import FORMAT
from dirk_gevent.engine.files.takeover import FORMER_FILE, SYSTEM_FILE, take_over
from dirk_gevent.engine.status import DatabaseState
from tests.engine.plans import LogMaker, TestLimits, open_compiled, open_database, work


def files(directory: Path) -> dict[str, bytes]:
    """All files, by path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A directory as 2.0.0 leaves it: its system database, with a WAL, under the former name."""
    (tmp_path / FORMER_FILE).write_bytes(b"main")
    (tmp_path / f"{FORMER_FILE}-wal").write_bytes(b"wal")
    (tmp_path / f"{FORMER_FILE}-shm").write_bytes(b"shm")
    return tmp_path


def test_the_system_database_moves_with_its_wal(former: Path) -> None:
    take_over(former)
    take_over(former)
    assert (former / SYSTEM_FILE).read_bytes() == b"main"
    assert (former / f"{SYSTEM_FILE}-wal").read_bytes() == b"wal"
    assert (former / FORMER_FILE).is_dir() and not (former / f"{FORMER_FILE}-shm").exists()


def test_a_death_at_any_step_is_made_good_by_the_next_start(former: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call that changes the directory is the last one of a process once."""
    survived = False
    for last in range(20):
        left = [last]
        for owner, name in (*((Path, one) for one in ("rename", "mkdir", "write_text", "unlink")), (os, "open")):
            monkeypatch.setattr(owner, name, _dying(getattr(owner, name), left))
        try:
            take_over(former)
            survived = True
        except KeyboardInterrupt:
            pass
        finally:
            monkeypatch.undo()
    assert survived
    assert (former / SYSTEM_FILE).read_bytes() == b"main"
    assert (former / f"{SYSTEM_FILE}-wal").read_bytes() == b"wal"
    assert (former / FORMER_FILE / "format").read_text() == f"{FORMAT}\n"


def _dying(call, left: list[int]):  # type: ignore[no-untyped-def]
    def instead(*arguments: object, **named: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return call(*arguments, **named)

    return instead


@pytest.mark.parametrize("earlier", range(2, FORMAT))
def test_a_directory_of_an_earlier_format_gets_this_one_on_a_full_disk_too(
    earlier: int, former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.1.0 looks at nothing else there: it would go on with what this release has written."""
    take_over(former)
    (former / FORMER_FILE / "format").write_text(f"{earlier}\n")

    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", no_room)
    take_over(former)
    assert (former / FORMER_FILE / "format").read_text() == f"{FORMAT}\n"


def test_what_a_later_release_wrote_is_refused_untouched(tmp_path: Path, log: LogMaker) -> None:
    engine = open_compiled(tmp_path)
    open_database(engine)
    engine.close()
    (tmp_path / FORMER_FILE / "format").write_text(f"{FORMAT + 1}\n")
    before = files(tmp_path)
    with pytest.raises(StorageFault, match="a later release of DirkDB wrote it"):
        Engine(tmp_path, "m1", TestLimits()).open()
    assert files(tmp_path) == before


@pytest.mark.parametrize("log_id", [0, 1])
def test_a_file_of_a_later_release_is_refused_and_never_set_aside(log_id: int, tmp_path: Path, log: LogMaker) -> None:
    """Its tables are whatever that release made them: nothing but its format's number is read."""
    engine = open_compiled(tmp_path)
    database = open_database(engine)
    database.apply(work(log.sql("create table t (a)")))
    path = engine.directory.database(log_id)
    engine.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("PRAGMA user_version").fetchall() == [(FORMAT,)]
        connection.executescript(f"DROP TABLE dirk_requests; DROP TABLE dirk_meta; PRAGMA user_version = {FORMAT + 1}")
    sentence = f"a later release of DirkDB wrote it \\(format {FORMAT + 1}, this one reads {FORMAT}\\): start that one"
    again = Engine(tmp_path, "m1", TestLimits())
    if log_id == 0:
        with pytest.raises(StorageFault, match=sentence):
            again.open()
    else:
        again.open()
        stalled = again.logs()[1]
        assert stalled.status.state is DatabaseState.STALLED
        assert re.search(sentence, stalled.status.reason)
        with pytest.raises(StorageFault, match=sentence):
            stalled.apply(work(log.sql("insert into t values (1)")))
        again.close()
    assert list(tmp_path.glob("kept-*")) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchall() == [(FORMAT + 1,)]
    (problem,) = node_files("m1", tmp_path).problems
    assert re.search(sentence, problem)


@pytest.mark.parametrize("earlier", [0, *range(3, FORMAT)])
def test_a_file_of_an_earlier_release_opens_and_carries_this_format_from_then_on(
    earlier: int, tmp_path: Path, log: LogMaker
) -> None:
    """Those of releases before 2.2.0 carry none."""
    engine = open_compiled(tmp_path)
    open_database(engine).apply(work(log.sql("create table t (a)")))
    paths = [engine.directory.database(log_id) for log_id in (0, 1)]
    engine.close()
    for path in paths:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"PRAGMA user_version = {earlier}")
    again = Engine(tmp_path, "m1", TestLimits())
    again.open()
    assert again.logs()[1].applied_index == 1
    again.logs()[1].apply(work(log.sql("insert into t values (1)")))
    again.close()
    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchall() == [(FORMAT,)]
