"""A database's file put aside: all that was committed goes with it, whenever the process dies."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.directory import make_directory
from tests.engine.plans import LogMaker, work


def test_a_death_between_the_renames_loses_nothing_of_what_is_kept(
    engine: Engine, database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first rename is made: the rows are in the file that has the new name."""
    database.apply(work(log.sql("create table t (a)"), log.sql("insert into t values (7)")))
    rename = Path.rename

    def die_after_the_first(path: Path, target: Path) -> Path:
        if path.name.endswith(("-wal", "-shm")):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", die_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        database.set_aside("fenced")
    monkeypatch.undo()
    (kept,) = engine.directory.path.glob("kept-*.sqlite")
    with apsw.Connection(str(kept), flags=apsw.SQLITE_OPEN_READWRITE) as connection:
        assert connection.execute("select a from t").fetchall() == [(7,)]
    connection.close()


def test_the_names_of_new_directories_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each missing one in its parent, and that of one that was there, too: its maker may have died before."""
    synced: list[Path] = []
    monkeypatch.setattr("dirk_gevent.log.directory.sync_directory", synced.append)
    for _ in range(2):
        make_directory(tmp_path / "a" / "b")
    assert synced == [tmp_path / "a", tmp_path, tmp_path / "a"]
