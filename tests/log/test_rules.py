"""An entry says its rules, a log where those of earlier rules end, and a journal who may read it."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.embedded.journal_file import JOURNAL_FILE, read_identity
from dirk_gevent.log.embedded.older_rules import older_upto
from dirk_gevent.log.entry import RULES, Draft, Entry, EntryDamagedError, LoggedStatement
from dirk_gevent.messages.error_text import sentence
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.log.older import earlier_rules

NOW_MS = 1_700_000_000_000
#: An entry as release 2.0.0 wrote it.
_FORMER = (
    b'[1,1,7,1700000000000,5,"1700000000000-0123456789abcdef0123","00",0,null,[],'
    b'[["fafao u",[],[],0,0,0,[],null,null,[]]],null]'
)


def opened(directory: Path) -> EmbeddedLog:
    """The log of a directory."""
    return EmbeddedLog(LogSettings(directory=directory), clock=lambda: NOW_MS)


def append(log: EmbeddedLog, count: int) -> None:
    """Append to log 1."""
    for _ in range(count):
        log.appends.append(1, Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),)))


def test_an_entry_of_the_release_before_keeps_its_bytes() -> None:
    """Its chain hash is over them: it is told from ours by what it lacks alone."""
    entry = Entry.decode(_FORMER)
    assert entry.rules == 0
    assert entry.encode() == _FORMER


def test_an_entry_says_its_rules() -> None:
    entry = Entry(1, 1, 1, 1, "a", "b", ())
    assert Entry.decode(entry.encode()).rules == RULES == entry.rules
    later = Entry(1, 1, 1, 1, "a", "b", (), rules=RULES + 1)
    assert Entry.decode(later.encode()).rules == RULES + 1


@pytest.mark.parametrize("damaged", [b"[2]", b"[2,1,1,1,1,'a','b']", b"[2,1,1,1,1,1,1,1,1,1,1,1]"])
def test_a_torn_entry_is_none(damaged: bytes) -> None:
    with pytest.raises(EntryDamagedError):
        Entry.decode(damaged)


@pytest.mark.parametrize("seed", range(40))
def test_the_end_of_the_older_entries_is_found(seed: int) -> None:
    """Among any number of entries of all releases before, and behind them, by a handful of looks."""
    chance = random.Random(seed)
    older, newer, first = chance.randrange(0, 40), chance.randrange(0, 40), chance.randrange(1, 1000)
    earlier = sorted(chance.randrange(RULES) for _ in range(older))
    looks = []

    def encoded(index: int) -> bytes:
        looks.append(index)
        rules = earlier[index - first] if index < first + older else RULES
        return Entry(1, index, 1, 1, "a", "b", (), rules=rules).encode()

    expected = first + older - 1 if older else 0
    assert older_upto(1, first, first + older + newer - 1, encoded) == expected
    assert len(looks) <= 8
    assert older_upto(0, first, first + older + newer - 1, encoded) == 0


@pytest.mark.parametrize("counts", [(5, 0, 0), (0, 5, 0), (0, 0, 5), (2, 3, 0), (3, 0, 2), (0, 1, 4), (2, 2, 1)])
def test_a_log_knows_how_far_its_older_entries_go(tmp_path: Path, counts: tuple[int, ...]) -> None:
    """Those of 2.0.0, of 2.1.0, of 2.2.0, and of one after the other."""
    assert len(counts) == RULES
    with earlier_rules():
        log = opened(tmp_path)
        log.appends.create_database("t", new_request_id(NOW_MS))
        log.close()
    for rules, count in enumerate(counts):
        with earlier_rules(rules):
            log = opened(tmp_path)
            append(log, count)
            log.close()
    for _ in range(2):
        log = opened(tmp_path)
        assert log.reads.older_upto(1) == 5 and log.reads.older_upto(0) == 0
        append(log, 3)
        assert log.reads.older_upto(1) == 5
        log.close()


def test_a_journal_of_an_earlier_release_is_taken_over_and_of_a_later_one_refused(tmp_path: Path) -> None:
    """The format's number is all that a release looks at first: with another in it, no earlier one touches anything."""
    log = opened(tmp_path)
    log.appends.create_database("t", new_request_id(NOW_MS))
    append(log, 2)
    log.close()
    for earlier in (b"1", b"2", b"3"):
        _set_format(tmp_path, earlier)
        log = opened(tmp_path)
        assert log.reads.head(1).index == 2
        log.close()
        with closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as connection:
            assert connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchall() == [(b"4",)]
    _set_format(tmp_path, b"5")
    before = (tmp_path / JOURNAL_FILE).read_bytes()
    with pytest.raises(SqlError) as refused:
        opened(tmp_path)
    assert refused.value.key == "later_release"
    assert (tmp_path / JOURNAL_FILE).read_bytes() == before


def test_a_journal_whose_tables_a_later_release_changed_is_that_release_s_and_not_damaged(tmp_path: Path) -> None:
    """What tables it has is that release's own: those of this one are not looked for, nor made."""
    log = opened(tmp_path)
    log.appends.create_database("t", new_request_id(NOW_MS))
    log.close()
    with closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as connection, connection:
        connection.executescript(
            "DROP INDEX requests_by_index; ALTER TABLE requests DROP COLUMN idx; DROP TABLE logs; DROP TABLE epochs;"
            "ALTER TABLE entries RENAME TO entries_5"
        )
    _set_format(tmp_path, b"5")
    before = (tmp_path / JOURNAL_FILE).read_bytes()
    with pytest.raises(SqlError) as refused:
        opened(tmp_path)
    said = sentence(refused.value.key, "en", refused.value.params)
    assert said == (
        f"a later release of DirkDB wrote {tmp_path / JOURNAL_FILE} (format 5, this one reads 4); start that one"
    )
    with pytest.raises(SqlError, match="later_release"):
        read_identity(tmp_path)
    assert (tmp_path / JOURNAL_FILE).read_bytes() == before


def _set_format(directory: Path, number: bytes) -> None:
    with closing(sqlite3.connect(directory / JOURNAL_FILE)) as connection:
        with connection:
            connection.execute("UPDATE meta SET value = ? WHERE key = 'format'", (number,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
