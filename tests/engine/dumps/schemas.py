"""Databases by chance: statements that make tables, what stands on them, and rows, under names that nobody chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from dirk_parser.printer.writer import quoted

#: Names that a careless writer of scripts is caught by; a number makes each its own.
_NAMES = (
    "t", "Élève", "two words", "A Tous", "x\nravao ny tahiry vola; --", "a;b", "-- c", "/* d */", "it's", 'say "no"',
    "back`tick", "back\\slash", "select", "TABILAO", "ny", "values", "miala", "rowid", "tab\there", "a.b", "#-",
    "x\r\ny", "日本", "1st", "e", "index", "100%", "$p", "?", "a'; DROP TABLE t; --", "\u2028line", "K", "ſ",
    "conflict", "if",
)  # fmt: skip
_TEXTS = (
    "", "a", "it''s", "line\nfeed", "; --", "back\\\\slash", "/*", "É日本😀", "%_", "null", "\t", "x\r\ny", "`", '"',
    "-- \n", "a" * 300,
)  # fmt: skip
_VALUES = (
    "null", "0", "1", "-1", "9223372036854775807", "-9223372036854775808", "1e300", "-2.5e-300", "0.1", "-0.0",
    "123456789012345678", "1.5", "marina", "diso", "x''", "x'00ff27'", "12345678901234567890.5",
)  # fmt: skip


@dataclass
class _Table:
    """A table so far: its own name for itself, its columns that take anything, and rows that were made."""

    name: str
    key: str
    free: list[str]
    numbered: bool = False
    links: list[tuple[str, int]] = field(default_factory=list)


class Schemas:
    """Statements from one seed. Some may be refused, by a constraint or a name that is taken: that is no matter."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._tables: list[_Table] = []
        self._names = 0

    def statements(self) -> Iterator[str]:
        """All of them, in order."""
        chance = self._chance
        domain = self._name()
        yield f"create domain {domain} (ISA:LAHATSORATRA)"
        for number in range(chance.randint(1, 5)):
            yield self._table(number, domain)
            if chance.random() < 0.4:
                yield from self._index()
        for _ in range(chance.randint(1, 5)):
            yield from self._rows()
        yield from self._views()
        for _ in range(chance.randint(0, 3)):
            yield from self._index()
        for _ in range(chance.randint(0, 4)):
            table = chance.choice(self._tables)
            yield chance.choice((self._deletion, self._update))(table)

    def _name(self) -> str:
        self._names += 1
        name = self._chance.choice(_NAMES)
        return quoted(name if self._chance.random() < 0.5 and self._names < 40 else f"{name}{self._names}")

    def _value(self) -> str:
        if self._chance.random() < 0.4:
            return f"'{self._chance.choice(_TEXTS)}'"
        return self._chance.choice(_VALUES)

    def _table(self, number: int, domain: str) -> str:
        chance = self._chance
        numbered = chance.random() < 0.6
        table = _Table(self._name(), self._name(), [self._name() for _ in range(chance.randint(1, 3))], numbered)
        kind = "INTEGER PRIMARY KEY AUTOINCREMENT" if numbered and chance.random() < 0.6 else "INTEGER PRIMARY KEY"
        parts = [f"{table.key} {kind if numbered else 'ISA PRIMARY KEY'}", f"{table.free[0]} {domain}"]
        parts += [f"{each} {chance.choice(('', 'COLLATE NOCASE', 'DEFAULT 7', 'UNIQUE'))}" for each in table.free[1:]]
        if chance.random() < 0.4:
            stored = chance.choice(("STORED", "VIRTUAL"))
            parts.append(f"{self._name()} AS (coalesce({table.free[0]}, 0) || 'x') {stored}")
        if chance.random() < 0.3:
            parts.append(f"CHECK ({table.key} < 100 OR {table.free[0]} IS NOT NULL)")
        for _ in range(chance.randint(0, 2)):
            column, other = self._name(), chance.randint(0, 4)
            table.links.append((column, other))
            parts.insert(chance.choice((0, -1)), f"{column} ISA{chance.choice(('', '', ' UNIQUE'))}")
        self._tables.append(table)
        for column, other in table.links:
            known = self._tables[min(other, number)]
            parts.append(f"FOREIGN KEY ({column}) REFERENCES {known.name} ({known.key}) ON DELETE SET NULL")
        return f"create table {table.name} ({', '.join(parts)})"

    def _rows(self) -> Iterator[str]:
        chance = self._chance
        table = chance.choice(self._tables)
        columns = [table.key, *table.free, *(column for column, _ in table.links)]
        keys = chance.sample(range(1, 160), chance.choice((1, 3, 130)))
        rows = []
        for key in keys:
            linked = [chance.choice(("null", str(chance.choice(keys)))) for _ in table.links]
            rows.append(f"({', '.join([str(key), *(self._value() for _ in table.free), *linked])})")
        for row in [", ".join(rows)] if chance.random() < 0.5 else rows:
            yield f"insert or ignore into {table.name} ({', '.join(columns)}) values {row}"

    def _index(self) -> Iterator[str]:
        table, chance = self._chance.choice(self._tables), self._chance
        terms = (table.free[0], f"coalesce({table.free[0]}, 'é''')", f"{table.free[-1]} desc, {table.key}")
        where = chance.choice(("", f" where {table.free[0]} is not null", f" where {table.key} > 5"))
        kind = chance.choice(("", "unique "))
        yield f"create {kind}index {self._name()} on {table.name} ({chance.choice(terms)}){where}"

    def _views(self) -> Iterator[str]:
        chance, known = self._chance, [table.name for table in self._tables]
        for _ in range(chance.randint(0, 4)):
            name = self._name()
            # Its column is called like another table or view: what a search for words takes for a use.
            yield f"create view {name} as select count(*) as {chance.choice(known)} from {chance.choice(known)}"
            known.append(name)

    def _deletion(self, table: _Table) -> str:
        return f"delete from {table.name} where {table.key} {self._chance.choice(('> 140', '< 9', '> 0', '% 3 = 1'))}"

    def _update(self, table: _Table) -> str:
        if not table.links:
            return f"update {table.name} set {table.free[0]} = {self._value()} where {table.key} > 120"
        column, _ = self._chance.choice(table.links)
        return f"update or ignore {table.name} set {column} = {self._chance.randint(1, 160)} where {table.key} % 5 = 2"
