"""Reads: values, the state they saw, what is too long for the hub, streams, spools."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import orjson
import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import Overrun, StorageFault
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.read import watchdog as watching
from dirk_gevent.engine.read.long_reads import RelationStream
from dirk_gevent.engine.read.pages import PageEncoder
from dirk_gevent.engine.read.short_reads import HubReader
from dirk_gevent.engine.read.watchdog import Watchdog
from dirk_gevent.engine.results import EncodedPage, Row
from dirk_gevent.engine.sqlite_connection import open_reader
from dirk_parser.errors import SqlError
from tests.engine.plans import (
    START_MS,
    LogMaker,
    TestLimits,
    long_rows_of,
    normalized,
    open_database,
    open_engine,
    rows_normalized,
    rows_of,
    work,
)

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"


@pytest.fixture
def filled(database: Database, log: LogMaker) -> Database:
    """A table of 5,000 rows."""
    rows = [(n, f"name {n}") for n in range(5000)]
    database.apply(work(log.sql("create table t (a, b)")))
    database.apply(work(log.statement(rows_normalized("insert into t values (?1, ?2)", rows))))
    return database


def everything(stream: RelationStream, pages: int = 3) -> list[list[object]]:
    """All rows of a stream."""
    rows: list[list[object]] = []
    while not stream.finished:
        for page in stream.fetch(pages):
            decoded = orjson.loads(page.rows_json)
            assert len(decoded) == page.rows
            rows += decoded
    stream.close()
    return rows


@pytest.mark.usefixtures("no_watchdog")
def test_values_come_out_as_the_protocol_has_them(database: Database) -> None:
    sql = "select 2.0 as a, 2.5 as b, 1e300 as c, null as d, 'x' as e, 1 as is_f, null as is_g, 9007199254740993.0 as h"
    relation = database.reads.read(normalized(sql), (), START_MS)
    row = relation.rows[0]
    assert [*row] == [2, 2.5, 1e300, None, "x", True, None, 9007199254740992.0]
    assert [type(value) for value in row] == [int, float, float, type(None), str, bool, type(None), float]
    with pytest.raises(SqlError, match="out_of_range"):
        database.reads.read(normalized("select 1e308 * 10 as a"), (), START_MS)


def test_many_rows_convert_like_one(database: Database) -> None:
    sql = "with t(a) as (values (1), (2.0), (2.5), ('x'), (null)) select a from t"
    assert rows_of(database, sql) == [(1,), (2,), (2.5,), ("x",), (None,)]


@pytest.mark.usefixtures("no_watchdog")
def test_a_read_names_the_index_it_saw(filled: Database, log: LogMaker) -> None:
    relation = filled.reads.read(normalized("select a, b from t where a = ?1", 7), (), START_MS)
    assert (relation.rows, relation.index, relation.name) == ([(7, "name 7")], filled.applied_index, "t")
    assert orjson.loads(relation.columns_json) == [{"name": "a", "origin": "t"}, {"name": "b", "origin": "t"}]


@pytest.mark.usefixtures("no_watchdog")
def test_the_index_is_exact_while_writes_go_on(filled: Database, log: LogMaker) -> None:
    """Each entry sets a to its own index, so rows and index must agree in every answer."""
    filled.apply(work(log.sql("create table one (a)"), log.sql("insert into one values (0)")))
    filled.apply(work(log.sql("update one set a = ?1", log.index + 1)))

    def write() -> None:
        for _ in range(200):
            filled.apply(work(*(log.sql("update one set a = ?1", log.index + 1) for _ in range(3))))

    def check() -> None:
        relation = filled.reads.read(normalized("select a from one"), (), START_MS)
        assert relation.rows[0][0] == relation.index

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while writer.is_alive():
            check()
    finally:
        writer.join()
    # On a busy machine the hub may have left this read to the threads by now.
    assert long_rows_of(filled, "select a from one") == [(filled.applied_index,)]


@pytest.mark.usefixtures("no_watchdog")
def test_no_read_can_write(filled: Database) -> None:
    reader = filled.reads.read(normalized("select 1 as a"), (), START_MS)
    assert reader.rows == [(1,)]
    with pytest.raises(StorageFault, match="readonly"):
        filled.reads.read(normalized("with x(a) as (select 1) insert into t values (1, 2)"), (), START_MS)


def test_a_long_read_leaves_the_hub_and_is_remembered(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Overrun):
        filled.reads.read(normalized("select count(*) as a from t x, t y, t z"), (), START_MS)
    with monkeypatch.context() as patched:
        # No second try on the hub: SQLite is not asked at all.
        patched.delattr(HubReader, "rows")
        patched.delattr(HubReader, "rows_at")
        with pytest.raises(Overrun):
            filled.reads.read(normalized("select count(*) as a from t x, t y, t z"), (), START_MS)
    assert rows_of(filled, "select a from t where a = 3") == [(3,)]


def test_an_interrupt_that_comes_late_is_not_the_next_read_s(filled: Database) -> None:
    """The watchdog may hit what the reader asks for itself, between two reads: that is simply asked again."""
    reader, hits = HubReader(filled.file.path, Watchdog()), [0]

    def late() -> bool:
        hits[0] += 1
        return hits[0] in (1, 12, 30)

    reader._connection.set_progress_handler(late, 1)
    try:
        for _ in range(3):
            assert reader.hold(object(), filled.applied_index)
        reader.release()
    finally:
        reader.close()
    assert hits[0] > 30


def test_the_watchdog_ends_what_no_progress_handler_sees(filled: Database) -> None:
    watchdog = Watchdog()
    watchdog.start()
    connection = open_reader(filled.file.path, EntryContext())
    try:
        for _ in range(3):
            watchdog.begin(connection)
            with pytest.raises(apsw.InterruptError):
                connection.execute("select count(*) from t x, t y, t z").fetchall()
            watchdog.end()
            assert connection.execute("select count(*) from t").fetchall() == [(5000,)]
    finally:
        watchdog.stop()
        connection.close()


def test_the_watchdog_outlives_a_thread_that_it_watched(filled: Database) -> None:
    """One that ended in its read: the next thread's is watched as any."""
    watchdog, looked = Watchdog(), threading.Event()
    watch = watchdog._watch_read

    def look(running: apsw.Connection, count: int) -> None:
        try:
            watch(running, count)
        finally:
            looked.set()

    watchdog._watch_read = look  # type: ignore[method-assign]
    watchdog.start()
    connection = open_reader(filled.file.path, EntryContext())
    try:
        reader = threading.Thread(target=watchdog.begin, args=(connection,))
        reader.start()
        reader.join()
        assert looked.wait(20)
        watchdog.begin(connection)
        with pytest.raises(apsw.InterruptError):
            connection.execute("select count(*) from t x, t y, t z").fetchall()
        watchdog.end()
    finally:
        watchdog.stop()
        connection.close()


def test_too_many_rows_for_the_hub_stream_in_pages(filled: Database) -> None:
    query = normalized("select a, b from t")
    with pytest.raises(Overrun):
        filled.reads.read(query, (), START_MS)
    stream = filled.reads.stream(query, (), START_MS)
    first = stream.fetch(2)
    assert [page.rows for page in first] == [200, 200]
    assert (stream.head.index, stream.head.name, stream.finished) == (filled.applied_index, "t", False)
    assert everything(stream)[-1] == [4999, "name 4999"]


@pytest.mark.parametrize("rows", [0, 1, 199, 200, 201, 400])
def test_finished_is_exact(filled: Database, rows: int) -> None:
    stream = filled.reads.stream(normalized(f"select a from t where a < {rows}"), (), START_MS)
    pages = []
    while not stream.finished:
        pages += stream.fetch(1)
    assert sum(page.rows for page in pages) == rows
    assert len(pages) == max(1, -(-rows // 200))
    stream.close()


def test_a_stream_keeps_its_state_and_a_spool_gives_it_up(filled: Database, log: LogMaker) -> None:
    stream = filled.reads.stream(normalized("select a from t"), (), START_MS)
    stream.fetch(1)
    filled.apply(work(log.sql("delete from t")))
    filled.upkeep.checkpoint()
    assert filled.file.durable_index < filled.applied_index
    stream.spool()
    assert filled.upkeep.checkpoint() == filled.applied_index
    assert len(everything(stream)) == 4800
    assert not list(filled.file.path.parent.glob("tmp*"))


def test_a_result_past_its_limit_is_refused(tmp_path: Path, log: LogMaker) -> None:
    engine = open_engine(tmp_path / "small", TestLimits(result_bytes=1000))
    try:
        database = open_database(engine)
        stream = database.reads.stream(normalized(ENDLESS), (), START_MS)
        with pytest.raises(SqlError, match="result_too_large"):
            stream.spool()
    finally:
        engine.close()


def test_rows_in_literals_end_at_their_limit(filled: Database) -> None:
    """Exactly there, what stands between two rows included; of rows without end no more are asked for."""
    ten = normalized("select a from t where a < 10")
    whole = "(0), (1), (2), (3), (4), (5), (6), (7), (8), (9)"
    stream = filled.reads.stream(ten, (), START_MS, len(whole))
    assert ", ".join(row[0] for row in everything(stream)) == whole
    for query, limit in ((ten, len(whole) - 1), (normalized(ENDLESS), 1000), (normalized(ENDLESS), 1)):
        stream = filled.reads.stream(query, (), START_MS, limit)
        with pytest.raises(SqlError, match="copy_too_large"):
            everything(stream)


def test_a_stream_ends_at_the_statement_limit(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "quick", TestLimits(statement_seconds=0.05))
    try:
        stream = open_database(engine).reads.stream(
            normalized(ENDLESS.replace("select i from", "select count(*) as a from")), (), START_MS
        )
        with pytest.raises(SqlError, match="statement_timeout"):
            stream.fetch(1)
    finally:
        engine.close()


def test_a_stream_can_be_cancelled_from_another_thread(filled: Database) -> None:
    stream = filled.reads.stream(
        normalized(ENDLESS.replace("select i from", "select count(*) as a from")), (), START_MS
    )
    errors: list[SqlError] = []

    def run() -> None:
        try:
            stream.fetch(1)
        except SqlError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 5
    while not stream.execution.is_running and time.monotonic() < deadline:
        os.sched_yield()
    stream.cancel()
    thread.join(5)
    assert [error.key for error in errors] == ["cancelled"]


@pytest.mark.usefixtures("no_watchdog")
def test_a_slow_shape_that_turned_quick_comes_back_to_the_hub(filled: Database, log: LogMaker) -> None:
    query = normalized("select a from t where b > 'name'")
    with pytest.raises(Overrun):
        filled.reads.read(query, (), START_MS)
    filled.apply(work(log.sql("delete from t where a > 5")))
    everything(filled.reads.stream(query, (), START_MS))
    assert len(filled.reads.read(query, (), START_MS).rows) == 6


def test_a_long_read_of_one_row_is_remembered(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its work is done before its first row is there; after its stream it does not begin on the hub again."""
    query = normalized("select sum(x.a + y.a) from t x, t y where x.a < 300")
    with pytest.raises(Overrun):
        filled.reads.read(query, (), START_MS)
    everything(filled.reads.stream(query, (), START_MS))
    monkeypatch.setattr(HubReader, "rows", lambda *_: pytest.fail("it began on the hub"))
    with pytest.raises(Overrun):
        filled.reads.read(query, (), START_MS)


@pytest.mark.usefixtures("no_watchdog")
@pytest.mark.parametrize("is_work", [False, True])
def test_waiting_for_a_processor_makes_no_profile_slow(
    filled: Database, monkeypatch: pytest.MonkeyPatch, is_work: bool
) -> None:
    """A read that overran once, and whose stream then stands in line beside a long write, comes back to the hub; one
    whose stream works for as long does not."""
    query = normalized("select a from t where a = 7")
    filled.reads.read(query, (), START_MS)
    for hot in filled.file.committed.hot.values():
        hot.profile.slow = True
    with pytest.raises(Overrun):
        filled.reads.read(query, (), START_MS)
    page = PageEncoder.page

    def late(self: PageEncoder, cursor: Iterator[Row]) -> EncodedPage:
        end = time.thread_time() + 0.02
        while is_work and time.thread_time() < end:
            pass
        time.sleep(0.02)
        return page(self, cursor)

    monkeypatch.setattr(PageEncoder, "page", late)
    stream = filled.reads.stream(query, (), START_MS)
    stream.fetch(1)
    stream.close()
    if is_work:
        with pytest.raises(Overrun):
            filled.reads.read(query, (), START_MS)
    else:
        assert filled.reads.read(query, (), START_MS).rows == [(7,)]


@pytest.mark.parametrize("is_work", [False, True])
def test_a_read_that_the_machine_held_up_comes_back_to_the_hub(
    filled: Database, monkeypatch: pytest.MonkeyPatch, is_work: bool
) -> None:
    """The watchdog ends both; only the one that worked all the while is a long one."""
    monkeypatch.setattr(watching, "_REAL_LIMIT_SECONDS", float("inf") if is_work else 0.01)
    query = normalized("select a from t where a = 7 and held()")
    rows_of(filled, "select a from t where a = 7")
    assert filled.file.committed.reader is not None
    connection, calls = filled.file.committed.reader._connection, [0]

    def held() -> bool:
        calls[0] += 1
        while calls[0] == 1 and not connection.is_interrupted:
            if not is_work:
                time.sleep(0.01)
        return True

    connection.create_scalar_function("held", held)
    with pytest.raises(Overrun):
        filled.reads.read(query, (), START_MS)
    monkeypatch.setattr(watching, "_REAL_LIMIT_SECONDS", float("inf"))
    if is_work:
        with pytest.raises(Overrun):
            filled.reads.read(query, (), START_MS)
    else:
        assert filled.reads.read(query, (), START_MS).rows == [(7,)]
    assert calls[0] == (1 if is_work else 2)


def test_many_databases_share_few_connections(engine: Engine) -> None:
    engine._shared.readers._most = engine._shared.writers._most = 4  # a small pool fills at once
    system = LogMaker(0)
    engine.apply_system(work(*(system.database("create_database", f"d{n}") for n in range(20))))
    for _ in range(2):
        for n in range(20):
            database, log = engine.get(f"d{n}"), LogMaker(n + 1)
            if database.applied_index == 0:
                database.apply(work(log.sql("create table t (a)"), log.sql("insert into t values (?1)", n)))
            assert rows_of(database, "select a from t") == [(n,)]
    opened = [d for d in engine.databases().values() if d.file.committed.reader is not None]
    writers = [d for d in engine.databases().values() if d.writer._open is not None]
    assert (len(opened), len(writers)) == (4, 4)
