"""An entry's bytes are exact, and its identifiers are checked."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.log.entry import (
    NO_CHAIN,
    DatabaseChange,
    Draft,
    Entry,
    EntryDamagedError,
    LoggedStatement,
    chain,
    request_hash,
    request_time_ms,
)
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import NormalizedStatement

_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
_value = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | _text
_finite = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _text
_args = st.lists(_finite, max_size=4).map(tuple) | st.dictionaries(_text, _finite, max_size=4)
_normalized = st.builds(
    NormalizedStatement,
    _text,
    st.lists(_value, max_size=6).map(tuple),
    st.lists(_text, max_size=6).map(tuple),
    st.integers(1, 1000),
    st.integers(0, 5),
    st.integers(0, 5),
)
_statement = st.builds(LoggedStatement, _normalized, _args, st.none() | st.integers(0, 2**50))
_entry = st.builds(
    Entry,
    st.integers(0, 2**24),
    st.integers(1, 2**39),
    st.integers(0, 2**50),
    st.integers(0, 2**64 - 1),
    _text,
    st.text(string.hexdigits),
    st.lists(_statement, max_size=3).map(tuple),
    st.integers(0, 2**40),
    st.none() | st.integers(0, 2**39),
    st.lists(_text, max_size=3).map(tuple),
    st.none() | st.builds(DatabaseChange, _text, _text, st.integers(0, 2**24), st.integers(0, 2**39)),
)


@given(_entry)
def test_decoding_gives_the_entry_back(entry: Entry) -> None:
    encoded = entry.encode()
    assert b"\n" not in encoded
    assert Entry.decode(encoded) == entry
    assert Entry.decode(encoded).encode() == encoded


@pytest.mark.parametrize("damaged", [b"", b"{}", b"[1,2]", b"[99,1,1,1,1,'a','b',0,null,[],[],null]", b"\xff\n"])
def test_other_bytes_are_no_entry(damaged: bytes) -> None:
    with pytest.raises(EntryDamagedError):
        Entry.decode(damaged)


def test_an_entry_of_a_later_format_is_refused() -> None:
    entry = Entry(1, 1, 1, 1, "a", "b", ())
    with pytest.raises(EntryDamagedError, match="format 9"):
        Entry.decode(b"[9," + entry.encode().partition(b",")[2])


@pytest.mark.parametrize("value", [2**64, "\ud800"])
def test_values_that_json_cannot_hold_are_refused(value: int | str) -> None:
    with pytest.raises(SqlError) as caught:
        Entry(1, 1, 1, 1, "a", "b", (LoggedStatement(NormalizedStatement("x", (value,))),)).encode()
    assert caught.value.key == "not_loggable"


def test_the_request_hash_tells_statements_apart_and_not_ids() -> None:
    def hashed(request_id: str, number: int, *args: int) -> str:
        return request_hash(Draft(request_id, (LoggedStatement(NormalizedStatement("x ?", (number,)), args),)))

    assert hashed("a", 1) == hashed("b", 1)
    assert len({hashed("a", 1), hashed("a", 2), hashed("a", 1, 1)}) == 3


def test_the_chain_depends_on_all_that_went_before() -> None:
    first, second = chain(NO_CHAIN, b"a"), chain(NO_CHAIN, b"b")
    assert len({first, second, chain(first, b"c"), chain(second, b"c")}) == 4


def test_request_ids_carry_their_time() -> None:
    made = {new_request_id(1_790_000_000_123) for _ in range(100)}
    assert len(made) == 100
    assert {request_time_ms(one) for one in made} == {1_790_000_000_123}


@pytest.mark.parametrize(
    "request_id",
    ["", "a", "1790000000123", "1790000000123-abc", "179000000012-0123456789abcdef0123", "x" * 200],
)
def test_malformed_request_ids_are_refused(request_id: str) -> None:
    with pytest.raises(SqlError) as caught:
        request_time_ms(request_id)
    assert caught.value.sqlstate == "22023"
