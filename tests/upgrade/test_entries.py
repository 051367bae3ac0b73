"""An entry ends as it did when its rules were made: whoever changes that gives the rules a new number."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from dirk_gevent.log.entry import RULES, Entry
from tests.upgrade import entries

_ADVICE = (
    "a released entry would end otherwise: raise RULES in dirk_gevent/log/entry.py, and write the record of the new "
    "rules with python -m tests.upgrade.entries (the same, without new rules, while these are in no release)"
)


@pytest.mark.slow
def test_recorded_entries_end_as_recorded(tmp_path: Path) -> None:
    """SQLSTATE, rows and RETURNING of each, and the whole content after every fiftieth."""
    for number, recorded in enumerate(entries.read()[1]):
        found = entries.replay(recorded.entries, tmp_path / str(number))
        for index, (was, now) in enumerate(zip(recorded.ends, found.ends, strict=True), 1):
            if was != now:
                entry = Entry.decode(recorded.entries[index - 1])
                shapes = "; ".join(one.normalized.template for one in entry.statements)
                pytest.fail(f"{recorded.name}, entry {index}: {shapes}: {was} is now {now}; {_ADVICE}")
        assert found.contents == recorded.contents, f"{recorded.name}: {_ADVICE}"


def test_a_record_is_of_many_kinds_of_ends() -> None:
    """Successes, and refusals of more than a dozen kinds."""
    ends = [end for recorded in entries.read()[1] for end, _ in recorded.ends]
    assert len(ends) > 1500 and ends.count("") > 500
    assert len(set(ends)) > 12


def test_another_sqlite_has_other_rules() -> None:
    """The version that setup.py pins is part of how entries end."""
    assert entries.read()[0] == apsw.sqlite_lib_version(), _ADVICE


def test_the_record_is_of_these_rules_alone() -> None:
    """Entries of earlier rules are run by nobody."""
    assert [one.name for one in entries.HERE.glob("rules-*")] == [entries.path().name]
    assert all(Entry.decode(told).rules == RULES for one in entries.read()[1] for told in one.entries)
