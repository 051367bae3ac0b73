"""Snapshots and digests: the same content whatever the batches, whole or refused."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import SnapshotDamaged
from dirk_gevent.engine.snapshot.snapshot import SnapshotHeader
from dirk_gevent.log.entry import Entry
from tests.engine.plans import LogMaker, normalized, open_database, open_engine, rows_normalized, rows_of, work

pytestmark = pytest.mark.usefixtures("unwatched")


def some_entries(seed: int, count: int = 400) -> list[Entry]:
    """Inserts, updates, deletes, refusals and retries on two tables."""
    print(f"seed={seed}")
    chance, log = random.Random(seed), LogMaker(1)
    entries = [log.sql("create table t (a unique, b)"), log.sql("create table rowid_named (rowid, b check (b < 90))")]
    for _ in range(count):
        number = chance.randrange(100)
        match chance.randrange(6):
            case 0:
                entries.append(
                    log.statement(rows_normalized("insert into t values (?1, ?2)", [(number, 0.5), (number + 1, "é")]))
                )
            case 1:
                entries.append(log.sql("insert into rowid_named values (?1, ?1)", number))
            case 2:
                entries.append(log.sql("update t set b = dirk_random() where a > ?1", number))
            case 3:
                entries.append(log.sql("delete from t where a % 7 = ?1", number % 7))
            case 4:
                retried = chance.choice(entries)
                entries.append(
                    log.statement(*(s.normalized for s in retried.statements), request_id=retried.request_id)
                )
            case _:
                entries.append(log.sql("insert into t values (?1, dirk_now())", number))
    return entries


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_batch_sizes_change_nothing(tmp_path: Path, seed: int) -> None:
    entries = work(*some_entries(seed))
    results = []
    for size in (1, 7, len(entries)):
        engine = open_engine(tmp_path / f"by{size}")
        try:
            database = open_database(engine)
            outcomes = [o for at in range(0, len(entries), size) for o in database.apply(entries[at : at + size])]
            results.append((outcomes, database.position.chain, database.upkeep.content_digest()))
        finally:
            engine.close()
    assert results[0] == results[1] == results[2]


def test_a_snapshot_restores_on_another_node_and_goes_on_there(tmp_path: Path, database: Database) -> None:
    entries = work(*some_entries(4))
    database.apply(entries[:200])
    info = database.upkeep.snapshot(tmp_path / "shot")
    assert SnapshotHeader.read(tmp_path / "shot") == info
    other = open_engine(tmp_path / "other")
    try:
        restored = open_database(other)
        restored.set_heard(1000)
        restored.restore(tmp_path / "shot")
        assert (restored.applied_index, restored.position.chain.hex()) == (200, info.chain)
        assert restored.file.heard_head == 1000
        assert restored.file.durable_index == 200
        assert restored.upkeep.content_digest() == (200, bytes.fromhex(info.digest))
        assert restored.apply(entries[200:]) == database.apply(entries[200:])
        assert restored.upkeep.content_digest() == database.upkeep.content_digest()
    finally:
        other.close()


def test_a_restore_replaces_what_readers_see(tmp_path: Path, database: Database) -> None:
    entries = work(*some_entries(5))
    database.apply(entries[:3])
    database.upkeep.snapshot(tmp_path / "shot")
    database.apply(entries[3:])
    count = len(rows_of(database, "select a from t"))
    database.restore(tmp_path / "shot")
    assert database.applied_index == 3
    relation = database.reads.read(normalized("select a from t"), (), 0)
    assert (relation.index, len(relation.rows) < count) == (3, True)


def test_a_pin_stays_at_its_index_while_writes_go_on(tmp_path: Path, database: Database) -> None:
    entries = work(*some_entries(6))
    database.apply(entries[:100])
    before = database.upkeep.content_digest()
    pin = database.upkeep.pin()
    database.apply(entries[100:])
    database.upkeep.checkpoint()
    try:
        assert (pin.index, pin.content_digest()) == before
        assert pin.snapshot(tmp_path / "shot").index == 100
    finally:
        pin.close()
    assert database.upkeep.checkpoint() == database.applied_index


@pytest.mark.parametrize("damage", ["cut", "flip", "header", "other log"])
def test_a_damaged_snapshot_is_refused_and_replaces_nothing(tmp_path: Path, engine: Engine, damage: str) -> None:
    database = open_database(engine)
    database.apply(work(*some_entries(7)))
    path = tmp_path / "shot"
    database.upkeep.snapshot(path)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[-30] ^= 0xFF
    elif damage == "header":
        content[2:8] = b"formed"
    target = engine.create(2, "other") if damage == "other log" else database
    path.write_bytes(content)
    digest = database.upkeep.content_digest()
    with pytest.raises(SnapshotDamaged):
        target.restore(path)
    assert database.upkeep.content_digest() == digest
    assert not list(engine.directory.path.glob("*.partial"))


def test_a_lost_history_is_kept_beside_and_the_database_begins_again(database: Database) -> None:
    entries = work(*some_entries(8, 20))
    database.apply(entries)
    kept = database.set_aside("fenced")
    assert kept is not None and kept.exists()
    assert database.applied_index == 0
    assert len(database.apply(entries)) == len(entries)


def test_a_trigger_added_behind_changes_the_digest(database: Database, log: LogMaker) -> None:
    """No row differs yet: but from the next insert on they will."""
    database.apply(work(log.sql("create table t (a)"), log.sql("insert into t values (1)")))
    before = database.upkeep.content_digest()
    with closing(sqlite3.connect(database.file.path)) as connection, connection:
        connection.execute("create trigger more after insert on t begin delete from t; end")
    assert database.upkeep.content_digest() != before
