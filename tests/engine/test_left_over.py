"""What a death leaves in a node's directory is gone after the next start."""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

import apsw
import pytest

from dirk_gevent.log.entry import CREATE_DATABASE, DROP_DATABASE, Entry
from tests.engine.plans import LogMaker, open_engine, rows_of, work
from tests.seeds import chosen_seed


def test_a_snapshot_that_was_on_its_way_and_the_files_of_what_was_dropped_are_removed(tmp_path: Path) -> None:
    system = LogMaker(0)
    made = system.database("create_database", "x")
    engine = open_engine(tmp_path)
    engine.apply_system(work(made, system.database("drop_database", "x", made.index)))
    engine.apply_system(work(system.database("create_database", "x")))
    engine.close()
    left = [engine.directory.outgoing(3), engine.directory.database(1)]
    # The system database may have lost the entry that made it, and will get it again.
    later = engine.directory.database(9)
    for path in (*left, later):
        path.touch()
    again = open_engine(tmp_path)
    again.close()
    assert [path.exists() for path in left] == [False, False]
    assert later.exists()


@pytest.mark.parametrize("run", range(12))
def test_what_a_replaced_catalog_listed_is_set_aside_and_never_unlinked(tmp_path: Path, run: int) -> None:
    """Two histories of databases made and dropped that part; processes that die; batches of any size."""
    seed = chosen_seed() + run
    source = random.Random(f"{seed} own")
    common = source.randint(0, 3)
    former, latter = _history(random.Random(seed), source, common), _history(random.Random(seed), source, common)
    engine = open_engine(tmp_path)
    engine.apply_system(work(*former))
    for log_id, database in engine.logs().items():
        if log_id:
            database.apply(work(*_rows(log_id)))
    had = {log_id: database.name for log_id, database in engine.logs().items() if log_id}
    engine.set_aside(engine.system, "fenced")
    at, doubtful = 0, set[int]()
    while at < len(latter):
        if source.random() < 0.3:
            # Made in both histories under one name, in the second dropped: who died between cannot tell them apart.
            doubtful = {entry.index for entry in latter[:at]}
            engine.close()
            engine = open_engine(tmp_path)
        size = source.randint(1, 4)
        engine.apply_system(work(*latter[at : at + size]))
        at += size
    engine.settle()
    listed = {log_id: database.name for log_id, database in engine.logs().items() if log_id}
    assert listed == _listed(latter)
    engine.close()
    files = {int(path.name[3:11]) for path in tmp_path.glob("db-*.sqlite")}
    assert files <= set(listed)
    for log_id in had.keys() - doubtful:
        kept = [tmp_path / f"db-{log_id:08d}.sqlite", *tmp_path.glob(f"kept-db-{log_id:08d}-*.sqlite")]
        assert [7] in [_first_row(path) for path in kept if path.exists()]


def test_a_state_that_was_replaced_has_the_name_that_the_new_catalog_gives_it(tmp_path: Path) -> None:
    """Seeded before the log of databases is whole again: it is the log's own, and was made under another name there."""
    engine = open_engine(tmp_path)
    engine.apply_system(work(LogMaker(0).database(CREATE_DATABASE, "former")))
    engine.set_aside(engine.system, "fenced")
    seeded = engine.logs()[1]
    seeded.set_aside("fenced")
    seeded.apply(work(*_rows(1)))
    engine.former.confirm(1)
    engine.apply_system(work(LogMaker(0).database(CREATE_DATABASE, "latter")))
    engine.settle()
    assert set(engine.databases()) == {"dirk", "latter"}
    assert rows_of(engine.get("latter"), "select a from t") == [(7,)]
    engine.close()


def _history(common: random.Random, own: random.Random, common_entries: int) -> list[Entry]:
    """Entries of a system log; those after the first `common_entries` are drawn from `own`."""
    system, listed, entries = LogMaker(0), dict[str, int](), list[Entry]()
    for number in range(own.randint(common_entries, 12)):
        source = common if number < common_entries else own
        name = source.choice("abcdef")
        log_id = listed.pop(name, 0)
        made = system.database(DROP_DATABASE if log_id else CREATE_DATABASE, name, log_id)
        if not log_id:
            listed[name] = made.index
        entries.append(made)
    return entries


def _listed(entries: list[Entry]) -> dict[int, str]:
    found: dict[int, str] = {}
    for change in (entry.change for entry in entries):
        assert change is not None
        if change.verb == CREATE_DATABASE:
            found[change.log_id] = change.name
        else:
            del found[change.log_id]
    return found


def _rows(log_id: int) -> list[Entry]:
    log = LogMaker(log_id)
    return [log.sql("create table t (a)"), log.sql("insert into t values (7)")]


def _first_row(path: Path) -> list[object]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        if not connection.execute("select 1 from sqlite_schema where name = 't'").fetchall():
            return []
        return [row[0] for row in connection.execute("select a from t")]
    finally:
        connection.close()


def test_a_death_before_the_new_catalog_is_acted_upon_unlinks_nothing(tmp_path: Path) -> None:
    """The new history's entries are committed, and the process dies before what they do not list was set aside."""
    former, latter = LogMaker(0), LogMaker(0)
    engine = open_engine(tmp_path)
    engine.apply_system(work(former.database(CREATE_DATABASE, "a"), former.database(CREATE_DATABASE, "b")))
    for log_id in (1, 2):
        engine.logs()[log_id].apply(work(*_rows(log_id)))
    engine.set_aside(engine.system, "fenced")
    made = latter.database(CREATE_DATABASE, "c")
    engine.system.apply(work(made, latter.database(DROP_DATABASE, "c", made.index)))
    engine.close()
    engine = open_engine(tmp_path)
    assert not engine.former.is_settled
    engine.settle()
    assert engine.former.is_settled
    engine.close()
    for log_id in (1, 2):
        (kept,) = tmp_path.glob(f"kept-db-{log_id:08d}-*.sqlite")
        assert _first_row(kept) == [7]
    # What is left of a database later, the log's own history has dropped.
    (tmp_path / "db-00000001.sqlite").touch()
    open_engine(tmp_path).close()
    assert not (tmp_path / "db-00000001.sqlite").exists()


def test_a_database_is_confirmed_while_the_catalog_is_settled(tmp_path: Path) -> None:
    """Each on a thread of its own: the databases' entries are applied beside those of the system log."""
    engine = open_engine(tmp_path)
    interval, is_over = sys.getswitchinterval(), threading.Event()

    def confirm() -> None:
        while not is_over.is_set():
            for log_id in range(10, 20_000):
                engine.former.confirm(log_id)

    engine.former.logs = set(range(10, 20_000))
    confirming = threading.Thread(target=confirm)
    sys.setswitchinterval(1e-6)
    confirming.start()
    try:
        for _ in range(300):
            engine.former.logs.update(range(10, 20_000))
            engine._set_aside_former(0)
    finally:
        is_over.set()
        confirming.join()
        sys.setswitchinterval(interval)
    engine.former.logs.clear()
    engine.close()
