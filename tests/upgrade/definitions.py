"""Definitions that some release took, and a later one refuses or reads otherwise.

Each is asked of a release when its archive is made (`make.py`); those that it takes are in the archive.
"""

from __future__ import annotations

#: In this order: what stands on others comes behind them. One kind and name each.
DEFINITIONS = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, w TEXT)",
    "CREATE TABLE u (id INTEGER PRIMARY KEY, v INTEGER)",
    "CREATE VIEW ends_in_a_constant AS SELECT id, v FROM t ORDER BY -2",
    "CREATE VIEW ends_in_a_constant_too AS SELECT id FROM t UNION SELECT v FROM u ORDER BY -1",
    "CREATE VIEW groups_by_a_constant AS SELECT 5 AS x, count(*) AS n FROM t GROUP BY x",
    "CREATE VIEW groups_by_another_column AS SELECT 2 AS x, v, id FROM t GROUP BY x, v",
    "CREATE VIEW two_of_one_name AS WITH a AS (SELECT 1 AS k), a AS (SELECT 2 AS k) SELECT k FROM a",
    "CREATE VIEW a_bad_window AS SELECT id FROM t WINDOW w AS (PARTITION BY nothing)",
    "CREATE VIEW two_windows AS SELECT sum(id) OVER w AS s FROM t WINDOW w AS (ORDER BY id), w AS (ORDER BY v)",
    "CREATE VIEW two_meanings (p, q) AS SELECT v AS x, id AS x FROM t ORDER BY x",
    "CREATE VIEW having_alone AS SELECT 7 AS q FROM t HAVING count(*) > 1",
    "CREATE VIEW outer_in_having AS SELECT v FROM t WHERE EXISTS (SELECT 1 FROM u HAVING max(t.v) > 1)",
    "CREATE VIEW outer_in_where AS SELECT v FROM t WHERE (SELECT max(t.v) + 1 FROM u) > 0",
    "CREATE VIEW outer_in_order AS SELECT v FROM t WHERE id IN (SELECT id FROM u ORDER BY count(t.v))",
    "CREATE VIEW outer_in_a_column AS SELECT (SELECT max(t.v) + count(u.id) FROM u) AS s FROM t",
    "CREATE VIEW bad_json AS SELECT json_extract('{', '$') AS j FROM t",
    "CREATE VIEW unnamed AS SELECT count(*), max(v) + 1 FROM t",
    "CREATE VIEW of_the_unnamed AS SELECT `count(*)` FROM unnamed",
    "CREATE VIEW natural_on AS SELECT t.w FROM t NATURAL JOIN u ON t.id = u.id",
    "CREATE VIEW natural_using AS SELECT t.w FROM t NATURAL JOIN u USING (id)",
    "CREATE TABLE twice (a INTEGER, UNIQUE (a, a))",
    "CREATE TABLE to_twice (a INTEGER REFERENCES twice (a))",
    "CREATE TABLE places (dirk_rowid INTEGER, rowid TEXT UNIQUE)",
    "CREATE TABLE to_nothing (a INTEGER REFERENCES later (id))",
    "CREATE TABLE odd_checks (x TEXT CHECK (x LIKE 'a' ESCAPE 'xx'), y INTEGER DEFAULT (json_extract('{', '$')))",
    "CREATE INDEX on_a_text ON t ('w')",
    "CREATE UNIQUE INDEX unique_on_a_text ON t ('v')",
    "CREATE INDEX of_the_clock ON t (w) WHERE w < datetime('now')",
)
#: Rows for them.
ROWS = (
    "INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')",
    "INSERT INTO u VALUES (1, 5), (2, 6)",
    "INSERT INTO twice VALUES (1)",
    "INSERT INTO places (rowid) VALUES ('x')",
)


def kind_and_name(definition: str) -> tuple[str, str]:
    """Of a definition of `DEFINITIONS`."""
    words = [word for word in definition.split()[1:4] if word != "UNIQUE"]
    return words[0], words[1]
