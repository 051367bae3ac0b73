"""A disk that is full: nothing that frees room needs room, and no page of a mapped file kills the process."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import ROOT
from tests.engine.plans import LogMaker, long_rows_of, open_database, open_engine, rows_normalized, work
from tests.seeds import chosen_seed

Mount = Callable[[str], Path]
#: How a small disk is made: one in memory, and files with two file systems on them.
KINDS = ("tmpfs", "ext4 -b 1024", "ext4 -b 4096")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a disk of 24 MiB of a kind; skipped where that is not permitted."""
    place = tmp_path / "disk"
    mounted = []

    def run(*words: str) -> None:
        try:
            done = subprocess.run(words, capture_output=True)
        except FileNotFoundError:
            pytest.skip(f"no {words[0]} here")
        if done.returncode:
            pytest.skip(f"can't mount a small disk here: {done.stderr.decode().strip()}")

    def mount(kind: str) -> Path:
        place.mkdir()
        if kind == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place))
        else:
            image = tmp_path / "image"
            with image.open("wb") as file:
                file.truncate(24 << 20)
            run("mkfs.ext4", "-q", "-m", "0", *kind.split()[1:], str(image))
            run("mount", "-o", "loop", str(image), str(place))
        mounted.append(place)
        return place

    yield mount
    for one in mounted:
        subprocess.run(["umount", "-l", str(one)], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_freed_without_room_and_kills_nobody(disk: Mount, kind: str) -> None:
    place = disk(kind)
    script = Path(__file__).with_name("on_full_disk.py")
    words = [sys.executable, str(script), str(place), str(chosen_seed())]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr[-3000:]) == (0, "")


@pytest.mark.parametrize("leave", range(40, 72, 8))
def test_no_hole_of_the_index_is_touched(disk: Mount, leave: int) -> None:
    """The room that is left is enough for a part of the WAL index's next 32 KiB."""
    place = disk("ext4 -b 1024")
    script = (
        "import sys, os; from pathlib import Path; from tests.engine.on_full_disk import *\n"
        "place, leave = Path(sys.argv[1]), int(sys.argv[2])\n"
        "engine = open_engine(place / 'data', TestLimits(wal_bytes=256 * MIB)); database = open_database(engine)\n"
        "log = LogMaker(1); database.apply(work(log.sql('create table t (a)')))\n"
        "wal = Path(f'{database.file.path}-wal')\n"
        "while wal.stat().st_size < 4056 * 4120: database.apply(work(log.sql('insert into t values (1)')))\n"
        "fill(place, leave)\n"
        "try:\n"
        "    for _ in range(20): database.apply(work(log.sql('insert into t values (1)')))\n"
        "except StorageFault: pass\n"
    )
    words = [sys.executable, "-c", script, str(place), str(leave * 1024)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr[-3000:]) == (0, "")


def test_pages_have_their_blocks_before_they_are_committed(tmp_path: Path, log: LogMaker) -> None:
    """Whatever a checkpoint does at the same moment: the file is as long as what is committed, and has no hole."""
    engine = open_engine(tmp_path / "data")
    database = open_database(engine)
    database.apply(work(log.sql("create table t (a, b)")))
    chance = random.Random(5)
    for _ in range(30):
        rows = [(n, "x" * chance.randrange(3000)) for n in range(chance.randrange(200))]
        database.apply(work(log.statement(rows_normalized("insert into t values (?1, ?2)", rows))))
        pages = int(str(long_rows_of(database, "select page_count from pragma_page_count")[0][0]))
        found = database.file.path.stat()
        assert found.st_size >= pages * 4096
        assert found.st_blocks * 512 >= pages * 4096
        if chance.random() < 0.3:
            database.upkeep.checkpoint()
    engine.close()


def test_a_file_of_its_own_is_read_by_all_connections_of_the_process(disk: Mount, log: LogMaker) -> None:
    place = disk("ext4 -b 1024")
    engine = open_engine(place / "data")
    database = open_database(engine)
    database.apply(work(log.sql("create table t (a)"), log.sql("insert into t values (1)")))
    assert long_rows_of(database, "select a from t") == [(1,)]
    digest = database.upkeep.content_digest()
    info = database.upkeep.snapshot(place / "shot")
    database.apply(work(log.sql("delete from t")))
    database.restore(place / "shot")
    assert database.upkeep.content_digest() == digest
    assert long_rows_of(database, "select a from t") == [(1,)]
    assert info.index == 2
    assert not list((place / "data").glob("*-shm"))
    engine.close()
    shutil.rmtree(place / "data")
