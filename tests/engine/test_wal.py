"""A database's WAL stays within its bound under any load, and the bound decides about reads alone."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.results import EncodedPage
from dirk_gevent.engine.snapshot.snapshot import PinnedState
from dirk_gevent.engine.transaction.open_transaction import Transaction
from dirk_gevent.engine.wal import wal
from dirk_gevent.engine.wal.wal import EntriesWait, Overtaken
from dirk_gevent.log.entry import LoggedStatement
from dirk_parser.errors import SqlError
from tests.engine.bounded_wal import MIB, MOST_BYTES, ROWS, TEXT_CHARACTERS, change, small, wal_bytes
from tests.engine.plans import (
    START_MS,
    LogMaker,
    long_rows_of,
    normalized,
    rows_normalized,
    rows_of,
    work,
)
from tests.seeds import chosen_seed

_FOREIGN = Path(__file__).with_name("foreign_reader.py")
#: A query that never ends by itself.
ENDLESS = "select count(*) from t a, t b, t c, t d where length(a.b) + length(d.b) > 0"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer waits for readers that are ended until they are, however late they come to a processor."""
    monkeypatch.setattr(wal, "_LAST_PAUSES", (0.02,) * 1500)


@pytest.fixture
def seed() -> int:
    """`DIRK_SEED`, else a new one."""
    return chosen_seed()


@contextmanager
def foreign(database: Database, mode: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that reads the file."""
    words = [sys.executable, str(_FOREIGN), str(database.file.path), mode]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def threads(*loops: Callable[[Callable[[], bool]], object]) -> Iterator[list[BaseException]]:
    """Run loops beside the body; each ends when what it is given says so. What one raises is listed, and no good."""
    is_over, raised = threading.Event(), list[BaseException]()

    def guarded(loop: Callable[[Callable[[], bool]], object]) -> None:
        try:
            loop(is_over.is_set)
        except BaseException as error:
            raised.append(error)

    begun = [threading.Thread(target=guarded, args=(loop,)) for loop in loops]
    for thread in begun:
        thread.start()
    try:
        yield raised
    finally:
        is_over.set()
        for thread in begun:
            thread.join(30)
    assert raised == []


def write_much(database: Database, log: LogMaker, chance: random.Random, total_bytes: int) -> int:
    """Write until the WAL, had it never begun anew, would take `total_bytes`; the largest that the file was."""
    largest, written = 0, 0
    while written < total_bytes:
        batch = [change(log, chance.randrange(ROWS)) for _ in range(chance.randrange(1, 30))]
        for outcome in database.apply(batch):
            assert outcome.sqlstate == ""
        written += len(batch) * 20 * TEXT_CHARACTERS
        largest = max(largest, wal_bytes(database))
        rows_of(database, f"select a from t where a = {chance.randrange(ROWS)}")
    return largest


def stream_all(database: Database, sql: str, is_over: Callable[[], bool]) -> None:
    """Read by streams, one after the other without a pause, some page by page."""
    while not is_over():
        stream = database.reads.stream(normalized(sql), (), START_MS)
        try:
            while not stream.finished and not is_over():
                stream.fetch(1)
        except SqlError as error:
            assert error.key in ("read_overtaken", "cancelled")
        finally:
            stream.close()


def pin_all(database: Database, chance: random.Random, is_over: Callable[[], bool]) -> None:
    """Digests of pinned states, some of which wait for their thread first."""
    while not is_over():
        pin = database.upkeep.pin()
        try:
            threading.Event().wait(chance.random() / 10)
            pin.content_digest()
        except Overtaken:
            pass
        finally:
            pin.close()


@pytest.mark.usefixtures("patient")
def test_readers_that_never_pause_do_not_make_the_wal_grow(
    tmp_path: Path, log: LogMaker, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the hub, on threads, in pins, in another process: twenty times the bound is written."""
    monkeypatch.setattr(wal, "_DRAIN_SECONDS", 0.05)
    chance = random.Random(seed)
    with small(tmp_path / "data", log) as database, foreign(database, "loop"):
        entry_bytes = 40 * 4120
        with threads(
            lambda is_over: stream_all(database, "select a, b from t", is_over),
            lambda is_over: stream_all(database, "select x.a from t x, t y", is_over),
            lambda is_over: pin_all(database, random.Random(seed + 1), is_over),
        ):
            largest = write_much(database, log, chance, 20 * MOST_BYTES)
    print(f"largest: {largest}")
    assert largest <= MOST_BYTES + entry_bytes


def test_a_batch_is_split_well_below_the_bound(tmp_path: Path, log: LogMaker) -> None:
    with small(tmp_path / "data", log) as database:
        batch = [change(log, n % 10 * 100, 100) for n in range(100)]
        stream = database.reads.stream(normalized("select a from t"), (), START_MS)
        stream.fetch(1)
        assert len(database.apply(batch)) == 100
        assert wal_bytes(database) <= MOST_BYTES + 100 * 4120
        stream.close()


def test_the_bound_never_decides_how_an_entry_ends(tmp_path: Path, seed: int) -> None:
    """The same entries under a tiny and a huge bound: the same outcomes, the same content, entry by entry."""
    ends = []
    for most_bytes in (MIB, 256 * MIB):
        chance, log = random.Random(seed), LogMaker(1)
        log_secrets = iter(range(1, 1 << 20))
        log.request_id = lambda maker=log, numbers=log_secrets: f"{maker.time_ms:013d}-{next(numbers):020x}"  # type: ignore[method-assign]
        with small(tmp_path / str(most_bytes), log, most_bytes) as database:
            outcomes = []
            for _ in range(10):
                batch = [change(log, chance.randrange(ROWS), chance.randrange(200)) for _ in range(20)]
                twice = chance.randrange(ROWS)
                batch += work(log.sql(f"insert into t values ({twice}, 'again')"))
                batch += work(
                    log.statement(rows_normalized("insert into t values (?1, ?2)", [(n, "") for n in (-1, 5)]))
                )
                outcomes += [(one.index, one.sqlstate, one.digest) for one in database.apply(batch)]
            rows = long_rows_of(database, "select count(*), sum(length(b)) from t")
            ends.append((outcomes, database.position.chain, rows))
    assert ends[0] == ends[1]


def test_a_long_query_runs_again_on_the_newer_state(tmp_path: Path, log: LogMaker, seed: int) -> None:
    """Nothing of it was given away: it is not ended, and tells the index of the state that it has read at last."""
    with small(tmp_path / "data", log) as database:
        stream = database.reads.stream(normalized("select count(*) from t a, t b where length(a.b) > 0"), (), START_MS)
        stream.open()
        before = stream.head.index
        write_much(database, log, random.Random(seed), 3 * MOST_BYTES)
        assert sum(page.rows for page in stream.fetch(1)) == 1
        assert before < stream.head.index == database.applied_index
        stream.close()


@pytest.mark.usefixtures("patient")
def test_a_query_under_way_for_long_lets_the_writer_go_on(tmp_path: Path, log: LogMaker, seed: int) -> None:
    with small(tmp_path / "data", log) as database:
        stream = database.reads.stream(normalized(ENDLESS), (), START_MS)
        cancelled: list[str] = []

        def run(_: Callable[[], bool]) -> None:
            with pytest.raises(SqlError) as ended:
                stream.fetch(1)
            cancelled.append(ended.value.key)

        with threads(run):
            largest = write_much(database, log, random.Random(seed), 5 * MOST_BYTES)
            stream.cancel()
        assert cancelled == ["cancelled"]
        assert largest <= MOST_BYTES + 40 * 4120


def test_a_read_of_which_pages_were_given_ends_with_57014(tmp_path: Path, log: LogMaker, seed: int) -> None:
    with small(tmp_path / "data", log) as database:
        stream = database.reads.stream(normalized("select a.a from t a, t b, t c"), (), START_MS)
        stream.fetch(1)
        write_much(database, log, random.Random(seed), 3 * MOST_BYTES)
        with pytest.raises(SqlError) as ended:
            stream.fetch(1)
        assert (ended.value.key, ended.value.sqlstate) == ("read_overtaken", "57014")
        assert stream.finished


def test_a_read_that_is_nearly_over_is_drained_before_it_must_end(tmp_path: Path, log: LogMaker, seed: int) -> None:
    with small(tmp_path / "data", log) as database:
        stream = database.reads.stream(normalized("select a from t"), (), START_MS)
        pages = stream.fetch(1)
        chance = random.Random(seed)
        while not stream.execution.is_hurried:
            database.apply([change(log, chance.randrange(ROWS))])
        pages += stream.fetch(1)
        write_much(database, log, chance, 3 * MOST_BYTES)
        while not stream.finished:
            pages += stream.fetch(1)
        assert sum(page.rows for page in pages) == ROWS
        stream.close()


def test_the_writer_waits_for_a_read_that_can_be_drained(
    tmp_path: Path, log: LogMaker, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the WAL is full: a read of a moment is not ended because it came at the wrong one."""
    monkeypatch.setattr(wal, "_DRAIN_SECONDS", 60)
    monkeypatch.setattr(wal, "_LAST_PAUSES", (0.02,) * 3000)
    with small(tmp_path / "data", log) as database:
        stream = database.reads.stream(normalized("select a from t"), (), START_MS)
        pages = stream.fetch(1)
        with threads(lambda _: write_much(database, log, random.Random(seed), 3 * MOST_BYTES)):
            while not database.file.wal.entrance.locked():
                time.sleep(0.001)
            while not stream.finished:
                pages += stream.fetch(1)
        assert sum(page.rows for page in pages) == ROWS
        stream.close()


def test_a_first_page_that_comes_while_its_state_is_overtaken_is_read_anew(tmp_path: Path, log: LogMaker) -> None:
    """Whichever comes first, the page or the end of its state: nothing is given of a read that can't go on."""
    with small(tmp_path / "data", log) as database:
        stream = database.reads.stream(normalized("select a from t"), (), START_MS)
        encode, overtaken = stream._encode, list[bool]()

        def encode_late(pages: int) -> list[EncodedPage]:
            encoded = encode(pages)
            if not overtaken:
                overtaken.append(True)
                with threads(lambda _: stream.overtake(False)):
                    pass
                database.apply([change(log, 0)])
            return encoded

        stream._encode = encode_late  # type: ignore[method-assign]
        pages = stream.fetch(1)
        assert stream.head.index == database.applied_index
        while not stream.finished:
            pages += stream.fetch(1)
        assert sum(page.rows for page in pages) == ROWS
        stream.close()


def test_a_state_that_is_overtaken_is_read_anew_and_at_last_first(tmp_path: Path, log: LogMaker, seed: int) -> None:
    """A pin is gone when the WAL is full; one that goes first has the entries wait, and they go on when it ends."""
    with small(tmp_path / "data", log) as database:
        chance = random.Random(seed)
        pin = database.upkeep.pin()
        write_much(database, log, chance, 3 * MOST_BYTES)
        with pytest.raises(Overtaken):
            pin.content_digest()
        with pytest.raises(Overtaken):
            pin.snapshot(tmp_path / "shot")
        pin.close()
        first = database.upkeep.pin(is_first=True)
        batch = [change(log, chance.randrange(ROWS)) for _ in range(400)]
        with pytest.raises(EntriesWait):
            database.apply(batch)
        assert database.applied_index < batch[-1].entry.index
        assert wal_bytes(database) <= MOST_BYTES
        assert first.snapshot(tmp_path / "shot").index == first.index
        database.apply(batch)
        assert database.applied_index == batch[-1].entry.index
        first.close()
        assert not list(tmp_path.glob("*partial*"))


def test_a_snapshot_begins_again_until_it_is_made(
    tmp_path: Path, log: LogMaker, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is written while it is copied, the third time it is whole, and of one state."""
    with small(tmp_path / "data", log) as database:
        chance, tries, left, writers = random.Random(seed), [0, 0], list[Work](), list[threading.Thread]()

        def write_past(pin: PinnedState) -> None:
            while not pin._is_over:
                database.apply([change(log, chance.randrange(ROWS))])

        def copying(pin: PinnedState, image: Path, rests: bool) -> None:
            tries[pin.is_first] += 1
            for thread in writers:
                thread.join(30)
            if pin.is_first:
                left.extend(change(log, chance.randrange(ROWS)) for _ in range(200))
                with pytest.raises(EntriesWait):
                    database.apply(left)
            else:
                writers.append(threading.Thread(target=write_past, args=(pin,)))
                writers[-1].start()
                while True:
                    pin._check()
                    time.sleep(0.001)
            copy(pin, image, rests)

        copy = PinnedState._copy
        monkeypatch.setattr(PinnedState, "_copy", copying)
        info = database.upkeep.snapshot(tmp_path / "shot")
        assert tries == [2, 1]
        assert info.index < left[-1].entry.index
        assert len(database.apply(left)) == len(left)
        database.restore(tmp_path / "shot")
        assert database.upkeep.content_digest() == (info.index, bytes.fromhex(info.digest))


def test_a_reader_of_another_process_that_lasts_stops_the_writer_and_is_named(tmp_path: Path, log: LogMaker) -> None:
    with small(tmp_path / "data", log) as database:
        batch = [change(log, n % 10 * 100, 50) for n in range(100)]
        with foreign(database, "hold") as process:
            with pytest.raises(StorageFault, match=rf"limits\.walBytes\): {process.pid}$"):
                database.apply(batch)
            assert wal_bytes(database) <= MOST_BYTES + 50 * 4120
            applied = database.applied_index
            assert long_rows_of(database, "select count(*) from t") == [(ROWS,)]
        assert len(database.apply(batch)) == len(batch)
        assert applied < database.applied_index == batch[-1].entry.index


def test_a_transaction_that_was_rolled_back_leaves_no_large_wal(tmp_path: Path, log: LogMaker) -> None:
    """What it wrote is its own, as an entry's pages are; with the next entry, or a checkpoint, the file is small."""
    with small(tmp_path / "data", log) as database:
        transaction = Transaction(database.base_state(), 0, 1 << 20)
        for _ in range(3):
            statement = LoggedStatement(normalized("update t set b = b || b"), (), START_MS, 1)
            database.writer.change_in(transaction, transaction.written_as("", statement))
        assert wal_bytes(database) > 2 * MOST_BYTES
        database.writer.forget_changes(transaction)
        database.upkeep.checkpoint()
        assert wal_bytes(database) <= MOST_BYTES // 4
        assert long_rows_of(database, "select max(length(b)) from t") == [(TEXT_CHARACTERS,)]


def test_an_entry_after_a_large_transaction_shrinks_the_wal(tmp_path: Path, log: LogMaker) -> None:
    with small(tmp_path / "data", log) as database:
        transaction = Transaction(database.base_state(), 0, 1 << 20)
        statement = LoggedStatement(normalized("update t set b = b || b"), (), START_MS, 1)
        database.writer.change_in(transaction, transaction.written_as("", statement))
        assert wal_bytes(database) > MOST_BYTES
        database.apply([change(log, 1)])
        assert wal_bytes(database) <= MOST_BYTES // 4
