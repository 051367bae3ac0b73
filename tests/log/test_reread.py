"""The journal is read again after a fault: nothing is written to a state that is no longer the log's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.embedded.journal_threads import CommitFailedError
from dirk_gevent.log.entry import Draft
from dirk_gevent.log.records import SnapshotInfo
from dirk_parser.errors import SqlError
from tests.log.conftest import NOW_MS
from tests.log.test_contract import create

MakeDraft = Callable[..., Draft]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    found = EmbeddedLog(LogSettings(directory=tmp_path / "log"), clock=lambda: NOW_MS)
    yield found
    found.close()


def outcome(work: Callable[..., Any], *args: Any) -> Any:
    try:
        return work(*args)
    except SqlError as error:
        return error.key


@pytest.mark.parametrize("verb", ["create", "drop"])
def test_a_retry_that_waited_during_a_commit_that_failed_finds_what_it_did(log: EmbeddedLog, verb: str) -> None:
    if verb == "drop":
        create(log, "a")
    work = log.appends.create_database if verb == "create" else log.appends.drop_database
    begun, goes_on = Event(), Event()
    commit = log._threads.commit

    def commit_and_fail(*args: Any) -> None:
        log._threads.commit = commit  # type: ignore[method-assign]
        begun.set()
        goes_on.wait()
        commit(*args)
        raise CommitFailedError("the disk lied")

    log._threads.commit = commit_and_fail  # type: ignore[method-assign]
    request_id = new_request_id(NOW_MS)
    first = gevent.spawn(outcome, work, "a", request_id)
    begun.wait()
    again = gevent.spawn(outcome, work, "a", request_id)
    while not log.appends._waiting:
        gevent.sleep(0)
    goes_on.set()
    assert first.get() == "outcome_unknown"
    assert again.get().change.name == "a"
    assert (log.reads.find("a") is None) == (verb == "drop")


def adopted(log: EmbeddedLog, log_id: int) -> SnapshotInfo:
    place = log.reads.head(log_id).index + 1
    return log.snapshots.adopt(SnapshotInfo(log_id, place, b"c" * 16, b"d" * 16), [b"a state"])


def test_a_state_that_was_adopted_belongs_to_the_log_that_was_read_again(log: EmbeddedLog, draft: MakeDraft) -> None:
    log_id = create(log, "a")
    log.appends.append(log_id, draft(1))
    write = log._threads.write

    def read_again_first(function: Callable[..., Any], *args: object) -> Any:
        if function == log._threads.journal.adopt:
            assert log.appends._reread([])
        return write(function, *args)

    log._threads.write = read_again_first  # type: ignore[method-assign]
    assert adopted(log, log_id).index == 2
    assert (log.reads.head(log_id).index, log.reads.head(log_id).chain, log.reads.oldest(log_id)) == (2, b"c" * 16, 3)
    assert log.appends.append(log_id, draft(2)).entry.index == 3


def test_a_state_that_was_adopted_right_after_the_reading_belongs_to_the_log_too(
    log: EmbeddedLog, draft: MakeDraft
) -> None:
    log_id = create(log, "a")
    log.appends.append(log_id, draft(1))
    reopen = log._threads.reopen

    def reopen_and_adopt() -> Any:
        contents = reopen()
        assert adopted(log, log_id).index == 2
        return contents

    log._threads.reopen = reopen_and_adopt  # type: ignore[method-assign]
    assert log.appends._reread([])
    assert (log.reads.head(log_id).index, log.reads.head(log_id).chain, log.reads.oldest(log_id)) == (2, b"c" * 16, 3)
    assert log.appends.append(log_id, draft(2)).entry.index == 3


def test_a_state_is_not_adopted_in_the_place_of_an_entry_that_nobody_knew_of(
    log: EmbeddedLog, draft: MakeDraft
) -> None:
    log_id = create(log, "a")
    log.appends.append(log_id, draft(1))
    commit = log._threads.commit
    write = log._threads.write

    def commit_and_fail(*args: Any) -> None:
        commit(*args)
        raise CommitFailedError("the disk lied")

    def append_first(function: Callable[..., Any], *args: object) -> Any:
        if function == log._threads.journal.adopt:
            log._threads.write = write  # type: ignore[method-assign]
            log._threads.commit = commit_and_fail  # type: ignore[method-assign]
            assert outcome(log.appends.append, log_id, draft(2)) == "outcome_unknown"
            log._threads.commit = commit  # type: ignore[method-assign]
            while log.reads.head(log_id).index < 2:
                gevent.sleep(0.01)
        return write(function, *args)

    log._threads.write = append_first  # type: ignore[method-assign]
    assert outcome(adopted, log, log_id) == "snapshot_refused"
    assert log.reads.head(log_id).index == 2
    assert log.appends.append(log_id, draft(3)).entry.index == 3
