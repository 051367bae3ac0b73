"""The log's time: no clock of one machine decides it, and request ids are judged by what it can vouch for."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.clock import BOUND_MS, HeardTime, LogClock
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import KEPT_ENTRIES, REQUEST_AGE_MS, check_request_time
from dirk_parser.errors import SqlError

DAY_MS = 24 * 3600 * 1000
NOW_MS = 1_790_000_000_000
CLOCKS = st.integers(NOW_MS - 3 * DAY_MS, NOW_MS + 3 * DAY_MS)


def clock(own: int, others: list[int]) -> LogClock:
    found = LogClock(lambda: own, lambda: 0)
    for number, other in enumerate(others):
        found.heard(f"m{number}", other)
    return found


@given(CLOCKS, st.lists(CLOCKS, max_size=6))
def test_never_past_what_a_majority_holds_possible(own: int, others: list[int]) -> None:
    now_ms = clock(own, others).now_ms()
    clocks = [own, *others]
    assert sum(one + BOUND_MS >= now_ms for one in clocks) > len(clocks) / 2
    if not others:
        assert now_ms == own


@given(CLOCKS, st.lists(st.integers(-1000, 1000), min_size=2, max_size=6))
def test_a_host_with_a_wrong_clock_takes_that_of_the_others(own: int, others: list[int]) -> None:
    now_ms = clock(own, [NOW_MS + one for one in others]).now_ms()
    assert abs(now_ms - NOW_MS) <= BOUND_MS + 1000


def test_a_part_that_is_gone_has_no_say_and_heard_clocks_go_on() -> None:
    monotonic = [0]
    found = LogClock(lambda: NOW_MS, lambda: monotonic[0])
    found.heard("m1", NOW_MS - DAY_MS)
    assert found.now_ms() == NOW_MS - DAY_MS + BOUND_MS
    monotonic[0] += 5000
    assert found.now_ms() == NOW_MS - DAY_MS + BOUND_MS + 5000
    found.lost("m1")
    assert found.now_ms() == NOW_MS
    heard = HeardTime(lambda: NOW_MS, lambda: monotonic[0])
    assert heard.now_ms() == NOW_MS
    heard.heard(NOW_MS + DAY_MS)
    monotonic[0] += 7
    assert heard.now_ms() == NOW_MS + DAY_MS + 7


def test_one_write_under_a_clock_that_jumped_ends_no_other(tmp_path: Path) -> None:
    """25 hours ahead for one write: ids of our own parts, and those that clients date by a right clock, still run."""
    now = [NOW_MS]
    log = EmbeddedLog(LogSettings(directory=tmp_path / "log"), clock=lambda: now[0])
    try:
        now[0] += 25 * 3600 * 1000
        log.appends.create_database("a", new_request_id(log.time_ms()))
        now[0] = NOW_MS
        assert log.time_ms() == NOW_MS + 25 * 3600 * 1000
        assert log.appends.create_database("b", new_request_id(log.time_ms())).change is not None
        assert log.appends.create_database("c", new_request_id(NOW_MS)).change is not None
    finally:
        log.close()


def refused(dated_ms: int, index: int, log_ms: int) -> str:
    try:
        check_request_time(new_request_id(dated_ms), index, log_ms)
    except SqlError as error:
        assert error.sqlstate == "22023"
        assert error.params["log_ms"] == log_ms and error.params["dated"] != error.params["log_time"]
        return error.key
    return ""


@given(
    st.integers(1, 3 * KEPT_ENTRIES), CLOCKS, st.integers(-3 * DAY_MS, 3 * DAY_MS),
    st.integers(1, 3 * KEPT_ENTRIES), st.integers(0, 6 * DAY_MS),
)  # fmt: skip
def test_no_id_runs_again_when_its_record_may_be_gone(
    index: int, log_ms: int, dated_ahead_ms: int, entries: int, later_ms: int
) -> None:
    """An id that may run at one entry may run at a later one only while its record is kept."""
    dated_ms = log_ms + dated_ahead_ms
    if refused(dated_ms, index, log_ms):
        return
    is_gone = entries > KEPT_ENTRIES and later_ms > 2 * REQUEST_AGE_MS
    if is_gone:
        assert refused(dated_ms, index + entries, log_ms + later_ms) == "request_id_expired"


def test_the_first_million_entries_take_ids_of_any_age_but_none_from_the_future() -> None:
    assert refused(NOW_MS - 30 * DAY_MS, KEPT_ENTRIES, NOW_MS) == ""
    assert refused(NOW_MS - DAY_MS, KEPT_ENTRIES + 1, NOW_MS) == "request_id_expired"
    assert refused(NOW_MS + DAY_MS, 1, NOW_MS) == "request_id_ahead"
