"""What a node does with a database: the moves from one state to another are those of the table, and no other."""

from __future__ import annotations

import random
import re
from contextlib import suppress

import pytest

from dirk_gevent.engine import status
from dirk_gevent.engine.status import MOVES, DatabaseState, DatabaseStatus, IllegalMove
from tests.seeds import chosen_seed

_STEPS = 20_000


def in_state(state: DatabaseState) -> DatabaseStatus:
    """A status that is there, whatever leads to it."""
    found = DatabaseStatus()
    found.state = state
    return found


def test_the_table_on_the_page_is_the_one_that_counts() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\w, ]*)\|$", status.__doc__ or "", re.MULTILINE)
    written = {source: set(targets.replace(",", " ").split()) for source, targets in rows[1:]}
    assert written == {str(source): set(map(str, targets)) for source, targets in MOVES.items()}
    assert set(MOVES) == set(DatabaseState)


@pytest.mark.parametrize("source", DatabaseState)
@pytest.mark.parametrize("target", DatabaseState)
def test_no_move_is_made_that_is_not_in_the_table(source: DatabaseState, target: DatabaseState) -> None:
    found = in_state(source)
    found.reason = "before"
    if source is DatabaseState.DROPPED:
        found.move(target, "late")
        assert (found.state, found.reason) == (source, "before")
    elif target in (source, *MOVES[source]):
        found.move(target, "now")
        assert (found.state, found.reason) == (target, "now")
    else:
        with pytest.raises(IllegalMove):
            found.move(target)
        assert (found.state, found.reason) == (source, "before")


def test_random_sequences_stay_in_the_table() -> None:
    """Of all that can be asked of a status; what the log's host is told is a state that it knows."""
    chance = random.Random(chosen_seed())
    found, told = DatabaseStatus(), DatabaseState.LIVE
    for _ in range(_STEPS):
        if found.state is DatabaseState.DROPPED:
            found, told = DatabaseStatus(), DatabaseState.LIVE
        before = found.state
        with suppress(IllegalMove, ZeroDivisionError):
            match chance.randrange(12):
                case 0:
                    found.fail("fault")
                case 1:
                    found.unblock()
                case 2:
                    with found.fenced():
                        found.move(DatabaseState.SEEDING)
                case 3:
                    with found.fenced():
                        raise ZeroDivisionError
                case 4 if chance.random() < 0.1:
                    found.move(DatabaseState.DROPPED)
                case _:
                    found.move(chance.choice([one for one in DatabaseState if one is not DatabaseState.DROPPED]))
        after = found.state
        assert after is before or after in MOVES[before], f"{before} to {after}"
        if after in (DatabaseState.LIVE, DatabaseState.SEEDING, DatabaseState.STALLED):
            told = after
        elif after is DatabaseState.BLOCKED:
            told = DatabaseState.STALLED
        assert found.told is told


def test_a_fence_that_fails_leaves_what_was_before() -> None:
    found = in_state(DatabaseState.STALLED)
    found.reason = "full"
    with suppress(ZeroDivisionError), found.fenced():
        assert found.state is DatabaseState.FENCED
        raise ZeroDivisionError
    assert (found.state, found.reason) == (DatabaseState.STALLED, "full")
    with suppress(ZeroDivisionError), found.fenced():
        found.fail("damaged")
        raise ZeroDivisionError
    assert (found.state, found.reason) == (DatabaseState.STALLED, "damaged")


def test_a_blocked_database_that_fails_stays_blocked() -> None:
    found = in_state(DatabaseState.BLOCKED)
    found.fail("damaged")
    assert (found.state, found.reason) == (DatabaseState.BLOCKED, "damaged")
    found.unblock()
    assert (found.state, found.reason) == (DatabaseState.STALLED, "damaged")
    found.unblock()
    assert found.state is DatabaseState.STALLED
