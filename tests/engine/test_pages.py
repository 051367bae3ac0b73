"""A page ends with `limits.pageRows` rows or some MiB, whichever comes first, and takes memory for little more."""

from __future__ import annotations

import tracemalloc

import orjson
import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.results import PAGE_BYTES, Relation, pages_of
from dirk_gevent.engine.sqlite_connection import MOST_VALUE_BYTES
from dirk_gevent.server import replies
from dirk_parser.errors import SqlError
from tests.engine.plans import START_MS, LogMaker, TestLimits, normalized, work

pytestmark = pytest.mark.usefixtures("unwatched")

MIB = 1024 * 1024
#: `a` characters long each.
TEXTS = "with s(a) as (values {}) select replace(hex(zeroblob(a / 2)), '0', 'é') from s"


def sizes(*lengths: int) -> str:
    return TEXTS.format(", ".join(f"({length})" for length in lengths))


def pages(database: Database, sql: str) -> list[tuple[int, int]]:
    """(rows, bytes) of each page of a stream."""
    stream = database.reads.stream(normalized(sql), (), START_MS)
    found = []
    try:
        while not stream.finished:
            for page in stream.fetch(4):
                assert len(orjson.loads(page.rows_json)) == page.rows
                found.append((page.rows, len(page.rows_json)))
    finally:
        stream.close()
    return found


@pytest.mark.parametrize(
    "lengths",
    [
        (3 * MIB,) * 9,
        (10,) * 300 + (3 * MIB,) * 20 + (10,) * 300,
        (300_000,) * 60,
        (20 * MIB, 2) * 3,
    ],
)
def test_a_page_ends_where_it_weighs_enough(database: Database, lengths: tuple[int, ...]) -> None:
    found = pages(database, sizes(*lengths))
    assert sum(rows for rows, _ in found) == len(lengths)
    limit = TestLimits().page_rows
    largest_bytes = 2 * max(lengths)
    for rows, page_bytes in found:
        assert 1 <= rows <= limit
        # Rows come a few at a time: the last of them may be as large as any.
        assert page_bytes <= PAGE_BYTES + 8 * largest_bytes
        assert rows == 1 or page_bytes <= PAGE_BYTES + MIB + 8 * largest_bytes
    if min(lengths) >= MIB:
        assert max(rows for rows, _ in found) <= 2


def test_no_more_than_a_page_is_in_memory(database: Database) -> None:
    """240 MB of rows by one page of 200, were rows alone counted."""
    sql = sizes(*(MIB,) * 120)
    stream = database.reads.stream(normalized(sql), (), START_MS)
    tracemalloc.start()
    try:
        rows = 0
        while not stream.finished:
            for page in stream.fetch(1):
                rows += page.rows
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        stream.close()
    assert rows == 120
    assert peak_bytes < 100 * MIB


def test_rows_that_are_there_already_are_paged_by_weight_too() -> None:
    rows = [(number, "x" * (900_000 if number % 3 else 10)) for number in range(50)]
    found = pages_of(rows, 20)
    assert [row for page in found for row in orjson.loads(page.rows_json)] == [list(row) for row in rows]
    assert all(page.rows <= 20 and (len(page.rows_json) <= PAGE_BYTES or page.rows == 1) for page in found)
    answer = replies.relation(Relation("t", (), rows, 1, (), True, b"[]"), 20, None)
    heads = [line for line in answer.split(b"\n") if line.startswith(b"RELATION_JSON_PAGE")]
    assert heads == [b"RELATION_JSON_PAGE %d/%d" % (number, len(found)) for number in range(1, len(found) + 1)]
    assert [page.rows for page in pages_of([(0, "x" * (PAGE_BYTES + 1))] * 3, 20)] == [1, 1, 1]
    assert [(page.rows_json, page.rows) for page in pages_of([], 20)] == [(b"[]", 0)]


def test_a_value_too_long_is_refused_when_it_is_made(database: Database, log: LogMaker) -> None:
    """Two bytes of SQL make a gigabyte: read, stored, or compared, on the hub, in a stream and in an entry."""
    long = f"select hex(zeroblob({MOST_VALUE_BYTES // 2 + 1})) as a"
    with pytest.raises(SqlError) as refused:
        pages(database, long)
    assert refused.value.sqlstate == "54000"
    with pytest.raises(SqlError) as refused:
        database.reads.read(normalized(f"select length(a) from ({long})"), (), START_MS)
    assert refused.value.sqlstate == "54000"
    outcomes = database.apply(work(log.sql("create table t (a)"), log.sql(f"insert into t {long}")))
    assert [outcome.sqlstate for outcome in outcomes] == ["", "54000"]
    (kept,) = database.apply(work(log.sql(f"insert into t select hex(zeroblob({MOST_VALUE_BYTES // 2 - 100}))")))
    assert kept.sqlstate == ""
