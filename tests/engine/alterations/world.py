"""Tables, indexes and views by chance: foreign keys in every direction, views of views, names that need quotes."""

from __future__ import annotations

import random
from collections.abc import Iterator

from dirk_parser.printer.writer import quoted
from dirk_parser.schema.schema import Schema, Table

_NULLS = " ON DELETE SET NULL ON UPDATE CASCADE"
ACTIONS = ("", " ON DELETE CASCADE", _NULLS, " ON DELETE RESTRICT", " ON UPDATE CASCADE")
_KEYS = ("INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", "ISA PRIMARY KEY")
#: Names as people give them; each is used once in a run, with its number.
_STEMS = ("kilasy", "Anarana", "élève", "two words", "select", "back`tick", "it's", "alaivo", "x.y")


class Names:
    """Names that none of the database has, quoted where that is needed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._count = 0

    def fresh(self) -> str:
        """The next one."""
        self._count += 1
        return quoted(f"{self._rng.choice(_STEMS)}{self._count}")


def tables(rng: random.Random, names: Names) -> Iterator[str]:
    """Definitions of three tables. A key and the columns u, p and w are in each; r, s refer to any of them, made or
    not."""
    called, own = [names.fresh() for _ in range(3)], rng.choice(("id", "rowid", "oid"))
    for name in called:
        parts = [f"{own} {rng.choice(_KEYS)}", "u ISA UNIQUE", "p ISA DEFAULT 7", "w TEXT"]
        parts += [f"{column} ISA REFERENCES {_parent(rng, called, own)}" for column in ("r", "s")]
        if rng.random() < 0.5:
            parts.append(f"g ISA AS (p * 2) {rng.choice(('STORED', 'VIRTUAL'))}")
        parts += rng.sample(["CHECK (p <> 99)", "CONSTRAINT few CHECK (u < 1000)", "UNIQUE (p, w, u)"], 2)
        yield f"CREATE TABLE {name} ({', '.join(parts)})"
        if rng.random() < 0.6:
            kind, terms = rng.choice((("", "w, p"), ("UNIQUE ", "u, p"), ("", "p * 2"), ("", "p) WHERE (u > 3")))
            yield f"CREATE {kind}INDEX {names.fresh()} ON {name} ({terms})"


def _parent(rng: random.Random, called: list[str], own: str) -> str:
    name = rng.choice(called)
    if not name.isascii() and rng.random() < 0.5:
        # The same name to the language, and another one to SQLite.
        name = name.swapcase()
    return f"{name}{rng.choice((f'({own})', '(u)', ''))}{rng.choice(ACTIONS)}"


def view(rng: random.Random, names: Names, schema: Schema) -> str:
    """The definition of a view on two tables as they are called now, or on a view."""
    one, other = rng.choices(sorted(schema.tables.values(), key=lambda each: each.key), k=2)
    t, o = quoted(one.name), quoted(other.name)
    a, b, c = _columns(rng, one)
    x, y, _ = _columns(rng, other)
    texts = [
        f"SELECT * FROM {t}",
        f"SELECT {a}, {b} FROM {t} WHERE {c} IS NOT NULL ORDER BY {a}",
        f"SELECT {t}.{a} FROM {t} WHERE {t}.{b} > 0 GROUP BY {t}.{a} HAVING count({t}.{b}) > 0",
        f"SELECT k.{a} AS one, l.{x} AS other FROM {t} AS k JOIN {o} AS l ON k.{b} = l.{y}",
        f"WITH k AS (SELECT * FROM {t}) SELECT k.{a}, {b} FROM k WHERE k.{c} IS NOT NULL OR {a} > 0",
        f"SELECT {a} FROM {t} WHERE {b} IN (SELECT {x} FROM {o}) OR EXISTS (SELECT 1 FROM {o} AS l WHERE l.{y} = {c})",
        f"SELECT m.{a}, (SELECT max(l.{x}) FROM {o} AS l WHERE l.{y} = m.{b}) AS most FROM {t} AS m",
        f"SELECT {a}, {b} FROM {t} UNION SELECT {x}, {y} FROM {o} ORDER BY {a}",
        f"SELECT k.{a} FROM {t} AS k JOIN {t} AS l USING ({b})",
        f"SELECT k.{a} FROM (SELECT * FROM {t}) AS k, (SELECT {x} FROM {o}) AS l WHERE k.{b} = l.{x}",
        f"SELECT {a}, sum({b}) OVER (PARTITION BY {c} ORDER BY {a}) AS running FROM {t}",
    ]
    views = sorted(schema.views.values(), key=lambda each: each.key)
    if views and rng.random() < 0.4:
        read = rng.choice(views)
        column = quoted(rng.choice(read.columns).name)
        texts = [f"SELECT * FROM {quoted(read.name)}", f"SELECT {column} FROM {quoted(read.name)} ORDER BY {column}"]
    return f"CREATE VIEW {names.fresh()} AS {rng.choice(texts)}"


def _columns(rng: random.Random, table: Table) -> list[str]:
    """Three columns of a table."""
    return [quoted(each.name) for each in rng.sample(table.columns, 3)]


class Changes:
    """Statements about the tables as they are called now."""

    def __init__(self, rng: random.Random, names: Names) -> None:
        self._rng = rng
        self._names = names

    def row(self, schema: Schema) -> str:
        """An INSERT, UPDATE or DELETE: half of them break something."""
        rng = self._rng
        table = self._table(schema)
        name, given = quoted(table.name), [each for each in table.columns if each.generated is None]
        chosen = rng.choice(given)
        where = f"{quoted(rng.choice(table.columns).name)} = {rng.randint(1, 9)}"
        kind = rng.random()
        if kind < 0.2:
            return f"DELETE FROM {name} WHERE {where}"
        if kind < 0.4:
            return f"UPDATE {name} SET {quoted(chosen.name)} = {self._value(chosen.domain)} WHERE {where}"
        columns = [each for each in given if rng.random() < 0.8] or given
        # What refers to others is mostly left open: else hardly a row would come in.
        refers = {column for each in table.references for column in each.columns}
        values = ", ".join(
            "NULL" if each.key in refers and rng.random() < 0.7 else self._value(each.domain) for each in columns
        )
        return f"INSERT INTO {name} ({', '.join(quoted(each.name) for each in columns)}) VALUES ({values})"

    def _value(self, domain: str) -> str:
        text = self._rng.choice(("NULL", "'a'", "'b'"))
        return text if domain == "LAHATSORATRA" else self._rng.choice(("NULL", *map(str, range(1, 10)), "99"))

    def _table(self, schema: Schema) -> Table:
        return self._rng.choice(sorted(schema.tables.values(), key=lambda each: each.key))

    def alter(self, schema: Schema) -> tuple[str, str, str]:
        """An ALTER TABLE: its kind, the table's key and the text."""
        rng, table = self._rng, self._table(schema)
        # Keys are what others refer to.
        keys = {each for group in table.unique for each in group} if rng.random() < 0.5 else set()
        column = quoted(rng.choice([each.name for each in table.columns if not keys or each.key in keys]))
        plain = quoted(rng.choice([each.name for each in table.columns if each.generated is None]))
        other = self._table(schema)
        foreign = f"{quoted(other.name)} ({quoted(rng.choice(other.columns).name)}){rng.choice(ACTIONS)}"
        fresh, number = self._names.fresh(), rng.randint(1, 9)
        kind, text = rng.choice(
            (
                ("rename table", f"RENAME TO {fresh}"),
                ("rename table", f"RENAME TO {fresh}"),
                ("rename column", f"RENAME COLUMN {column} TO {fresh}"),
                ("rename column", f"RENAME COLUMN {column} TO {fresh}"),
                ("rename column", f"RENAME COLUMN {column} TO {fresh}"),
                ("take a name", f"RENAME COLUMN {column} TO {quoted(rng.choice(other.columns).name)}"),
                ("take a name", f"RENAME COLUMN {column} TO {rng.choice(('rowid', '_rowid_', 'oid'))}"),
                ("capitals", f"RENAME COLUMN {column} TO {column.swapcase()}"),
                ("capitals", f"RENAME TO {quoted(table.name.swapcase())}"),
                ("drop column", f"DROP COLUMN {column}"),
                ("add column", f"ADD COLUMN {fresh} ISA DEFAULT {number}"),
                ("add column", f"ADD COLUMN {fresh} ISA UNIQUE"),
                ("add column", f"ADD COLUMN {fresh} ISA DEFAULT (1 + {number}) NOT NULL"),
                ("add computed", f"ADD COLUMN {fresh} ISA AS ({plain} IS NULL) {rng.choice(('STORED', 'VIRTUAL'))}"),
                ("add reference", f"ADD COLUMN {fresh} ISA REFERENCES {foreign}"),
                ("add reference", f"ADD COLUMN {fresh} ISA DEFAULT {number} REFERENCES {foreign}"),
                ("set default", f"ALTER COLUMN {plain} SET DEFAULT {number}"),
                ("set default", f"ALTER COLUMN {plain} DROP DEFAULT"),
                ("require", f"ALTER COLUMN {plain} SET NOT NULL"),
                ("allow null", f"ALTER COLUMN {plain} DROP NOT NULL"),
                ("constrain", f"ADD CONSTRAINT {fresh} CHECK ({column} IS NULL OR {column} <> {number})"),
                ("constrain", f"ADD UNIQUE ({column}, {plain})"),
                ("constrain", f"ADD CONSTRAINT {fresh} FOREIGN KEY ({plain}) REFERENCES {foreign}"),
                ("free", "DROP CONSTRAINT few"),
            )
        )
        return kind, table.key, f"ALTER TABLE {quoted(table.name)} {text}"
