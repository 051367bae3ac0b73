"""The example scripts through the compiler and SQLite; the answers were worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dirk_gevent.protocol.splitter import StatementSplitter
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.parser.small_database import STATEMENTS, SmallDatabase

EXAMPLES = Path(__file__).parents[2] / "examples"
AO, ERIC = 'Dada; "ilay be"', "Éric d'Ambohimanga"

ANSWERS: dict[str, list[list[tuple[Any, ...]] | str]] = {
    "utilisateurs": [[(1, "Rakoto", 34), (2, "Rasoa", 29), (3, "Ranaivo", None)]],
    "tsena": [
        [("lavanila", 1, 250000), ("vary fotsy", 17, 54400), ("voatabia", 8, 36004)],
        [("vary fotsy", 1600), ("voatabia", 2250.25)],
        [("2026-11-21", 3)],
        [(128,)],
        [(3,)],
    ],
    "sekoly": [
        [("fanadinana",), ("mpianatra",), ("taranja",)],
        [("efitra_kilasy",), ("efitra_naoty",)],
        [
            ("M01", "FIZ", "S1", 11, "Fizika", "OBLIG", "Andry", "Terminale", "2008-03-14", 7),
            ("M01", "MAT", "S1", 14, "Matematika", "OBLIG", "Andry", "Terminale", "2008-03-14", 7),
            ("M01", "MOZ", "S1", 9, "Mozika", "OPTION", "Andry", "Terminale", "2008-03-14", 7),
            ("M02", "MAT", "S1", 12, "Matematika", "OBLIG", "Bodo", "Terminale", "2008-11-02", "A7"),
            ("M02", "MOZ", "S1", 15, "Mozika", "OPTION", "Bodo", "Terminale", "2008-11-02", "A7"),
            ("M03", "FIZ", "S1", 13, "Fizika", "OBLIG", "Clara", "Premiere", "2009-06-21", None),
            ("M03", "INF", "S2", 10, "Informatika", "OPTION", "Clara", "Premiere", "2009-06-21", None),
            ("M03", "MAT", "S1", 16.5, "Matematika", "OBLIG", "Clara", "Premiere", "2009-06-21", None),
            ("M04", "FIZ", "S1", 8, "Fizika", "OBLIG", AO, "Seconde", "2010-01-30", 12.5),
        ],
        [
            ("Andry", 14), ("Andry", 11), ("Andry", 9), ("Bodo", 15), ("Bodo", 12),
            ("Clara", 16.5), ("Clara", 13), ("Clara", 10), (AO, 8), (ERIC, None),
        ],
        [("MAT", "Matematika"), ("MAT", "Matematika"), ("MOZ", "Mozika"), (None, "Fizika"), (None, "Informatika")],
        [
            ("M01", None), ("M02", None), ("M03", "INF"), ("M04", None), ("M05", None), (None, "FIZ"), (None, "FIZ"),
            (None, "FIZ"), (None, "MAT"), (None, "MAT"), (None, "MAT"), (None, "MOZ"), (None, "MOZ"),
        ],
        [("Andry", "Bodo"), (AO, ERIC)],
        [("M05",)],
        [("M01",), ("M02",)],
        [("M01",), ("M02",), ("M04",), ("M05",)],
        [("MAT", 3, 42.5 / 3), ("MOZ", 2, 12), ("FIZ", 3, 32 / 3)],
        [(13, 27), (14, 29)],
        [(AO,), (ERIC,)],
        [("Clara", "MAT", 16.5), ("Andry", "MAT", 14), ("Clara", "FIZ", 13), ("Bodo", "MAT", 12), ("Andry", "FIZ", 11)],
        [("afaka",)],
        [(AO, "FIZ", 10)],
        [(8,)],
        "domain_violation",
        "domain_violation",
        "domain_violation",
        [(0,)],
    ],
}  # fmt: skip


@pytest.mark.parametrize("script", sorted(ANSWERS))
def test_example(script: str) -> None:
    expected = iter(ANSWERS[script])
    for answer, ordered in answers(script):
        wanted = next(expected)
        if ordered or isinstance(answer, str):
            assert answer == wanted
        else:
            assert sorted(answer, key=str) == sorted(wanted, key=str)
    assert next(expected, None) is None


def answers(script: str) -> Iterator[tuple[list[tuple[Any, ...]] | str, bool]]:
    """The rows or error of each statement that gives some, and whether their order is said."""
    database = SmallDatabase()
    for statement in StatementSplitter().feed((EXAMPLES / f"{script}.dirkdb").read_bytes()):
        text = statement.decode()
        route = STATEMENTS.route(split(text))
        if route.verb in ("use", "create_database"):
            continue
        try:
            rows = database.run(text)
        except SqlError as error:
            yield error.key, True
            continue
        if route.verb in ("select", "show"):
            yield rows, "alaharo" in text
