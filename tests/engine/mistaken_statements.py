"""Random statements with a mistake in them: wrong values, wrong numbers of them, names that are taken, forms that
SQLite does not take."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from dirk_parser.compile.expression.functions import FUNCTIONS
from dirk_parser.compile.query.sources import TABLE_FUNCTIONS

#: Names of every kind of object, some the same but for their capitals, some of DirkDB's and SQLite's own.
NAMES = ("t", "T", "s", "v", "V", "i", "I", "d", "e", "É", "é", "sqlite_x", "dirk_x", "`a b`", "nosuch", "rowid")
COLUMNS = ("a", "A", "b", "u", "nosuch", "rowid", "t.a", "s.a", "*", "v.a")
VALUES = (
    *("null", "0", "-1", "1", "2.5", "1e300", "9223372036854775807", "-9223372036854775808", "marina", "9e18"),
    *("''", "'x'", "'{bad'", "'[1]'", "'{\"a\":1}'", "'$.a'", "'$.['", "'a'", "'%'", "'now'", "'localtime'", "'é'"),
    *("x'00'", "x'7b7d'", "x'ff'", "(1, 2)", "(1, 2, 3)", "(select 1)", "(select 1, 2)", "(select a from t)"),
    *("a", "b", "u", "count(*)", "max(a)", "rank() over ()", "?", "$p"),
)
OPERATORS = ("+", "/", "%", "div", "||", "=", "<", "is", "is not", "and", "or", "like", "glob", "->", "->>", "&", "<<")
ENDS = ("unbounded preceding", "{} preceding", "current row", "{} following", "unbounded following")
#: What makes the objects that the statements name.
SETTING = (
    "create table t (a ISA primary key, b TEXT, u ISA unique)",
    "insert into t values (1, 'x', 1), (2, 'y', 2)",
    "create table s (a ISA references t(a), c ISA(0, 9), check (c < 9))",
    "create index i on t (b)",
    "create view v as select a, b from t",
    "create domain d (ISA(0, 9))",
)


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Makes statements from one stream of chance."""

    random: random.Random

    def statement(self) -> str:
        """One statement; now and then nothing is wrong with it."""
        makers: tuple[Callable[[], str], ...] = (
            self._select, self._select, self._select, self._kept, self._change, self._define, self._define, self._alter,
            self._recursive,
        )  # fmt: skip
        return self.random.choice(makers)()

    # --- parts ---

    def _pick(self, items: tuple[str, ...]) -> str:
        return self.random.choice(items)

    def _chance(self, percent: int) -> bool:
        return self.random.random() * 100 < percent

    def _list(self, make: Callable[[], str], most: int) -> str:
        return ", ".join(make() for _ in range(self.random.randint(1, most)))

    def _value(self, depth: int = 2) -> str:
        forms: tuple[Callable[[int], str], ...] = (self._call, self._call, self._call, self._operation, self._form)
        return self.random.choice(forms)(depth - 1) if depth and self._chance(60) else self._pick(VALUES)

    def _call(self, depth: int) -> str:
        name = self._pick(tuple(FUNCTIONS)) if self._chance(95) else "nosuch"
        count = self.random.choice((0, 1, 1, 2, 2, 3, 4))
        inside = ", ".join(self._value(depth) for _ in range(count))
        inside = f"distinct {inside}" if inside and self._chance(8) else inside
        inside += f" order by {self._value(0)}" if inside and self._chance(8) else ""
        text = f"{name}({inside})"
        text += f" filter (where {self._value(0)})" if self._chance(8) else ""
        return f"{text} over ({self._window()})" if self._chance(20) else text

    def _window(self) -> str:
        text = f"partition by {self._value(0)} " if self._chance(30) else ""
        text += f"order by {self._list(lambda: self._value(0), 2)} " if self._chance(60) else ""
        if not self._chance(50):
            return text
        ends = [self._pick(ENDS).format(self._pick(("1", "-1", "'x'", "null", "2.5", "(a)"))) for _ in range(2)]
        frame = f"between {ends[0]} and {ends[1]}" if self._chance(70) else ends[0]
        return f"{text}{self._pick(('rows', 'range', 'groups'))} {frame}"

    def _operation(self, depth: int) -> str:
        return f"({self._value(depth)} {self._pick(OPERATORS)} {self._value(depth)})"

    def _form(self, depth: int) -> str:
        one, two, three = (self._value(depth) for _ in range(3))
        forms = (
            f"({one} like {two} escape {three})", f"({one} in ({two}, {three}))", f"({one} between {two} and {three})",
            f"case {one} when {two} then {three} end", f"case when {one} then {two} else {three} end",
            f"cast({one} as {self._pick(('ISA', 'TEXT', 'd', 'nosuch', 'DATY', 'NUMERIC(2, 9)', 'ISA(5, 1)'))})",
            f"({one} collate {self._pick(('nocase', 'nosuch'))})", f"exists (select {one} from t where {two})",
            f"({one} in (select {two} from s))", f"- {one}", f"not {one}",
            f"(select {one} from t q where {two} limit 1)",
        )  # fmt: skip
        return self._pick(forms)

    # --- queries ---

    def _select(self) -> str:
        text = f"select {self._list(self._item, 3)}"
        text += f" from {self._source()}" if self._chance(85) else ""
        text += f" where {self._value(1)}" if self._chance(30) else ""
        text += f" group by {self._list(lambda: self._value(1), 2)}" if self._chance(25) else ""
        text += f" having {self._value(1)}" if self._chance(15) else ""
        text += f" window w as ({self._window()})" if self._chance(10) else ""
        operator = self._pick(("union", "except", "intersect", "+"))
        text += f" {operator} select {self._item()}" if self._chance(15) else ""
        text += f" order by {self._list(lambda: self._value(1), 2)}" if self._chance(30) else ""
        return text + (f" limit {self._value(1)}" if self._chance(15) else "")

    def _item(self) -> str:
        text = self._pick(COLUMNS) if self._chance(20) else self._value()
        return f"{text} as {self._pick(('x', 'X', 'a'))}" if self._chance(25) and text != "*" else text

    def _source(self) -> str:
        forms = (
            "t", "t", "s", "v", "nosuch", "t, s", "t, t", "t join s on {}", "t natural join s", "t join s using (a)",
            "t join s using (nosuch)", "t left join v on {}", "(select {} from t) q", "(t) q", "sqlite_schema",
            f"{self._pick(tuple(TABLE_FUNCTIONS))}({{}}) j", "t, json_each({}, {})",
        )  # fmt: skip
        text = self._pick(forms)
        return text.format(*(self._value(1) for _ in range(2)))

    def _recursive(self) -> str:
        first, step = self._select(), self._pick(
            (
                "select n + 1 from r where n < 5", "select max(n) from r", "select 1 from r, r q", "select n from s",
                "select * from (select n from r)", "select n from r group by n", "select {} from r where n < 3",
            )
        )  # fmt: skip
        union = self._pick(("union all", "union", "except"))
        return f"with recursive r(n) as ({first} {union} {step.format(self._value(1))}) select * from r limit 20"

    # --- what keeps and what changes ---

    def _kept(self) -> str:
        forms = (
            "create view x as {0}", "create table x as {0}", "create index x on t ({1})",
            "create table x (a, check ({1}))", "create table x (a, b as ({1}))", "create table x (a default ({1}))",
            "create index x on t (a) where {1}", "create unique index x on s (c, {1})", "create table x (a {2})",
        )  # fmt: skip
        kinds = ("nosuch", "d(1)", "ISA(9, 1)", "VARCHAR(-1)", "NUMERIC(2, 5)", "TANISA()", "int autoincrement")
        kind = self._pick(kinds)
        return self._pick(forms).format(self._select(), self._value(), kind)

    def _change(self) -> str:
        table, column, value = self._pick(("t", "s", "v", "nosuch", "i")), self._pick(COLUMNS), self._value()
        forms = (
            f"insert into {table} values ({self._list(self._value, 4)})", f"insert into {table} {self._select()}",
            f"insert into {table} ({column}, {self._pick(COLUMNS)}) values ({value}, {self._value()})",
            f"update {table} set {column} = {value}", f"update {table} set (a, {column}) = {value}",
            f"update {table} set {column} = {value} from {self._source()} where {self._value(1)}",
            f"delete from {table} where {value}", f"delete from {table} order by {value} limit {self._value(0)}",
            f"insert into {table} values (1, 'x', 3) on conflict ({column}) do update set {column} = {value}",
            f"insert into {table} (a) values (1) on conflict do nothing returning {value}",
            f"insert or {self._pick(('replace', 'ignore', 'fail'))} into {table} values (2, {value}, 1)",
            f"update {table} set a = {value} returning {self._pick(COLUMNS)}",
        )  # fmt: skip
        return self._pick(forms)

    def _define(self) -> str:
        name, other = self._pick(NAMES), self._pick(NAMES)
        once = self._pick(("", "", "if not exists "))
        column = self._pick(("a", "nosuch", "b"))
        forms = (
            f"create table {once}{name} (a, b)", f"create table {name} (a, {self._pick(('A', 'b'))})",
            f"create view {once}{name} as select a from {other}", f"create index {once}{name} on {other} ({column})",
            f"create domain {name} (ISA)", f"create table {name} (a references {other}({column}))",
            f"create table {name} (a primary key, b, primary key ({column}))", f"drop table {name}",
            f"drop view {name}", f"drop index {name}", f"drop domain {name}", f"drop table if exists {name}",
            f"create table {name} (a, foreign key (a, b) references {other})", f"reindex {name}", f"describe {name}",
            f"create table {name} (a, constraint c check (a > 1), constraint C unique ({column}))",
            f"show create {self._pick(('table', 'view', 'index', 'domain'))} {name}",
        )  # fmt: skip
        return self._pick(forms)

    def _alter(self) -> str:
        name, column, other = self._pick(NAMES), self._pick(("a", "b", "A", "nosuch", "rowid")), self._pick(NAMES)
        forms = (
            f"rename to {other}", f"rename column {column} to {self._pick(('a', 'B', 'c', 'rowid'))}",
            f"add column {column} ISA", f"add column z default ({self._value(1)})", f"add z as ({self._value(1)})",
            f"add z TEXT as ({self._value(2)})", f"add z d as ({self._value(2)})", f"add z check ({self._value(2)})",
            f"add z ISA {self._pick(('unique', 'primary key', 'not null', 'references t', 'references nosuch'))}",
            f"drop column {column}", f"alter column {column} set not null", f"drop constraint {column}",
            f"alter column {column} set default ({self._value(1)})", f"add constraint c check ({self._value(1)})",
            f"add constraint c unique ({column})", f"add constraint c foreign key ({column}) references {other}",
        )  # fmt: skip
        return f"alter table {name} {self._pick(forms)}"
