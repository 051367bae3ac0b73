"""An entry that was skipped says so wherever the log is read from, and keeps its bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import Draft, Entry, EntryDamagedError, LoggedStatement, chain
from dirk_gevent.log.skipped import is_skipped, own_bytes
from dirk_parser.normalize.normalizer import split

NOW_MS = 1_700_000_000_000
_ALL_BYTES = 1 << 20


def opened(directory: Path) -> EmbeddedLog:
    """The log of a directory."""
    return EmbeddedLog(LogSettings(directory=directory), clock=lambda: NOW_MS)


def test_a_skip_is_told_with_the_entry_from_memory_and_from_the_disk(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.appends.create_database("t", new_request_id(NOW_MS))
    for _ in range(5):
        log.appends.append(1, Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),)))
    before = log.reads.read(1, 0, _ALL_BYTES)
    log.appends.skip(1, 3)
    for _ in range(2):
        for after in range(3):
            chunk = log.reads.read(1, after, _ALL_BYTES)
            skips = [index for index, told in enumerate(chunk.entries, after + 1) if is_skipped(told)]
            assert skips == [3]
            assert tuple(map(own_bytes, chunk.entries)) == before.entries[after:]
        assert not any(map(is_skipped, log.reads.read(1, 3, _ALL_BYTES).entries))
        hashed = before.chain_before
        for told in log.reads.read(1, 0, _ALL_BYTES).entries:
            hashed = chain(hashed, Work.of(told).encoded)
        assert hashed == log.reads.head(1).chain
        log.close()
        log = opened(tmp_path)
    log.close()


def test_the_mark_cannot_be_left_out(tmp_path: Path) -> None:
    """What takes marked bytes for an entry's finds out."""
    log = opened(tmp_path)
    log.appends.create_database("t", new_request_id(NOW_MS))
    log.appends.append(1, Draft(new_request_id(NOW_MS), ()))
    log.appends.skip(1, 1)
    (told,) = log.reads.read(1, 0, _ALL_BYTES).entries
    log.close()
    with pytest.raises(EntryDamagedError):
        Entry.decode(told)
    assert Work.of(told).is_skipped and Work.of(told).entry.index == 1
    assert not Work.of(own_bytes(told)).is_skipped
