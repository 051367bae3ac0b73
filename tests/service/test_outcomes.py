"""The bookkeeping of how writes ended: what is kept, and for whom."""

from __future__ import annotations

from dirk_gevent.coordinator import outcomes
from dirk_gevent.coordinator.outcomes import LogOutcomes
from dirk_gevent.engine.results import Outcome


def outcome(index: int, digest: bytes = b"d") -> Outcome:
    """A write of one row that ended well."""
    return Outcome(index, "", "", {}, 1, ("t",), "insert", "t", "r", digest)


def test_what_all_masters_agree_on_is_forgotten() -> None:
    """A log at rest keeps next to nothing, however much was written; what one master owes is kept for comparing."""
    known = LogOutcomes(1, 0, masters=2)
    for index in range(1, 3001):
        assert known.report("m1", outcome(index)) is None
        assert len(known.release()) == 1
        assert known.report("m2", outcome(index)) is None
    assert len(known._records) <= outcomes.WHOLE_AT_REST + 1
    for index in range(3001, 3301):
        known.report("m1", outcome(index))
        known.release()
    found = known.report("m2", outcome(3010, b"other"))
    assert found is not None and found.digests == {"m1": b"d", "m2": b"other"}


def test_a_writer_gets_its_outcome_however_many_come_at_once() -> None:
    """Outcomes of a large batch arrive before the last of its writers begins to wait."""
    known = LogOutcomes(1, 0, masters=1)
    known.arriving = 1
    waiting = known.watch(1)
    for index in range(1, 1025):
        known.report("m1", outcome(index))
    known.release()
    assert waiting.is_set() and known.first(1) is not None
    known.unwatch(1)
    known.watch(900)
    known.arriving = 0
    assert known.first(900) is not None
    known.unwatch(900)
    assert known.first(900) is None and known.first(1024) is not None


def test_a_writer_of_a_disputed_entry_is_told_what_the_winner_said() -> None:
    """The loser answered first: nobody is told its outcome, and once it is shut out the winner's counts."""
    known = LogOutcomes(1, 0, masters=2)
    known.watch(2)
    for index in (1, 2):
        known.report("m2", outcome(index, b"wrong" if index == 2 else b"d"))
    known.report("m1", outcome(1))
    found = known.report("m1", outcome(2, b"right"))
    assert found is not None
    known.dispute(2)
    assert known.first(1) is not None and known.first(2) is None
    known.discard_reports("m2")
    known.settle()
    first = known.first(2)
    assert first is not None and first.digest == b"right"


def test_what_only_the_loser_said_is_unknown_until_another_says_it() -> None:
    """Entries behind the disputed one: neither writers nor headers go by the loser's word."""
    known = LogOutcomes(1, 0, masters=2)
    known.watch(1)
    known.report("m2", outcome(1, b"wrong"))
    known.discard_reports("m2")
    assert known.first(1) is None and known.release() == []
    assert known.report("m1", outcome(1, b"right")) is None
    first = known.first(1)
    assert first is not None and first.digest == b"right"
    assert len(known.release()) == 1
