"""The splitter cuts statements the same way wherever the segments happen to end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.answer_relay import AnswerRelay
from dirk_gevent.protocol.metadata import MetadataError, split_metadata, with_metadata
from dirk_gevent.protocol.splitter import StatementSplitter, StatementTooLongError, is_blank

CASES = [
    (b"alaivo 1;", [b"alaivo 1"]),
    (b"a; b ;\n\nc", [b"a", b"b"]),
    (b"alaivo 'a;b';alaivo \"c;\"\"d\";", [b"alaivo 'a;b'", b'alaivo "c;""d"']),
    (rb"alaivo 'it\';s';x;", [rb"alaivo 'it\';s'", b"x"]),
    (b"alaivo `a;b`;x;", [b"alaivo `a;b`", b"x"]),
    (b"a -- b;c\n d;e // ;\n;", [b"a -- b;c\n d", b"e // ;"]),
    (b"a /* ; */ b;/* only ; a comment */;c;", [b"a /* ; */ b", b"/* only ; a comment */", b"c"]),
    (b"alaivo a #--1;b;", [b"alaivo a #--1", b"b"]),
    (b";;  ;\n;", []),
    (b"-- ; nothing\n;x;", [b"-- ; nothing", b"x"]),
    (b'/*dirk {"a":"\';"}*/ x;', [b'/*dirk {"a":"\';"}*/ x']),
    (b'/*dirk {"a":1}*/;x;', [b'/*dirk {"a":1}*/', b"x"]),
    (b"/*dirk {} /* x;", []),
    (b'/*dirk {"a":"*\\/;"}*/ x;', [b'/*dirk {"a":"*\\/;"}*/ x']),
    (b"sanda ('a', 'it''s'), ('-', '/');", [b"sanda ('a', 'it''s'), ('-', '/')"]),
    (b" sanda ('a') ; \n", [b"sanda ('a')"]),
    (b"sanda ('a;b');", [b"sanda ('a;b')"]),
    (b"sanda ('a') 'b;", []),
    (b"sanda (';') -- '\n;", [b"sanda (';') -- '"]),
    (b"/*dirk {}*/ sanda ('a');", [b"/*dirk {}*/ sanda ('a')"]),
    (b"/*dirk {}*/ ;", [b"/*dirk {}*/"]),
    (b" -- x\n; /* y */;;", [b"-- x", b"/* y */"]),
    ("alaivo 'Éric;' antso é;".encode(), ["alaivo 'Éric;' antso é".encode()]),
]


@pytest.mark.parametrize(("data", "expected"), CASES)
def test_whole_and_byte_by_byte(data: bytes, expected: list[bytes]) -> None:
    assert StatementSplitter().feed(data) == expected
    splitter = StatementSplitter()
    assert [s for i in range(len(data)) for s in splitter.feed(data[i : i + 1])] == expected


_PIECES = st.lists(
    st.sampled_from([b";", b"'", b'"', b"`", b"\\", b"-", b"#", b"/", b"*", b"\n", b" ", b"a", b"1"]), max_size=40
)


@given(_PIECES, st.lists(st.integers(0, 40), max_size=6))
def test_segments_do_not_matter(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    whole = StatementSplitter().feed(data)
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    splitter = StatementSplitter()
    parts = [s for a, b in pairwise(edges) if b > a for s in splitter.feed(data[a:b])]
    assert parts == whole


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (b"", ""),
        (b" \n", ""),
        (b"alaivo 1; -- note", ""),
        (b"alaivo 1;\n/* note */ // more\n", ""),
        (b"/*dirk {}*/", ""),
        (b"'abc;", "'"),
        (b"x 'abc\\';", "'"),
        (b'"abc;', '"'),
        (b"`abc", "`"),
        (b"/* abc;", "*/"),
        (b"/*dirk {;", "*/"),
        (b"-- abc;", "\n"),
        (b"-- abc;\n", "\n"),
        (b"alaivo 1 -- abc;", "\n"),
        (b"alaivo 1 -- abc\n", ";"),
        (b"alaivo 1", ";"),
        (b"/*dirk {}*/ alaivo", ";"),
        (b"x" * 200_000, ";"),
        (b"'" + b"x" * 200_000, "'"),
    ],
)
def test_what_an_unfinished_statement_lacks(data: bytes, missing: str) -> None:
    for segment in (1000, 70_000, len(data) or 1):
        splitter = StatementSplitter()
        for at in range(0, len(data), segment):
            splitter.feed(data[at : at + segment])
        assert splitter.missing() == missing


@given(_PIECES)
def test_what_is_missing_ends_it(pieces: list[bytes]) -> None:
    """With what it lacks, and a `;` behind, it is complete; when it lacks nothing only comments were there."""
    splitter = StatementSplitter()
    # A backslash at the end would hide the sign.
    splitter.feed(b"".join(pieces).rstrip(b"\\"))
    held = splitter.pending_bytes
    missing = splitter.missing()
    found = splitter.feed(missing.encode() + b"\n;")
    assert not splitter.pending_bytes and len(found) == (1 if missing or held else 0)
    if not missing:
        assert all(is_blank(one) for one in found)


def test_statement_over_the_limit_is_refused_whole_or_in_segments() -> None:
    with pytest.raises(StatementTooLongError):
        StatementSplitter(max_bytes=10).feed(b"alaivo 12345678;")
    splitter = StatementSplitter(max_bytes=10)
    splitter.feed(b"alaivo '")
    with pytest.raises(StatementTooLongError):
        splitter.feed(b"12345678")


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=8)), st.sampled_from([b"x", b"alaivo '*/'"]))
def test_metadata_survives_whatever_text_it_carries(metadata: dict[str, str], statement: bytes) -> None:
    sent = with_metadata(metadata, statement)
    (received,) = StatementSplitter().feed(sent)
    assert split_metadata(received) == (metadata, statement)


@pytest.mark.parametrize("bad", [b"/*dirk {*/ x", b"/*dirk 1*/ x", b"/*dirk */ x", b'/*dirk {"a":"\\u0000*/ x'])
def test_metadata_that_is_no_object_is_refused(bad: bytes) -> None:
    with pytest.raises(MetadataError):
        split_metadata(bad)


@given(st.integers(1, 30), st.booleans())
def test_relay_passes_pages_on_and_holds_the_end(segment: int, with_meta: bool) -> None:
    meta = b'{"node":"m1"}' if with_meta else b""
    rows = answer_bytes.json_bytes([["RESULT_MESSAGE", 1], ["END\nEND", None]])
    answer = b"".join(answer_bytes.encoded_page(b'"t"', b"[]", rows, number, 2) for number in (1, 2))
    answer += answer_bytes.relation_end(meta)
    relay, passed = AnswerRelay(), b""
    for at in range(0, len(answer), segment):
        assert not relay.done
        passed += relay.feed(answer[at : at + segment])
    assert relay.done
    assert passed + relay.tail == answer
    assert relay.tail.startswith(b"RESULT_MESSAGE\n")


def test_a_message_line_that_reads_end_is_moved() -> None:
    assert answer_bytes.message("a\nEND\nb") == b"RESULT_MESSAGE\na\n END\nb\nEND\n"
