"""A database of two MiB whose WAL has a small bound, and what is written into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.database import Database
from tests.engine.plans import LogMaker, TestLimits, open_database, open_engine, rows_normalized, work

MIB = 1 << 20
MOST_BYTES = 2 * MIB
TEXT_CHARACTERS = 2000
ROWS = 1000


@contextmanager
def small(path: Path, log: LogMaker, most_bytes: int = MOST_BYTES) -> Iterator[Database]:
    """A database with a table of two MiB, and a WAL of `most_bytes`."""
    engine = open_engine(path, TestLimits(wal_bytes=most_bytes, statement_seconds=0))
    try:
        database = open_database(engine)
        rows = [(n, "x" * TEXT_CHARACTERS) for n in range(ROWS)]
        database.apply(work(log.sql("create table t (a integer primary key, b)")))
        database.apply(work(log.statement(rows_normalized("insert into t values (?1, ?2)", rows))))
        database.upkeep.checkpoint()
        yield database
    finally:
        engine.close()


def wal_bytes(database: Database) -> int:
    """What the disk says."""
    return Path(f"{database.file.path}-wal").stat().st_size


def change(log: LogMaker, first: int, rows: int = 20) -> Work:
    """An entry that writes `rows` rows: about half as many pages."""
    sql = f"update t set b = b || 'y' where a >= {first} and a < {first + rows}"
    return work(log.sql(sql))[0]
