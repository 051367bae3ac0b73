"""Views by chance whose meaning a release may have changed: aggregates in subqueries of every clause, common tables and
windows of one name, constants and names of two columns in GROUP BY and ORDER BY."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

SETTING = (
    "CREATE TABLE t (a ISA PRIMARY KEY, b TEXT, u ISA UNIQUE)",
    "CREATE TABLE s (a ISA REFERENCES t (a), c ISA)",
    "CREATE VIEW v AS SELECT a, b FROM t",
)
_AGGREGATES = (
    *("count(*)", "max({})", "sum({})", "count({})", "max({}) + 1", "sum({}) FILTER (WHERE {} > 1)"),
    *("max({}) OVER ()", "count(*) OVER (PARTITION BY {})", "group_concat({} ORDER BY {})"),
)
_COLUMNS = (("t.a", "t.u", "t.b"), ("s.a", "s.c", "c"), ("q.a", "q.u"))
_SOURCES = (("t",), ("s", "s JOIN v ON s.a = v.a", "(SELECT * FROM s) AS s"), ("t AS q",))
_COMMON = (
    *("WITH k AS (SELECT 1 AS z), k AS (SELECT 2 AS z) ", "WITH k AS (SELECT max(t.a) AS z FROM t) "),
    "WITH RECURSIVE k AS (SELECT 1 AS z UNION ALL SELECT z + 1 FROM k WHERE z < 3) ",
)
_WINDOWS = ("ORDER BY {}", "PARTITION BY nosuch", "PARTITION BY {}")
_DEEPEST = 2


@dataclass(frozen=True, slots=True)
class Views:
    """Definitions of a view x from one stream of chance."""

    chance: Random

    def definition(self) -> str:
        """One of them."""
        return f"CREATE VIEW x AS {self._query(0, self.chance.choice((1, 1, 2)))}"

    def _is(self, share: float) -> bool:
        return self.chance.random() < share

    def _column(self, depth: int) -> str:
        """A column of this query or of one around it."""
        return self.chance.choice([each for level in _COLUMNS[: depth + 1] for each in level])

    def _aggregate(self, depth: int) -> str:
        form = self.chance.choice(_AGGREGATES)
        return form.replace("{}", self._column(depth), 1).replace("{}", self._column(depth))

    def _inner(self, depth: int) -> str:
        return f"({self._query(depth + 1, 1)})"

    def _condition(self, depth: int) -> str:
        forms = [f"{self._column(depth)} > 1", f"{self._aggregate(depth)} > 1"]
        if depth < _DEEPEST:
            inner = self._inner(depth)
            forms += [f"EXISTS {inner}", f"{self._column(depth)} IN {inner}", f"{inner} > 0"]
        return self.chance.choice(forms)

    def _value(self, depth: int) -> str:
        forms = [self._column(depth), self._aggregate(depth), "7"]
        return self.chance.choice([*forms, self._inner(depth)] if depth < _DEEPEST and self._is(0.5) else forms)

    def _query(self, depth: int, width: int) -> str:
        names = ("", "", " AS x", " AS y", " AS a")
        items = ", ".join(self._value(depth) + self.chance.choice(names) for _ in range(width))
        text = self.chance.choice(_COMMON) if self._is(0.1) else ""
        text += f"SELECT {'DISTINCT ' if self._is(0.3) else ''}{items} FROM {self.chance.choice(_SOURCES[depth])}"
        text += f" WHERE {self._condition(depth)}" if self._is(0.4) else ""
        text += f" GROUP BY {self.chance.choice((self._column(depth), '1', '-1', 'x', '5'))}" if self._is(0.3) else ""
        text += f" HAVING {self._condition(depth)}" if self._is(0.35) else ""
        if self._is(0.1):
            window = self.chance.choice(_WINDOWS).format(self._column(depth))
            text += f" WINDOW w AS ({window}){self.chance.choice(('', ', w AS (ORDER BY 1)', ', o AS (w)'))}"
        terms = (self._column(depth), "1", "-1", "x", self._aggregate(depth))
        text += f" ORDER BY {self.chance.choice(terms)}" if self._is(0.3) else ""
        return text + (" LIMIT 1 + 1" if self._is(0.1) else "")
