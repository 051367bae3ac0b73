"""The splitter: literals off, template kept, nothing fooled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirk_parser.errors import SqlError
from dirk_parser.normalize import normalizer
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import split


@pytest.mark.parametrize(
    ("text", "expected", "literals"),
    [
        ("alaivo * #ao@ p #rehefa id = 17", "alaivo * #ao@ p #rehefa id = 'i'", (17,)),
        ("  a ;  ", "a", ()),
        ("alaivo a1, b_2, 1e6, .5, 1., x.y", "alaivo a1, b_2, 'r', 'r', 'r', x.y", (1e6, 0.5, 1.0)),
        ("alaivo 1-1, -2", "alaivo 'i'-'i', -'i'", (1, 1, 2)),
        ("'a''b' \"c\"\"d\"", "'s' 's'", ("a'b", 'c"d')),
        (r"'a\'b' 'c\\' '\n\t\r\x'", "'s' 's' 's'", ("a'b", "c\\", "\n\t\rx")),
        ("'-- no' \"/* no */\" `'5`", "'s' 's' `'5`", ("-- no", "/* no */")),
        ("a -- 'x' 5\n + 6", "a         \n + 'i'", (6,)),
        ("a // 'x' 5\n + 6", "a         \n + 'i'", (6,)),
        ("a /* ' \n 7 */ b", "a      \n      b", ()),
        ("a #-- 5", "a #-- 'i'", (5,)),
        ("a #- -- 5\n b", "a #-     \n b", ()),
        ("a #+ b #^ c", "a #+ b #^ c", ()),
        ("9223372036854775807 9223372036854775808", "'i' 'r'", (9223372036854775807, 9223372036854775808.0)),
        ("-- note\n /* more */ alaivo 1", "alaivo 'i'", (1,)),
        ("e\u0301" + "1 = 2", "e\u03011 = 'i'", (2,)),
        ("a=\u00a05", "a=\u00a0'i'", (5,)),
    ],
)
def test_literals_are_split_off(text: str, expected: str, literals: tuple[object, ...]) -> None:
    normalized = split(text)
    assert (normalized.template, normalized.literals) == (expected, literals)


@pytest.mark.parametrize(
    "text",
    [
        "insert into t (a, b) values (1, 'x'), (-2.5, null),\n (marina, FALSE) ;",
        "MANAMPIA ao@ t sanda(1,2),(3,4),(5,6)",
    ],
)
def test_rows_of_one_shape_collapse(text: str) -> None:
    normalized = split(text)
    assert (normalized.rows, normalized.row_start, normalized.row_width) == (3, 0, 2)
    assert normalized.template.endswith("('v', 'v')")
    assert split(normalizer.text(normalized)) == normalized


def test_values_of_collapsed_rows() -> None:
    normalized = split("insert into t values (1, 'it''s', null), (-2, \"y\", diso) returning a + 7")
    assert normalized.literals == (1, "it's", None, -2, "y", 0, 7)
    assert normalized.template == "insert into t values ('v', 'v', 'v') returning a + 'i'"
    assert normalizer.text(normalized) == "insert into t values (1, 'it''s', null), (-2, \"y\", diso) returning a + 7"


@pytest.mark.parametrize(
    "text",
    [
        "insert into t values (1, 2), (3)",
        "insert into t values (1, 2 + 3), (3, 4)",
        "insert into t values (1), (?)",
        "insert into t select 1, 2 values (3), (4)",
        "insert into t values (), ()",
        "insert into t values (1, 2), (3, 4), (abs(-5), 6)",
        "insert into t values (1, 2), (3, 4), ($p, 6), (7, 8)",
        "insert into t values (1, 2), (3, 4), (t.a, 6)",
        # These rows are an operand of the query, not the rows of the INSERT.
        "insert into t select * from u union all values (7), (8), (9)",
        "insert into t select a, b from u except values (1, 2), (3, 4)",
        "manampia ao@ t alaivo * ao@ u ankambana daholo sanda (1), (2)",
        "insert into t (a) select a from values (1), (2)",
        "insert into t values (1), (2) union values (3), (4)",
        "insert into t values (1), (2) limit 1",
        "insert into t as values (1), (2)",
    ],
)
def test_other_rows_stay_as_written(text: str) -> None:
    normalized = split(text)
    assert normalized.rows == 1
    assert normalizer.text(normalized) == text


def test_a_comment_between_rows_hides_no_row() -> None:
    normalized = split("insert into t values (1, 2), (3, 4) /* it's */, -- all\n (5, 6)")
    assert (normalized.rows, normalized.literals) == (1, (1, 2, 3, 4, 5, 6))


def test_smallest_whole_number_stays_whole_in_rows() -> None:
    assert split("insert into t values (-9223372036854775808)").literals == (-(2**63),)


@pytest.mark.parametrize("mark", ["'", '"', "`", "/*"])
def test_what_has_no_end_is_an_error_at_its_beginning(mark: str) -> None:
    with pytest.raises(SqlError) as caught:
        split(f"alaivo 'x',\n  {mark} a \\")
    assert caught.value.key == "unterminated"
    assert (caught.value.params["line"], caught.value.params["column"]) == (2, 3)


@pytest.mark.parametrize(("text", "key"), [("alaivo 12abc", "number_glued"), ("alaivo 1e999", "out_of_range")])
def test_numbers_that_are_none(text: str, key: str) -> None:
    with pytest.raises(SqlError) as caught:
        split(text)
    assert caught.value.key == key


def test_source_text_has_this_request_literals() -> None:
    normalized = split("alaivo a +   1,\n b || 'x y'   `c  d`")
    assert normalizer.source_text("a +   'i'", 0, normalized) == "a + 1"
    assert normalizer.source_text("b || 's'   `c  d`", 1, normalized) == "b || 'x y' `c  d`"
    assert normalizer.source_text("'i'", 0, NormalizedStatement("'i'", (5,))) == "5"


def test_text_place_counts_literals_as_written() -> None:
    normalized = split("alaivo 'abc',\n 12345 x y")
    at = normalizer.text_place(normalized, normalized.template.index("y"))
    assert at == {"line": 2, "column": 10, "source": " 12345 x y", "speaks": "malagasy"}


_MARKS = ("'", '"', "`", "\\", "--", "//", "/*", "*/", "#", "#-", "-", ".", "(", ")", ",", ";", "@", "?", " ", "\n")
_WORDS = ("1", "2.5", "1e400", "9" * 20, "a", "é", "e\u0301", "null", "marina", "sanda", "'s'")
_PIECES = st.sampled_from((*_MARKS, *_WORDS, "(1,'x')", "insert into t values "))


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_split_and_text_are_inverse(text: str) -> None:
    try:
        normalized = split(text)
    except SqlError as error:
        assert error.key in ("unterminated", "number_glued", "out_of_range")
        return
    assert split(normalizer.text(normalized)) == normalized


@given(st.lists(st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), max_size=5))
def test_values_survive_text(values: list[int | float | str | None]) -> None:
    whole = [value for value in values if not isinstance(value, int) or abs(value) < 2**63]
    written = ", ".join(normalizer.literals.text_of(value) for value in whole) or "0"
    normalized = split(f"insert into t values ({written})")
    assert list(normalized.literals) == (whole or [0])


@pytest.mark.parametrize(
    "text",
    [
        "insert into t values ('" + "\\'" * 500_000,
        "alaivo '" + "\\'" * 500_000,
        "alaivo " + "/*" * 500_000,
        "alaivo " + "'" * 500_001,
        "alaivo `" + "a\"'" * 300_000,
    ],
)
@pytest.mark.timeout(10)
def test_hostile_text_takes_linear_time(text: str) -> None:
    with pytest.raises(SqlError) as caught:
        split(text)
    assert caught.value.key == "unterminated"
