"""A DirkDB database and an SQLite one with the same random content, asked the same."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import apsw

from dirk_parser.errors import SqlError
from tests.parser.small_database import SmallDatabase
from tests.parser.twin_expressions import DATE, NUMBER, TEXT, TRUTH, UNION
from tests.parser.twin_queries import Queries
from tests.parser.twin_sources import Column, Relation, TwinQuery
from tests.parser.twin_text import DATES, INTEGERS, REALS, TEXTS, Choices, their_literal

Rows = list[tuple[Any, ...]]
_DOMAINS = {
    NUMBER: ("ISA", "isa(null,null)", "NUMERIC"),
    TEXT: ("LAHATSORATRA", "text", "lahatsoratra(null, 100)"),
    TRUTH: ("BOOLEAN", "boolean"),
    DATE: ("DATY", "datetime"),
    UNION: ("ISA:LAHATSORATRA", "LAHATSORATRA(null,null):ISA(null,null)", "text : isa"),
}
#: Names that both vocabularies, SQLite or Unicode could trip over; SQLite's own names are c0, c1 …
_NAMES = ("a", "type", "`select`", "élève", "`two words`", "anarana", "count")
_TABLES = ("t", "étudiant", "`from`")
_SMALL = {NUMBER: (0, 1, 1, 2), TEXT: ("a", "a", "b", "7"), UNION: (7, "7", "a", 0.5)}
_LARGE = {NUMBER: (*INTEGERS, *REALS), TEXT: TEXTS, UNION: (*INTEGERS, *TEXTS), DATE: DATES, TRUTH: (True, False)}


class TwinDatabases:
    """Both engines. SQLite has DirkDB's division as functions of its own, written for these tests."""

    def __init__(self) -> None:
        self.ours = SmallDatabase()
        self.theirs = apsw.Connection(":memory:")
        for name, function in (("their_div", _div), ("their_idiv", _idiv), ("their_mod", _mod)):
            self.theirs.create_scalar_function(name, function, 2)

    def fill(self, choices: Choices) -> list[Relation]:
        """Make tables with rows and a view; what queries may read."""
        relations = [self._table(choices, number) for number in range(1 + choices.below(len(_TABLES)))]
        if choices.chance(50):
            view = Queries(choices, list(relations)).query(1)
            if choices.arguments:
                choices.arguments.clear()
                return relations
            try:
                self.ours.run(f"{choices.word('CREATE')} {choices.word('VIEW')} jery1 {choices.pick('@')} {view.ours}")
            except SqlError as error:
                raise AssertionError(f"{error!r}: {view.ours}") from error
            self.theirs.execute(f"CREATE VIEW v1 AS {view.theirs}")
            relations.append(Relation("jery1", "v1", view.columns))
        return relations

    def _table(self, choices: Choices, number: int) -> Relation:
        places = sorted({choices.below(len(_NAMES)) for _ in range(2 + choices.below(3))})
        columns = []
        for place in places:
            kind = choices.pick((UNION, NUMBER, TEXT, TRUTH, DATE))
            columns.append(Column(_NAMES[place], f"c{place}", kind, kind == TRUTH))
        name = _TABLES[number]
        heads = ", ".join(f"{each.ours} {choices.pick(_DOMAINS[each.kind])}" for each in columns)
        self.ours.run(f"{choices.words('CREATE', 'TABLE')} {name} ({heads})")
        self.theirs.execute(f"CREATE TABLE t{number} ({', '.join(each.theirs for each in columns)})")
        rows = [[_value(choices, each.kind) for each in columns] for _ in range(choices.pick((5, 0, 1, 3, 8, 12)))]
        if rows:
            ours = [f"({', '.join(choices.literal(value).ours for value in row)})" for row in rows]
            head = f"{choices.words('INSERT')} {choices.pick(('INTO', 'ao@'))} {name}"
            self.ours.run(f"{head} {choices.word('VALUES')} {', '.join(ours)}", choices.arguments)
            theirs = [f"({', '.join(their_literal(value) for value in row)})" for row in rows]
            self.theirs.execute(f"INSERT INTO t{number} VALUES {', '.join(theirs)}")
            choices.arguments.clear()
        return Relation(name, f"t{number}", tuple(columns))

    def compare(self, choices: Choices, query: TwinQuery, strict: bool = False) -> None:
        """Both answers are the same. `strict`: so are failures; else one of them may have skipped what fails."""
        ours, theirs = self._ours(query.ours, choices), self._theirs(query.theirs)
        said = f"\nours:   {query.ours}\ntheirs: {query.theirs}\nargs:   {choices.arguments}\n{ours}\n{theirs}"
        if isinstance(ours, str) or isinstance(theirs, str):
            if _is_null(ours) or _is_null(theirs):
                # What an operand that is null makes null, SQLite may leave uncomputed.
                strict = False
            assert ours == theirs or (not strict and "internal" not in (ours, theirs)), said
            return
        mine, other = _canonical(ours), _canonical(theirs)
        for row in ours:
            for value, is_truth in zip(row, query.truths, strict=True):
                assert value is None or is_truth is None or isinstance(value, bool) == is_truth, said
        if not query.total:
            mine, other = sorted(mine, key=repr), sorted(other, key=repr)
        assert mine == other, said

    def change(self, choices: Choices, ours: str, theirs: str) -> None:
        """Both change alike, or fail alike and change nothing; unlike failures are taken back in both."""
        with self.theirs:
            self.theirs.execute("SAVEPOINT before")
            self.ours.connection.execute("SAVEPOINT before")
            mine, other = self._ours(ours, choices), self._theirs(theirs)
            said = f"\nours:   {ours}\ntheirs: {theirs}\nargs:   {choices.arguments}\n{mine}\n{other}"
            if isinstance(mine, str) or isinstance(other, str):
                self.theirs.execute("ROLLBACK TO before")
                self.ours.connection.execute("ROLLBACK TO before")
            self.ours.connection.execute("RELEASE before")
        contents = [
            sorted(_canonical(connection.execute("SELECT p, q FROM anything").fetchall()), key=repr)
            for connection in (self.ours.connection, self.theirs)
        ]
        assert contents[0] == contents[1], said

    def _ours(self, text: str, choices: Choices) -> Rows | str:
        try:
            return self.ours.run(text, choices.arguments)
        except SqlError as error:
            if error.key in ("division_by_zero", "integer_overflow", "out_of_range"):
                return error.key
            raise AssertionError(f"{error!r}: {text}") from error
        except apsw.SQLError as error:
            return _failure(error)

    def _theirs(self, text: str) -> Rows | str:
        try:
            return self.theirs.execute(text).fetchall()
        except ZeroDivisionError:
            return "division_by_zero"
        except apsw.SQLError as error:
            return _failure(error)


def _is_null(answer: Rows | str) -> bool:
    return not isinstance(answer, str) and all(value is None for row in answer for value in row)


def _failure(error: apsw.SQLError) -> str:
    """What may well fail as a row is computed; anything else is a mistake in a text."""
    if "overflow" in str(error):
        return "integer overflow"
    raise AssertionError(str(error)) from error


def _value(choices: Choices, kind: str) -> int | float | str | bool | None:
    if choices.chance(20):
        return None
    values = _SMALL[kind] if kind in _SMALL and choices.chance(60) else _LARGE[kind]
    found: int | float | str | bool = choices.pick(values)
    return found


def _canonical(rows: Rows) -> Rows:
    return [tuple(_same(value) for value in row) for row in rows]


def _same(value: Any) -> Any:
    """Equal numbers are one, whole or real; booleans are numbers; texts stay apart from numbers."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


# --- division, from the language's description ---------------------------------------------------------------


def _number(value: Any) -> int | float:
    if isinstance(value, (int, float)):
        return value
    found: int | float = apsw.Connection(":memory:").execute("SELECT CAST(? AS NUMERIC)", (value,)).fetchall()[0][0]
    return found


def _div(left: Any, right: Any) -> float | None:
    if left is None or right is None:
        return None
    return float(_number(left)) / float(_number(right))


def _idiv(left: Any, right: Any) -> int | float | None:
    if left is None or right is None:
        return None
    dividend, divisor = _number(left), _number(right)
    if isinstance(dividend, float) or isinstance(divisor, float):
        quotient = dividend / divisor
        whole = 2**63 if math.isinf(quotient) else math.trunc(quotient)
        return whole if abs(whole) < 2**63 else quotient
    whole = math.trunc(Fraction(dividend, divisor))
    return whole if -(2**63) <= whole < 2**63 else float(whole)


def _mod(left: Any, right: Any) -> int | float | None:
    if left is None or right is None:
        return None
    connection = apsw.Connection(":memory:")
    if connection.execute("SELECT CAST(? AS INTEGER)", (right,)).fetchall()[0][0] == 0:
        raise ZeroDivisionError
    found: int | float | None = connection.execute("SELECT ? % ?", (left, right)).fetchall()[0][0]
    return found
