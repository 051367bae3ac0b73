"""Relations as text: widths of accents, combining marks and CJK, NULL, numbers, and the formats for programs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from dirk_gevent.client.cells import shown, width_columns
from dirk_gevent.client.formats import FORMATS, Presentation, open_format
from dirk_gevent.driver.answers import AnswerColumn, Page


def written(name: str, *pages: list[list[Any]], names: tuple[str, ...] = ("id", "anarana"), **look: Any) -> str:
    out = io.StringIO()
    target = open_format(name, out, Presentation(**look))
    columns = tuple(AnswerColumn(column, "t") for column in names)
    for number, rows in enumerate(pages, 1):
        target.page(Page(number, len(pages), "t", columns, rows))
    target.finish()
    return out.getvalue()


def test_table_with_boxes_aligns_what_people_see() -> None:
    text = written("table", [[1, "Éric"], [20, "E\u0301ric"], [None, "日本語"], [3.5, ""]], has_boxes=True)
    assert text == (
        "┌────────┬─────────┐\n"
        "│     id │ anarana │\n"
        "├────────┼─────────┤\n"
        "│      1 │ Éric    │\n"
        "│     20 │ E\u0301ric    │\n"
        "│ <null> │ 日本語  │\n"
        "│    3.5 │         │\n"
        "└────────┴─────────┘\n"
    )
    assert {width_columns(line) for line in text.splitlines()} == {20}


def test_table_without_a_terminal_is_ascii() -> None:
    assert written("table", [["a", True]]) == (
        "+----+---------+\n| id | anarana |\n+----+---------+\n| a  | true    |\n+----+---------+\n"
    )


def test_empty_relation_shows_its_columns() -> None:
    assert written("table", []).splitlines()[1] == "| id | anarana |"


def test_later_page_widens_the_table() -> None:
    lines = written("table", [[1, "a"]], [[2, "longer than before"]]).splitlines()
    assert lines[4] == "+----+--------------------+"
    assert lines[5] == "|  2 | longer than before |"
    assert lines[-1] == "+----+--------------------+"


def test_wide_table_turns_vertical() -> None:
    text = written("table", [[1, "x" * 40]], most_columns=30)
    assert text == "*** 1 ***\n     id: 1\nanarana: " + "x" * 40 + "\n"


def test_null_is_dim_and_text_that_reads_null_is_not() -> None:
    lines = written("table", [[None, "<null>"]], has_colour=True).splitlines()
    assert lines[3] == "| \x1b[2m<null>\x1b[0m | <null>  |"


def test_control_characters_never_reach_the_terminal() -> None:
    assert shown("a\nb\t\x1b[2J\u202e\x85") == "a\\nb\\t\\x1b[2J\\u202e\\x85"


def test_json_keeps_equal_names_apart() -> None:
    text = written("json", [[1, "a"], [2, None]], [[3, "é"]], names=("id", "id"))
    assert json.loads(text) == [{"id": 1, "id_2": "a"}, {"id": 2, "id_2": None}, {"id": 3, "id_2": "é"}]
    assert json.loads(written("json", [])) == []


def test_csv_reads_back_and_tells_null_from_empty() -> None:
    text = written("csv", [["a,b", 'say "x"'], ["two\nlines", ""], [None, 1.5]])
    assert list(csv.reader(io.StringIO(text)))[1:] == [["a,b", 'say "x"'], ["two\nlines", ""], ["", "1.5"]]
    assert text.endswith(',1.5\n')
    assert '"two\nlines",""\n' in text


def test_tsv_escapes() -> None:
    assert written("tsv", [["a\tb\\", None]]) == "id\tanarana\na\\tb\\\\\t\\N\n"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_pages_without_rows(name: str) -> None:
    written(name, [], [])


def test_a_blob_is_written_as_in_a_statement_and_to_programs_as_on_the_wire() -> None:
    rows = [[1, b"\x89P\xff"], [2, b""]]
    assert [line.split("|")[2].strip() for line in written("table", rows).splitlines()[3:5]] == ["x'8950ff'", "x''"]
    for name in ("csv", "tsv"):
        assert [line[2:] for line in written(name, rows).splitlines()[1:]] == ["x'8950ff'", "x''"]
    assert json.loads(written("json", rows)) == [
        {"id": 1, "anarana": {"blob": "iVD/"}}, {"id": 2, "anarana": {"blob": ""}},
    ]  # fmt: skip
