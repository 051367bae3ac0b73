"""What every log keeps, whatever it is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import gevent
import pytest

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.log.contract import Log
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.embedded.journal_rows import JournalCommit
from dirk_gevent.log.entry import NO_CHAIN, SYSTEM_LOG_ID, Draft, Entry, chain
from dirk_gevent.log.records import EntriesGoneError, SnapshotInfo
from dirk_parser.errors import SqlError
from tests.log.conftest import NOW_MS, Place

MakeDraft = Callable[..., Draft]
NewId = Callable[[], str]


def create(log: Log, name: str) -> int:
    """The log id of a new database."""
    change = log.appends.create_database(name, new_request_id(NOW_MS)).change
    assert change is not None
    return change.log_id


def entries(log: Log, log_id: int, after: int = 0, max_bytes: int = 1000) -> Iterator[Entry]:
    """All entries after an index, with the chain checked on the way."""
    while (chunk := log.reads.read(log_id, after, max_bytes)).entries:
        assert chunk.first_index == after + 1
        before = chunk.chain_before
        for encoded in chunk.entries:
            after += 1
            before = chain(before, encoded)
            assert before == log.reads.chain_at(log_id, after)
            yield Entry.decode(encoded)
    assert after == log.reads.head(log_id).index


def before_and_after(log: Log, place: Place) -> Iterator[Log]:
    """The log, and then the log after a restart."""
    yield log
    yield place.open()


def snapshot(log: Log, log_id: int, content: bytes = b"content") -> SnapshotInfo:
    """Stores a snapshot of the log's head."""
    head = log.reads.head(log_id)
    return log.snapshots.store(SnapshotInfo(log_id, head.index, head.chain, b"digest"), [content[:3], content[3:]])


def error_of(call: Callable[..., object], *args: object, **options: object) -> str:
    """The key of the SqlError that a call raises."""
    with pytest.raises(SqlError) as caught:
        call(*args, **options)
    return caught.value.key


def test_an_empty_log_has_only_the_system_database(log: Log) -> None:
    assert log.reads.databases() == ()
    assert dict(log.reads.heads()).keys() == {SYSTEM_LOG_ID}
    assert (log.reads.head(SYSTEM_LOG_ID).index, log.reads.head(SYSTEM_LOG_ID).chain) == (0, NO_CHAIN)
    assert len(log.genesis) == 16
    assert log.predecessors == ()
    system = log.reads.find("DIRK")
    assert system is not None and system.log_id == SYSTEM_LOG_ID


def test_appends_get_consecutive_places_and_are_read_back(log: Log, place: Place, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    appended = [log.appends.append(log_id, draft(number)) for number in range(1, 31)]
    assert [one.entry.index for one in appended] == list(range(1, 31))
    assert list(entries(log, log_id)) == [one.entry for one in appended]
    genesis = log.genesis
    again = place.open()
    assert again.genesis == genesis
    assert list(entries(again, log_id)) == [one.entry for one in appended]
    assert again.reads.head(log_id).chain == appended[-1].chain
    assert again.appends.append(log_id, draft()).entry.index == 31


def hub_beside_commits(log: Log, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each commit from here on, whether the hub went on while it was made: it is made only then, or much later."""
    assert isinstance(log, EmbeddedLog)
    journal, found, loop = log._threads._journal, list[bool](), gevent.get_hub().loop
    commit = journal.commit

    def gated(what: JournalCommit) -> None:
        was_beside = threading.Event()
        loop.run_callback_threadsafe(was_beside.set)
        found.append(all(found) and was_beside.wait(10))
        commit(what)

    monkeypatch.setattr(journal, "commit", gated)
    return found


def test_many_writers_share_commits_and_lose_nothing(
    log: Log, draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody else waits for a commit."""
    ids = [create(log, name) for name in "abc"]
    beside = hub_beside_commits(log, monkeypatch)
    jobs = [gevent.spawn(log.appends.append, ids[number % 3], draft(number)) for number in range(600)]
    gevent.joinall(jobs, raise_error=True)
    assert all(beside) and 0 < len(beside) < len(jobs)
    for log_id in ids:
        found = [job.value for job in jobs if job.value.entry.log_id == log_id]
        assert sorted(one.entry.index for one in found) == list(range(1, 201))
        by_index = {one.entry.index: one.entry for one in found}
        assert list(entries(log, log_id)) == [by_index[index] for index in range(1, 201)]


def test_time_never_goes_back_and_seeds_differ(log: Log, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    found = [log.appends.append(log_id, draft()).entry for _ in range(20)]
    assert all(earlier.time_ms <= later.time_ms for earlier, later in pairwise(found))
    assert len({one.seed for one in found}) == 20


def test_databases_come_and_go(log: Log, place: Place, draft: MakeDraft, new_id: NewId) -> None:
    first = create(log, "Étude")
    assert error_of(log.appends.create_database, "e\u0301TUDE", new_id()) == "duplicate_database"
    assert log.appends.create_database("étude", new_id(), optional=True).change is None
    log.appends.append(first, draft())
    dropped = log.appends.drop_database("étude", new_id())
    assert dropped.change is not None and dropped.change.sealed_at == 1
    assert error_of(log.appends.append, first, draft()) == "unknown_database"
    assert error_of(log.appends.drop_database, "étude", new_id()) == "unknown_database"
    assert log.appends.drop_database("étude", new_id(), optional=True).change is None
    assert log.reads.find("étude") is None and first not in log.reads.heads()
    second = create(log, "étude")
    assert second > first
    again = place.open()
    assert [info.log_id for info in again.reads.databases()] == [second]
    assert [one.change for one in entries(again, SYSTEM_LOG_ID)][1] == dropped.change


def test_the_system_database_stays(log: Log, new_id: NewId) -> None:
    assert error_of(log.appends.drop_database, "Dirk", new_id()) == "not_droppable"
    assert error_of(log.appends.create_database, "dirk", new_id()) == "duplicate_database"


def test_a_retried_change_gets_its_first_answer(log: Log, place: Place, new_id: NewId) -> None:
    request_id = new_id()
    made = log.appends.create_database("a", request_id)
    log.appends.drop_database("a", new_id())
    assert log.appends.create_database("a", request_id) == made
    assert error_of(log.appends.drop_database, "a", request_id) == "request_id_reused"
    again = place.open()
    assert again.appends.create_database("A", request_id) == made
    assert error_of(again.appends.create_database, "b", request_id) == "request_id_reused"
    assert again.reads.head(SYSTEM_LOG_ID).index == 2


def test_concurrent_retries_of_a_change_run_once(log: Log, new_id: NewId) -> None:
    request_id = new_id()
    jobs = [gevent.spawn(log.appends.create_database, "a", request_id) for _ in range(10)]
    gevent.joinall(jobs, raise_error=True)
    assert len({job.value.index for job in jobs}) == 1
    assert log.reads.head(SYSTEM_LOG_ID).index == 1


def test_request_ids_are_checked(log: Log, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    assert error_of(log.appends.append, log_id, draft(request_id="mine")) == "request_id_invalid"
    assert error_of(log.appends.create_database, "b", "mine") == "request_id_invalid"
    ahead = new_request_id(NOW_MS + 13 * 3600 * 1000)
    assert error_of(log.appends.create_database, "b", ahead) == "request_id_ahead"


def test_unknown_logs_are_refused(log: Log, draft: MakeDraft) -> None:
    assert error_of(log.appends.append, 7, draft()) == "unknown_database"
    assert error_of(log.reads.head, 7) == "unknown_database"
    assert log.reads.chain_at(7, 0) is None
    with pytest.raises(EntriesGoneError):
        log.reads.read(7, 0, 1000)


def test_chunks_respect_their_size_but_give_one_entry(log: Log, place: Place, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    for _ in range(10):
        log.appends.append(log_id, draft(text="x" * 1000))
    for found in before_and_after(log, place):
        assert len(found.reads.read(log_id, 0, 1).entries) == 1
        chunk = found.reads.read(log_id, 2, 7000)
        assert (chunk.first_index, chunk.last_index) == (3, 5)
        assert found.reads.read(log_id, 10, 1000).entries == ()


def test_a_watch_rings_for_what_changed_and_ends_with_the_log(log: Log, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    watch, closed = log.reads.watch(), log.reads.watch()
    assert watch.wait(0.01) == frozenset()
    waiting = gevent.spawn(watch.wait, 10)
    log.appends.append(log_id, draft())
    assert waiting.get(timeout=5) == {log_id}
    create(log, "b")
    assert watch.wait(5) == {SYSTEM_LOG_ID}
    closed.close()
    assert closed.wait(10) == frozenset()
    waiting = gevent.spawn(watch.wait)
    log.close()
    assert waiting.get(timeout=5) == frozenset()
    assert error_of(log.appends.append, log_id, draft()) == "log_closed"


def test_snapshots_are_held_until_a_newer_one_is_confirmed(log: Log, place: Place, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    log.appends.append(log_id, draft())
    first = snapshot(log, log_id)
    assert (first.index, first.size_bytes, first.confirmed) == (1, 7, False)
    assert log.snapshots.latest(log_id) is None, "one node alone vouches for it"
    log.appends.append(log_id, draft())
    second = snapshot(log, log_id, b"other content")
    assert log.snapshots.confirm(log_id, 2, b"another digest") is False
    reader = log.snapshots.open(log_id, 1)
    assert log.snapshots.confirm(log_id, 2, b"digest") is True
    assert [one.index for one in log.snapshots.all(log_id)] == [2]
    assert (reader.read(4), reader.read(100), reader.read(100)) == (b"cont", b"ent", b"")
    reader.close()
    assert error_of(log.snapshots.open, log_id, 1) == "snapshot_gone"
    again = place.open()
    latest = again.snapshots.latest(log_id)
    assert latest is not None and latest.confirmed and latest.checksum == second.checksum
    reader = again.snapshots.open(log_id, 2)
    assert reader.read(100) == b"other content"
    reader.close()


def test_a_snapshot_of_another_history_is_refused(log: Log, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    log.appends.append(log_id, draft())
    foreign = SnapshotInfo(log_id, 1, b"x" * 16, b"digest")
    assert error_of(log.snapshots.store, foreign, []) == "snapshot_refused"
    ahead = SnapshotInfo(log_id, 2, log.reads.head(log_id).chain, b"digest")
    assert error_of(log.snapshots.store, ahead, []) == "snapshot_refused"
    snapshot(log, log_id)
    assert error_of(snapshot, log, log_id) == "snapshot_refused"


def test_a_snapshot_whose_sender_fails_leaves_nothing(log: Log, draft: MakeDraft) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    log_id = create(log, "a")
    head = log.appends.append(log_id, draft())
    with pytest.raises(ConnectionResetError):
        log.snapshots.store(SnapshotInfo(log_id, 1, head.chain, b"digest"), broken())
    assert log.snapshots.all(log_id) == ()
    assert snapshot(log, log_id).index == 1


def test_entries_go_only_behind_a_confirmed_snapshot(log: Log, place: Place, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    for number in range(1200):
        gevent.spawn(log.appends.append, log_id, draft(number))
    gevent.spawn(log.appends.append, log_id, draft()).join()
    assert log.snapshots.truncate(log_id, 1000) == 1
    taken = snapshot(log, log_id)
    assert log.reads.size(log_id).entries_since_snapshot == 0
    last = log.appends.append(log_id, draft())
    assert log.snapshots.truncate(log_id, 1000) == 1
    assert log.snapshots.confirm(log_id, taken.index, b"digest")
    assert log.snapshots.truncate(log_id, 1100) == 1101
    assert log.snapshots.truncate(log_id, 5000) == taken.index + 1
    for found in before_and_after(log, place):
        assert found.reads.oldest(log_id) == taken.index + 1
        assert list(entries(found, log_id, taken.index)) == [last.entry]
        assert found.reads.chain_at(log_id, taken.index) == taken.chain
        assert found.reads.chain_at(log_id, taken.index - 1) is None
        assert (found.reads.size(log_id).entries, found.reads.size(log_id).entries_since_snapshot) == (1, 1)
        assert found.reads.size(log_id).bytes == found.reads.size(log_id).bytes_since_snapshot == len(last.encoded)
        with pytest.raises(EntriesGoneError) as caught:
            found.reads.read(log_id, 5, 1000)
        assert caught.value.oldest == taken.index + 1


def test_a_dropped_log_is_kept_until_it_is_forgotten(log: Log, place: Place, draft: MakeDraft, new_id: NewId) -> None:
    log_id = create(log, "a")
    log.appends.append(log_id, draft())
    snapshot(log, log_id)
    log.snapshots.forget(log_id)
    assert log.reads.head(log_id).index == 1
    log.appends.drop_database("a", new_id())
    assert len(list(entries(log, log_id))) == 1
    log.snapshots.forget(log_id)
    log.snapshots.forget(log_id)
    for found in before_and_after(log, place):
        assert found.snapshots.all(log_id) == ()
        assert error_of(found.reads.head, log_id) == "unknown_database"
        with pytest.raises(EntriesGoneError):
            found.reads.read(log_id, 0, 1000)
