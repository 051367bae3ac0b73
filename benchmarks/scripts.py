"""SQL scripts as public test corpora hold them: small tables, then queries of which hardly two have one template.

Everything is drawn from a seed, so that a run can be repeated. Divisions are written DIV; no divisor is zero.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_TABLES = ("tab0", "tab1", "tab2")
_COLUMNS = ("col0", "col1", "col2")
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_AGGREGATES = ("COUNT", "SUM", "MIN", "MAX", "AVG")
_CORRELATED = "(SELECT count(*) FROM t1 AS x WHERE x.b<t1.b)"


class Scripts:
    """Draws scripts; each is a list of statements for an empty database."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def script(self, queries: int) -> list[str]:
        """Tables with rows, an index, a view, and `queries` queries and changes on them."""
        return [*self._setup(), *(self._statement() for _ in range(queries))]

    def _setup(self) -> Iterator[str]:
        yield "CREATE TABLE t1(a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER)"
        for start in range(100, 130, 5):
            values = self._random.sample(range(start, start + 5), 5)
            heads = self._random.sample("abcde", 5)
            yield f"INSERT INTO t1({','.join(heads)}) VALUES({','.join(map(str, values))})"
        for table in _TABLES:
            yield f"CREATE TABLE {table}(pk INTEGER PRIMARY KEY, col0 INTEGER, col1 FLOAT, col2 TEXT)"
            for number in range(3):
                row = (number, self._number(), f"{self._number()}.25", f"'{self._text()}'")
                yield f"INSERT INTO {table} VALUES({','.join(map(str, row))})"
        yield "CREATE INDEX tab0_i ON tab0 (col0, col1 DESC)"
        yield "CREATE VIEW v0 AS SELECT pk, col0 FROM tab0 WHERE col1 > 10.5"

    def _statement(self) -> str:
        kinds = (self._arithmetic, self._arithmetic, self._plain, self._grouped, self._joined, self._combined)
        if self._random.randrange(12) == 0:
            return self._change()
        return self._random.choice(kinds)()

    def _arithmetic(self) -> str:
        quantifier = self._random.choice(("", "ALL ", "DISTINCT "))
        items = [f"{self._expression(3)}{self._alias(n)}" for n in range(self._random.randint(1, 2))]
        return f"SELECT {quantifier}{', '.join(items)}"

    def _plain(self) -> str:
        columns = self._random.sample(
            ("a+b*2+c*3", "abs(b-c)", "d-e", "(a+b+c+d+e) DIV 5", _CORRELATED,
             "CASE WHEN c>(SELECT avg(c) FROM t1) THEN a*2 ELSE b*10 END",
             "CASE a+1 WHEN b THEN 111 WHEN c THEN 222 ELSE 555 END"), self._random.randint(1, 4)
        )  # fmt: skip
        conditions = self._random.sample(
            (f"(e>c OR e<d) AND d>{self._number()}", "a>b", f"c BETWEEN b-2 AND d+{self._number()}",
             "EXISTS(SELECT 1 FROM t1 AS x WHERE x.b<t1.b)", f"d NOT BETWEEN {self._number()} AND 120"),
            self._random.randint(1, 3),
        )  # fmt: skip
        places = ",".join(map(str, range(1, len(columns) + 1)))
        return f"SELECT {', '.join(columns)} FROM t1 WHERE {' OR '.join(conditions)} ORDER BY {places}"

    def _grouped(self) -> str:
        table, column = self._random.choice(_TABLES), self._random.choice(_COLUMNS[:2])
        function = self._random.choice(_AGGREGATES)
        having = f" HAVING {self._condition('cor0', 1)}" if self._random.random() < 0.5 else ""
        return f"SELECT {column}, {function}( {column} ) AS n FROM {table} AS cor0 GROUP BY {column}{having}"

    def _joined(self) -> str:
        left, right = self._random.sample(_TABLES, 2)
        join = self._random.choice((", ", " CROSS JOIN ", " JOIN ", " LEFT JOIN "))
        on = f" ON cor0.{self._column()} {self._comparison()} cor1.col0" if join in (" JOIN ", " LEFT JOIN ") else ""
        return (
            f"SELECT cor0.pk, cor1.col0 * {self._number()} FROM {left} AS cor0{join}{right} AS cor1{on}"
            f" WHERE {self._condition('cor0', 2)} ORDER BY 1, 2"
        )

    def _combined(self) -> str:
        operators = self._random.choices(("UNION", "UNION ALL", "EXCEPT", "INTERSECT"), k=self._random.randint(1, 3))
        operands = [f"SELECT {self._random.choice('abcde')} FROM t1 WHERE {self._condition('t1', 1, 'abcde')}"]
        operands += [f"{each} SELECT col0 FROM {self._random.choice(_TABLES)}" for each in operators]
        return f"{' '.join(operands)} ORDER BY 1"

    def _change(self) -> str:
        table = self._random.choice(_TABLES)
        return self._random.choice((
            f"UPDATE {table} SET col0 = col0 + {self._number()} WHERE {self._condition(table, 1)}",
            f"INSERT INTO {table}(col0, col2) VALUES ({self._number()}, '{self._text()}'), (NULL, NULL)",
            f"DELETE FROM {table} WHERE pk = {self._number()} AND {self._condition(table, 1)}",
        ))  # fmt: skip

    def _condition(self, table: str, depth: int, columns: str | tuple[str, ...] = _COLUMNS[:2]) -> str:
        column = f"{table}.{self._random.choice(columns)}"
        choice = self._random.randrange(6 if depth else 4)
        if choice == 0:
            return f"{column} {self._comparison()} {self._number()}"
        if choice == 1:
            return f"{column} {self._random.choice(('', 'NOT '))}IN ( {self._number()}, - {self._number()} )"
        if choice == 2:
            return f"NOT {column} IS {self._random.choice(('', 'NOT '))}NULL"
        if choice == 3:
            return f"- {column} BETWEEN - {self._number()} AND {self._number()}"
        word = " AND " if choice == 4 else " OR "
        return f"({word.join(self._condition(table, depth - 1, columns) for _ in range(2))})"

    def _expression(self, depth: int) -> str:
        sign = self._random.choice(("", "", "- ", "+ ", "- - ", "+ - "))
        choice = self._random.randrange(10) if depth else 0
        if choice < 3:
            return f"{sign}{self._number()}"
        if choice < 7:
            operator = self._random.choice(("+", "-", "*"))
            return f"{sign}{self._expression(depth - 1)} {operator} {self._expression(depth - 1)}"
        if choice == 7:
            quantifier = self._random.choice(("", "DISTINCT "))
            return f"{sign}{self._random.choice(_AGGREGATES)} ( {quantifier}{self._number()} )"
        if choice == 8:
            name = self._random.choice(("COALESCE", "NULLIF"))
            return f"{sign}{name} ( {self._expression(depth - 1)}, {self._expression(depth - 1)} )"
        test, result = self._expression(depth - 1), self._expression(depth - 1)
        return f"{sign}CASE {test} WHEN {self._number()} THEN {result} ELSE {self._expression(depth - 1)} END"

    def _alias(self, number: int) -> str:
        return self._random.choice(("", f" AS col{number}", f" col{number}"))

    def _column(self) -> str:
        return self._random.choice(_COLUMNS[:2])

    def _comparison(self) -> str:
        return self._random.choice(_COMPARISONS)

    def _number(self) -> int:
        return self._random.randint(1, 99)

    def _text(self) -> str:
        return "".join(self._random.choices("abcdefghij", k=5))
