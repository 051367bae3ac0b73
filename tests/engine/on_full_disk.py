"""A node's engine on a disk that fills: run as a process of its own, which a SIGBUS would end.

`python on_full_disk.py DIRECTORY SEED`: the directory is a small disk's. Ends with status 0 when all held.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import StorageFault
from tests.engine.plans import (
    START_MS,
    LogMaker,
    TestLimits,
    long_rows_of,
    normalized,
    open_database,
    open_engine,
    rows_normalized,
    work,
)

MIB = 1 << 20
ROWS = 200


def fill(directory: Path, leave_bytes: int) -> None:
    """Leave so much room."""
    with (directory / "filler").open("ab", buffering=0) as file:
        for size in (MIB, 4096, 1024):
            try:
                while True:
                    file.write(b"\xff" * size)
            except OSError:
                pass
        os.fsync(file.fileno())
        file.truncate(max(0, file.tell() - leave_bytes))
        os.fsync(file.fileno())


def write_until_full(database: Database, log: LogMaker, chance: random.Random) -> None:
    """Insert and update until the machine refuses; what was refused is then the log's last entry."""
    while True:
        first = chance.randrange(ROWS)
        if chance.random() < 0.5:
            text = "y" * chance.randrange(3000)
            entry = log.sql(f"update t set b = '{text}' where a between {first} and {first + 20}")
        else:
            rows = [(log.index * 100 + n, "z" * chance.randrange(2000)) for n in range(chance.randrange(1, 50))]
            entry = log.statement(rows_normalized("insert into t values (?1, ?2)", rows))
        try:
            database.apply(work(entry))
        except StorageFault:
            log.index -= 1
            return


def free_bytes(directory: Path) -> int:
    """Room for everybody."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def main(directory: Path, seed: int) -> None:
    """Fill the disk again and again, at another place each time; each time an emptied WAL gives its room back."""
    chance, log = random.Random(seed), LogMaker(1)
    engine = open_engine(directory / "data", TestLimits(wal_bytes=64 * MIB))
    database = open_database(engine)
    rows = [(n, "x" * 1000) for n in range(ROWS)]
    database.apply(work(log.sql("create table t (a integer primary key, b)")))
    database.apply(work(log.statement(rows_normalized("insert into t values (?1, ?2)", rows))))
    wal = Path(f"{database.file.path}-wal")
    for again in range(6):
        stream = database.reads.stream(normalized("select a from t"), (), START_MS)
        stream.fetch(1)
        fill(directory, chance.randrange(300) * 1024)
        write_until_full(database, log, chance)
        fill(directory, 0)
        long_rows_of(database, "select count(*) from t")
        stream.close()
        before, held = free_bytes(directory), wal.stat().st_size
        size = database.file.path.stat().st_size
        assert database.upkeep.checkpoint() == database.applied_index, "a checkpoint needed room"
        # What is refused for want of room asks for an empty WAL by itself, before it is tried again.
        try:
            database.apply(work(log.sql("update t set b = '' where a = 1")))
        except StorageFault:
            log.index -= 1
        assert database.file.path.stat().st_size <= max(size, before), "the file grew"
        if held > 100_000:
            assert free_bytes(directory) > before, f"nothing was given back of {held}"
        if again % 2:
            engine.close()
            engine = open_engine(directory / "data", TestLimits(wal_bytes=64 * MIB))
            database = open_database(engine)
        (directory / "filler").unlink()
        applied = database.apply(work(log.sql("update t set b = 'room' where a = 2")))
        assert [one.sqlstate for one in applied] == [""]
        assert long_rows_of(database, "select b from t where a = 2") == [("room",)]
        assert long_rows_of(database, "select * from pragma_integrity_check") == [("ok",)]
        database.apply(work(log.sql("delete from t where a >= 200")))
    engine.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
