"""Applies entries to log 1 in the directory given until it is killed; prints each batch's last index once applied."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.engine.plans import LogMaker, open_database, open_engine, work


def main() -> None:
    """Run for ever."""
    database = open_database(open_engine(Path(sys.argv[1])))
    log = LogMaker(1)
    log.index = database.applied_index
    log.time_ms = max(log.time_ms, database.position.time_ms)
    while True:
        entries = [log.sql("create table t (a, b)")] if log.index == 0 else []
        entries += [log.sql("insert into t values (?1, 'some text')", log.index + 1) for _ in range(20)]
        database.apply(work(*entries))
        print(log.index, flush=True)


if __name__ == "__main__":
    main()
