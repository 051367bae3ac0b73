"""What only the embedded log has: a directory, a disk that can fail or fill, a clock that can jump."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import gevent
import pytest

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.embedded.journal_file import WAL_KEPT_BYTES, position
from dirk_gevent.log.entry import Draft
from tests.log.conftest import NOW_MS
from tests.log.faulty_disk import NAME, FaultyDisk
from tests.log.test_contract import create, entries, error_of, snapshot

MakeDraft = Callable[..., Draft]
_MIB = 1024 * 1024


def opened(settings: LogSettings, **options: Any) -> EmbeddedLog:
    """A log in the tests' present, if nothing else is said."""
    return EmbeddedLog(settings, **{"clock": lambda: NOW_MS, **options})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(path).encode(), b"tmpfs", 0, b"size=12m") != 0:
        pytest.skip(f"cannot mount a tmpfs: {os.strerror(ctypes.get_errno())}")
    yield path
    libc.umount2(str(path).encode(), 2)


def test_a_directory_has_one_owner(settings: LogSettings) -> None:
    log = opened(settings)
    assert error_of(opened, settings) == "log_locked"
    log.close()
    opened(settings).close()


def test_time_stands_still_when_the_clock_goes_back(settings: LogSettings, draft: MakeDraft) -> None:
    now = [NOW_MS]
    log = opened(settings, clock=lambda: now[0])
    log_id = create(log, "a")
    times = []
    for now[0] in (NOW_MS + 5, NOW_MS - 3_600_000, NOW_MS + 7):
        times.append(log.appends.append(log_id, draft()).entry.time_ms - NOW_MS)
    log.close()
    again = opened(settings, clock=lambda: NOW_MS - 3_600_000)
    times.append(again.appends.append(log_id, draft()).entry.time_ms - NOW_MS)
    again.close()
    assert times == [5, 5, 7, 7]


def test_a_failed_fsync_leaves_the_outcome_open_and_the_log_goes_on(
    settings: LogSettings, disk: FaultyDisk, draft: MakeDraft
) -> None:
    log = opened(settings, vfs=NAME)
    log_id = create(log, "a")
    first = log.appends.append(log_id, draft())
    watch = log.reads.watch()
    with disk.failing_sync():
        jobs = [gevent.spawn(error_of, log.appends.append, log_id, draft()) for _ in range(5)]
        gevent.joinall(jobs, raise_error=True)
        assert {job.value for job in jobs} <= {"outcome_unknown", "log_unavailable"}
        assert error_of(log.appends.append, log_id, draft()) == "log_unavailable"
    assert disk.failures
    last = log.appends.append(log_id, draft())
    assert log_id in watch.wait(5)
    found = list(entries(log, log_id))
    assert (found[0], found[-1]) == (first.entry, last.entry)
    log.close()
    again = opened(settings)
    assert list(entries(again, log_id)) == found
    again.close()


def test_a_log_that_cannot_say_where_it_ends_says_so_until_it_has_read_its_journal_again(
    settings: LogSettings, disk: FaultyDisk, draft: MakeDraft
) -> None:
    """It does so by itself: whoever asks how a write ended may be the only one who asks anything."""
    log = opened(settings, vfs=NAME)
    log_id = create(log, "a")
    assert not log.appends.is_in_doubt
    with disk.failing_sync():
        assert error_of(log.appends.append, log_id, draft()) == "outcome_unknown"
        assert log.appends.is_in_doubt
    with gevent.Timeout(10):
        while log.appends.is_in_doubt:
            gevent.sleep(0.02)
    assert log.reads.head(log_id).index == len(list(entries(log, log_id)))
    log.close()


def test_a_commit_that_reports_failure_after_it_was_made_is_found_again(
    settings: LogSettings, monkeypatch: pytest.MonkeyPatch, draft: MakeDraft
) -> None:
    class Lying(apsw.Connection):
        """Commits, and then says it did not."""

        lies = False

        def execute(self, statements: str, *args: object, **options: object) -> apsw.Cursor:
            cursor = super().execute(statements, *args, **options)  # type: ignore[arg-type]
            if statements == "COMMIT" and Lying.lies:
                Lying.lies = False
                raise apsw.IOError("the disk lied")
            return cursor

    monkeypatch.setattr(apsw, "Connection", Lying)
    log = opened(settings)
    log_id = create(log, "a")
    Lying.lies = True
    lost = draft(7)
    assert error_of(log.appends.append, log_id, lost) == "outcome_unknown"
    assert log.appends.append(log_id, draft(8)).entry.index == 2
    assert next(entries(log, log_id)).request_id == lost.request_id
    log.close()


def test_a_write_without_room_appends_nothing(settings: LogSettings, disk: FaultyDisk, draft: MakeDraft) -> None:
    log = opened(settings, vfs=NAME)
    log_id = create(log, "a")
    with disk.failing_write():
        assert error_of(log.appends.append, log_id, draft()) == "disk_full_log"
        assert log.reads.head(log_id).index == 0
    assert log.appends.append(log_id, draft()).entry.index == 1
    log.close()


def test_a_full_disk_refuses_before_the_append_and_recovers(
    small_disk: Path, settings: LogSettings, draft: MakeDraft
) -> None:
    log = opened(replace(settings, directory=small_disk / "log", reserve_bytes=2 * _MIB))
    log_id, spare = create(log, "a"), create(log, "b")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(9 * _MIB))
    refused = 0
    for _ in range(200):
        try:
            log.appends.append(log_id, draft(text="x" * 20_000))
        except Exception as error:
            assert getattr(error, "sqlstate", None) == "53100"
            refused += 1
    assert refused
    assert error_of(snapshot, log, log_id, b"x" * _MIB) == "disk_full_log"
    assert log.appends.drop_database("b", new_request_id(NOW_MS)).change is not None
    log.snapshots.forget(spare)
    filler.unlink()
    head = log.reads.head(log_id).index
    assert log.appends.append(log_id, draft()).entry.index == head + 1
    assert len(list(entries(log, log_id))) == head + 1
    log.close()


def test_too_many_waiting_drafts_are_refused(settings: LogSettings, draft: MakeDraft) -> None:
    log = opened(replace(settings, max_waiting=10))
    log_id = create(log, "a")
    jobs = [gevent.spawn(log.appends.append, log_id, draft()) for _ in range(30)]
    gevent.joinall(jobs)
    failed = [job for job in jobs if not job.successful()]
    assert {job.exception.key for job in failed} == {"overloaded"}
    assert len(jobs) - len(failed) == log.reads.head(log_id).index >= 10
    log.close()


def test_a_file_that_is_no_journal_is_not_opened(settings: LogSettings) -> None:
    opened(settings).close()
    (settings.directory / "journal.sqlite").write_text("this is not a journal" * 1000)
    assert error_of(opened, settings) == "log_damaged"


def test_files_that_the_journal_does_not_name_go_at_start(settings: LogSettings, draft: MakeDraft) -> None:
    log = opened(settings)
    log_id = create(log, "a")
    log.appends.append(log_id, draft())
    snapshot(log, log_id)
    log.appends.append(log_id, draft())
    snapshot(log, log_id)
    log.close()
    folder = settings.directory / "snapshots"
    (folder / f"{log_id}-9.part").write_bytes(b"half")
    (folder / f"{log_id}-1.zst").unlink()
    again = opened(settings)
    assert [one.index for one in again.snapshots.all(log_id)] == [2]
    assert [path.name for path in folder.iterdir()] == [f"{log_id}-2.zst"]
    again.close()


def test_the_wal_stays_small_under_load_and_the_file_holds_all_when_idle(
    settings: LogSettings, draft: MakeDraft
) -> None:
    log = opened(settings)
    log_id = create(log, "a")
    for _ in range(60):
        gevent.joinall([gevent.spawn(log.appends.append, log_id, draft(text="x" * 20_000)) for _ in range(20)])
    wal = settings.directory / "journal.sqlite-wal"
    assert wal.stat().st_size < 45 * _MIB
    with gevent.Timeout(30):
        while log._threads.wal_pages:
            gevent.sleep(0.05)
    # The checkpoint of the idle log is over: what it moved is all there, and the next append begins the WAL anew.
    assert _entries_without_wal(settings.directory / "journal.sqlite") == log.reads.head(log_id).index
    log.appends.append(log_id, draft())
    assert wal.stat().st_size <= WAL_KEPT_BYTES
    log.close()


def _entries_without_wal(path: Path) -> int:
    """How many entries of user databases a copy of the journal's file alone holds."""
    connection = apsw.Connection(f"file:{path}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        rows = connection.execute("SELECT count(*) FROM entries WHERE position >= ?", (position(1, 0),)).fetchall()
        return int(rows[0][0])
    except apsw.Error:
        return 0
    finally:
        connection.close()
