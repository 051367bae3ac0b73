"""A statement through the parser's fast ways, and the long way: two databases that must stay the same.

The fast way splits literals off by one expression, takes rows of VALUES for one row, keeps plans by template and puts
rows into SQLite in blocks. The long way reads the text one character after the other, gives all of it to the grammar,
keeps no plan, and writes each literal into the SQL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import apsw

from dirk_gevent.engine.errors.failures import statement_failure
from dirk_parser.ast.expression import Constant, Literal
from dirk_parser.ast.query import Values
from dirk_parser.ast.statement import Insert, Statement
from dirk_parser.compile.base.context import Context, Purpose
from dirk_parser.compile.query.compilers import COMPILERS
from dirk_parser.compile.statement import _compile, _reads
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.normalize import literal_text
from dirk_parser.normalize.literals import Literals
from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement, Value
from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.bind import bind, columns, rows
from dirk_parser.plan.blocks import blocks
from dirk_parser.plan.plan import ChangePlan, DdlPlan, Plan, QueryPlan
from tests.parser.small_database import STATEMENTS, SmallDatabase, one_by_one

_SPACE = " \t\r\n\f\v"


def plainly_split(text: str) -> NormalizedStatement:
    """As `dirk_parser.normalize.normalizer.split`, character by character and with every row. Raises SqlError as that
    does."""
    reader = _Reader(text)
    while reader.at < len(text):
        reader.step()
    template = "".join(reader.template).strip()
    while template.endswith(";"):
        template = template[:-1].strip()
    return NormalizedStatement(template, tuple(reader.values), tuple(reader.texts))


class _Reader:
    """Where the reading of a text has come to, and what was found."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.template: list[str] = []
        self.values: list[Value] = []
        self.texts: list[str] = []

    def step(self) -> None:
        """Reads one string, number, name, comment or sign."""
        text, at = self.text, self.at
        two = text[at : at + 2]
        if two in ("#-", "#+", "#^"):
            self._keep(2)
        elif two in ("--", "//"):
            self._blank(text.find("\n", at) if "\n" in text[at:] else len(text))
        elif two == "/*":
            self._blank(self._end("*/", at + 2))
        elif text[at] in "'\"":
            self._string()
        elif text[at] == "`":
            self._keep(self._name_end("`") - at)
        elif text[at] == "[" and "]" in text[at + 2 :].partition("\n")[0]:
            end = text.index("]", at + 2)
            self.template.append("`" + text[at + 1 : end].replace("`", "``") + "`")
            self.at = end + 1
        elif text[at] in "0123456789" or (text[at] == "." and text[at + 1 : at + 2] in tuple("0123456789")):
            self._number()
        elif text[at].isalpha() or text[at] == "_" or not text[at].isascii():
            end = at
            while end < len(text) and (text[end].isalnum() or text[end] == "_" or self._is_letter(text[end])):
                end += 1
            self._keep(max(end - at, 1))
        else:
            self._keep(1)

    @staticmethod
    def _is_letter(character: str) -> bool:
        return not character.isascii() and not character.isspace()

    def _keep(self, count: int) -> None:
        self.template.append(self.text[self.at : self.at + count])
        self.at += count

    def _blank(self, end: int) -> None:
        self.template.append("".join("\n" if each == "\n" else " " for each in self.text[self.at : end]))
        self.at = end

    def _end(self, mark: str, start: int) -> int:
        found = self.text.find(mark, start)
        if found < 0:
            raise SqlError("unterminated", mark=mark)
        return found + len(mark)

    def _name_end(self, quote: str) -> int:
        end = self.at + 1
        while True:
            end = self._end(quote, end)
            if self.text[end : end + 1] != quote:
                return end
            end += 1

    def _string(self) -> None:
        quote, end = self.text[self.at], self.at + 1
        while end < len(self.text):
            if self.text[end] == "\\" or self.text[end : end + 2] == quote * 2:
                end += 2
            elif self.text[end] == quote:
                break
            else:
                end += 1
        if end >= len(self.text):
            raise SqlError("unterminated", mark=quote)
        written = self.text[self.at : end + 1]
        before = "".join(self.template).rstrip(_SPACE).lower()
        word = before[len(before.rstrip("abcdefghijklmnopqrstuvwxyz_0123456789`")) :]
        self.at = end + 1
        if word in ("as", "antso") and len(written) > 2:
            self.template.append("`" + literal_text.string(written).replace("`", "``") + "`")
        else:
            self._literal("'s'", literal_text.string(written), written)

    def _number(self) -> None:
        text, end = self.text, self.at
        while text[end : end + 1].isdecimal() and text[end].isascii():
            end += 1
        if text[end : end + 1] == ".":
            end += 1
            while text[end : end + 1].isdecimal() and text[end].isascii():
                end += 1
        if text[end : end + 1] in ("e", "E"):
            digits = end + (2 if text[end + 1 : end + 2] in ("+", "-") else 1)
            if text[digits : digits + 1].isdecimal():
                end = digits
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        written = text[self.at : end]
        value = literal_text.number(written)
        self.at = end
        self._literal("'i'" if type(value) is int else "'r'", value, written)

    def _literal(self, mark: str, value: Value, written: str) -> None:
        self.template.append(mark)
        self.values.append(value)
        self.texts.append(written)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement came to: the names of its columns and its rows, or the error's key."""

    names: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    error: str = ""


class TwoWays:
    """Two databases that are told the same, each in its own way."""

    def __init__(self) -> None:
        self.fast = SmallDatabase()
        self.long = SmallDatabase()
        self.accepted = 0

    def run(self, text: str, args: Args = ()) -> Outcome:
        """Runs `text` both ways. Fails unless both end alike and leave the same behind."""
        quick, plain = self._quickly(text, args), self._plainly(text, args)
        assert quick == plain, f"{text}\n{args}\nfast: {quick}\nlong: {plain}"
        assert self._contents(self.fast) == self._contents(self.long), text
        self.accepted += not quick.error
        return quick

    def _quickly(self, text: str, args: Args) -> Outcome:
        try:
            normalized = split(text)
            plan = self.fast.plans.plan(normalized, self.fast.schema, False)
            with self.fast.connection:
                return _executed(self.fast, plan, normalized, args)
        except _FAILURES as error:
            return Outcome(error=statement_failure(error).key)

    def _plainly(self, text: str, args: Args) -> Outcome:
        try:
            normalized = plainly_split(text)
            tree = STATEMENTS.parse(normalized)
            with self.long.connection:
                outcomes = [
                    _executed(self.long, self._long_plan(each, normalized), normalized, args)
                    for each in self._single(tree)
                ]
            return replace(outcomes[0], rows=tuple(row for each in outcomes for row in each.rows))
        except _FAILURES as error:
            return Outcome(error=statement_failure(error).key)

    def _single(self, tree: Statement) -> list[Statement]:
        """Rows of VALUES that number themselves get their numbers one after the other."""
        if not isinstance(tree, Insert) or tree.source is None or tree.source.limit or tree.source.order_by:
            return [tree]
        body, table = tree.source.body, self.long.schema.tables.get(key(tree.table.text))
        if table is None or not table.numbered or not isinstance(body, Values):
            return [tree]
        if not all(isinstance(cell, Literal | Constant) for row in body.rows for cell in row):
            return [tree]
        sources = (replace(tree.source, body=Values((row,))) for row in body.rows)
        return [replace(tree, source=source) for source in sources]

    def _long_plan(self, tree: Statement, normalized: NormalizedStatement) -> Plan:
        context = Context(
            self.long.schema, Literals(normalized), COMPILERS, Purpose(for_write=not _reads(tree), written=True)
        )
        return _compile(context, tree)

    def _contents(self, database: SmallDatabase) -> object:
        connection = database.connection
        catalog = connection.execute("SELECT kind, key, name FROM dirk_catalog ORDER BY kind, key").fetchall()
        tables = {
            name: connection.execute(f"SELECT * FROM {_quoted(name)}").fetchall()
            for kind, _, name in catalog
            if kind == "table"
        }
        return catalog, tables


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_FAILURES = (SqlError, apsw.Error, UnicodeDecodeError, OverflowError)


def _executed(database: SmallDatabase, plan: Plan, normalized: NormalizedStatement, args: Args) -> Outcome:
    connection = database.connection
    database.context.begin(1_795_000_000_000, 7)
    if isinstance(plan, DdlPlan):
        database._define(plan)
        return Outcome()
    if isinstance(plan, QueryPlan):
        names = tuple(each.name for each in columns(plan, normalized))
        found = connection.execute(plan.sql, bind(plan.binds, normalized, args)).fetchall()
        return Outcome(names, tuple(found))
    names = tuple(each.name for each in columns(plan, normalized))
    return Outcome(names, tuple(_changed(connection, plan, normalized, args)))


def _changed(
    connection: apsw.Connection, plan: ChangePlan, normalized: NormalizedStatement, args: Args
) -> list[tuple[Any, ...]]:
    if plan.rows_sql:
        return one_by_one(connection, plan, bind(plan.binds, normalized, args))
    if not plan.per_row:
        return connection.execute(plan.sql, bind(plan.binds, normalized, args)).fetchall()
    together = blocks(plan, normalized)
    if together is None:
        return list(connection.executemany(plan.sql, rows(plan, normalized, args)))
    connection.executemany(together.sql, together.values)
    connection.executemany(plan.sql, together.rest)
    return []
