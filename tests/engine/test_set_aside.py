"""A database's file put aside: all that was committed goes with it, whenever the process dies."""

from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from dirk_gevent.base.files import make_directory
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.files.data_directory import DataDirectory
from dirk_gevent.replication.genesis import followed_log, keep_followed_log
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
    monkeypatch.setattr("dirk_gevent.base.files.sync_directory", synced.append)
    for _ in range(2):
        make_directory(tmp_path / "a" / "b")
    assert synced == [tmp_path / "a", tmp_path, tmp_path / "a"]


def test_what_names_a_directory_is_on_the_disk_before_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename that outlives a power cut must not outlive what the file holds."""
    steps: list[str] = []
    sync, rename = os.fsync, Path.rename

    def note_sync(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync(descriptor)

    def note_rename(path: Path, target: Path) -> Path:
        steps.append(f"rename {path.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    directory = DataDirectory(tmp_path)
    directory.notes.set_owner("m1")
    keep_followed_log(tmp_path, b"g" * 16)
    assert directory.notes.owner() == "m1" and followed_log(tmp_path) == b"g" * 16
    for name in ("dirk.node.partial", "dirk.genesis.partial"):
        at = steps.index(f"sync {name}")
        assert steps[at : at + 3] == [f"sync {name}", f"rename {name}", f"sync {tmp_path.name}"]
        del steps[: at + 3]
