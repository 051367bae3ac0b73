"""The epochs of a log: one an opening that appends, with the heads before it, in the commit of its first entry."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log import epochs
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.embedded.journal_file import JOURNAL_FILE
from dirk_gevent.log.entry import Draft
from dirk_gevent.log.records import SnapshotInfo
from tests.log.conftest import NOW_MS
from tests.log.faulty_disk import NAME, FaultyDisk
from tests.log.test_contract import create, error_of, snapshot

MakeDraft = Callable[..., Draft]
Open = Callable[[], EmbeddedLog]


@pytest.fixture
def again(settings: LogSettings) -> Iterator[Open]:
    """Opens the log anew, as a restart does."""
    logs: list[EmbeddedLog] = []

    def make() -> EmbeddedLog:
        for log in logs:
            log.close()
        logs.append(EmbeddedLog(settings, clock=lambda: NOW_MS))
        return logs[-1]

    yield make
    for log in logs:
        log.close()


def test_an_opening_that_appends_nothing_tells_of_the_epoch_before(again: Open, draft: MakeDraft) -> None:
    assert again().epochs.current == b""
    log = again()
    log_id = create(log, "a")
    first = log.epochs.current
    assert len(first) == epochs.EPOCH_BYTES and log.epochs.knows(first)
    log.appends.append(log_id, draft())
    assert log.epochs.current == first and log.epochs.end(first, log_id) is None
    log = again()
    assert log.epochs.current == first, "the heads are those of the opening before"
    assert log.epochs.end(first, log_id) == 1
    log.appends.append(log_id, draft())
    assert log.epochs.current not in (b"", first)
    second = log.epochs.current
    assert log.epochs.end(first, log_id) == 1, "what came in the next epoch is no part of it"
    log = again()
    log.epochs.disown(second)
    for known in (log.epochs, again().epochs):
        assert known.current not in (b"", first, second), "no node is told of one that counts for nothing"


def test_a_restore_begins_an_epoch_too(again: Open) -> None:
    log_id = create(again(), "a")
    log = again()
    log.snapshots.adopt(SnapshotInfo(log_id, 1, b"c" * 16, b"digest"), [b"state"])
    assert log.epochs.current != b""


def test_a_log_that_went_back_does_not_know_the_epoch_that_it_lost(
    again: Open, settings: LogSettings, draft: MakeDraft, tmp_path: Path
) -> None:
    log = again()
    log_id = create(log, "a")
    before = log.epochs.current
    again().close()
    shutil.copytree(settings.directory, tmp_path / "old")
    log = again()
    log.appends.append(log_id, draft())
    lost = log.epochs.current
    log.close()
    for path in (tmp_path / "old").glob("journal*"):
        shutil.copyfile(path, settings.directory / path.name)
    for _ in range(2):
        log = again()
        assert not log.is_copy, "it lies in the same file"
        assert log.epochs.knows(before) and not log.epochs.knows(lost)
        log.appends.append(log_id, draft())
    assert log.epochs.end(before, log_id) == 0
    log.epochs.disown(lost)
    for known in (log.epochs, again().epochs):
        assert known.knows(lost) and known.is_disowned(lost) and not known.is_disowned(before)
        assert known.end(lost, log_id) is None and known.end(before, log_id) == 0


def test_a_commit_that_failed_begins_the_epoch_with_the_next(
    settings: LogSettings, disk: FaultyDisk, draft: MakeDraft
) -> None:
    log = EmbeddedLog(settings, clock=lambda: NOW_MS, vfs=NAME)
    log_id = create(log, "a")
    log.close()
    log = EmbeddedLog(settings, clock=lambda: NOW_MS, vfs=NAME)
    with disk.failing_sync():
        assert error_of(log.appends.append, log_id, draft()) == "outcome_unknown"
    log.appends.append(log_id, draft())
    current = log.epochs.current
    log.close()
    with closing(apsw.Connection(str(settings.directory / "journal.sqlite"))) as connection:
        found = [row[0] for row in connection.execute("SELECT epoch FROM epochs ORDER BY ordinal")]
    assert len(found) == 2 and found[-1] == current


def test_a_journal_without_epochs_gets_them(again: Open, settings: LogSettings, draft: MakeDraft) -> None:
    """As one of release 2.0.0 is."""
    log_id = create(again(), "a")
    again().close()
    with closing(apsw.Connection(str(settings.directory / "journal.sqlite"))) as connection:
        connection.execute("DROP TABLE epochs")
    log = again()
    log.appends.append(log_id, draft())
    first = log.epochs.current
    assert first and again().epochs.end(first, log_id) == 1


def test_the_heads_of_old_epochs_go_and_the_epochs_stay(
    again: Open, draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "_KEPT_HEADS", 2)
    log = again()
    log_id = create(log, "a")
    made = [log.epochs.current]
    for _ in range(4):
        log = again()
        log.appends.append(log_id, draft())
        made.append(log.epochs.current)
    log = again()
    assert all(log.epochs.knows(epoch) for epoch in made)
    assert [log.epochs.end(epoch, log_id) for epoch in made] == [None, None, None, 3, 4]


def test_a_node_of_many_databases_asks_of_each_without_reading_all_heads_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of it is work between two turns of the hub."""
    read: list[int] = []
    loads = epochs.orjson.loads
    monkeypatch.setattr(epochs.orjson, "loads", lambda text: read.append(1) or loads(text))
    found = epochs.Epochs(b"own", lambda: False, lambda _: None)
    found.opened([(b"first", epochs.heads_text({0: 1}))], {log_id: 7000 + log_id for log_id in range(500)})
    assert [found.end(b"first", log_id) for log_id in range(500)] == [7000 + log_id for log_id in range(500)]
    assert len(read) <= 1


def test_an_old_journal_of_the_same_length_takes_no_snapshot_from_the_right_one(
    again: Open, draft: MakeDraft, settings: LogSettings
) -> None:
    """A snapshot made and confirmed after the copy, with nothing written meanwhile; then a person puts all right."""
    log = again()
    log_id = create(log, "a")
    log.appends.append(log_id, draft())
    log.close()
    journal = settings.directory / JOURNAL_FILE
    old = journal.read_bytes()
    log = again()
    info = snapshot(log, log_id)
    assert log.snapshots.confirm(log_id, info.index, info.digest)
    log.snapshots.truncate(log_id, info.index)
    log.close()
    right = journal.read_bytes()
    journal.write_bytes(old)
    again().close()
    journal.write_bytes(right)
    log = again()
    assert log.snapshots.latest(log_id) is not None and log.reads.damage(log_id) is None
