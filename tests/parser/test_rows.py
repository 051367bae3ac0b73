"""Rows of large inserts read as JSON say what the lexer's own expression says, or nothing at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirk_parser.errors import SqlError
from dirk_parser.normalize import normalizer
from dirk_parser.normalize.json_rows import json_rows
from dirk_parser.normalize.normalized_statement import NormalizedStatement

HEAD = "manampia ao@ t (a, b) sanda "
#: Literals and what is none, close to the edge between JSON and SQL.
PIECES = st.sampled_from(
    ["1", "-1", "- 1", "-0", "007", "1.5", "1.", ".5", "1e3", "1e999", "9223372036854775807", "9223372036854775808",
     "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "123456789012345678901", "0x10", "1_0",
     "''", "'a'", "'it''s'", "'a)'", "'(b'", "'),('", "'a','b'", "'\\''", "'\\n'", '"dq"', "'\"'", "'[x]'", "'{'",
     "'é😀'", "null", "NULL", "marina", "true", "diso", "x", "?", "[1]", "(1)", "{}", "--c\n1", "/*c*/ 1", "'\t'",
     "'\n'", "'"]
)  # fmt: skip
GAPS = st.sampled_from([",", ", ", " , ", ",\n", "\f,", ""])
ENDS = st.sampled_from(
    ["", ";", " ;\n", " returning a", " on conflict do nothing", " -- end", ", [3, 4]", ", (1)", "))"]
)


@st.composite
def blocks(draw: st.DrawFn) -> str:
    """Rows of mostly one width, mostly well formed, and what follows them."""
    width = draw(st.integers(1, 3))
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        count = width if draw(st.integers(0, 9)) else width + 1
        rows.append("(" + draw(GAPS).join([draw(PIECES) for _ in range(count)]) + ")")
    return draw(GAPS).join(rows) + draw(ENDS)


def outcome(text: str, large_block: int, monkeypatch: pytest.MonkeyPatch) -> NormalizedStatement | str:
    """What `split` makes of a text when rows of so many characters are large."""
    monkeypatch.setattr(normalizer, "_LARGE_BLOCK", large_block)
    try:
        return normalizer.split(text)
    except SqlError as error:
        return error.key


@given(block=blocks())
def test_both_ways_agree(block: str) -> None:
    """In template, rows and values, their types included; the text made from either reads back as the same."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        quick, slow = outcome(HEAD + block, 0, monkeypatch), outcome(HEAD + block, 1 << 30, monkeypatch)
        if isinstance(quick, str) or isinstance(slow, str):
            assert quick == slow
            return
        assert (quick.template, quick.rows, quick.row_width) == (slow.template, slow.rows, slow.row_width)
        assert list(map(repr, quick.literals)) == list(map(repr, slow.literals))
        if not quick.texts:
            again = outcome(normalizer.text(quick), 1 << 30, monkeypatch)
            assert (
                isinstance(again, NormalizedStatement)
                and again.literals == slow.literals
                and again.template == slow.template
            )


def test_what_large_inserts_are_made_of_is_read_as_json() -> None:
    """Whole and real numbers, text, null; more than fits one piece."""
    block = ", ".join(f"({n}, -{n}.5, 'anarana {n} é', null)" for n in range(20_000))
    found = json_rows(block)
    assert found is not None and (found.width, found.count) == (4, 20_000)
    assert found.values[-4:] == (19_999, -19_999.5, "anarana 19999 é", None)
    assert normalizer.split(HEAD + block).literals == found.values
