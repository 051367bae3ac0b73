"""Statements whose end a release has changed, or might: what a change of rules would be noticed by.

`FORMS` are those that 2.2.0 ends otherwise than 2.1.0 did, and 2.3.0 than 2.2.0, each list for a database of its own.
The others are by chance, from the generators of the tests that alter tables, make mistakes, and give hostile names; the
record keeps the statements themselves, so that the generators may change.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from dirk_gevent.engine.errors.failures import DATA_ERRORS
from tests.engine.alterations.world import Changes, Names, tables, view
from tests.engine.dumps.schemas import Schemas
from tests.engine.mistaken_statements import SETTING, Mistakes
from tests.parser.small_database import SmallDatabase

_SEEDS = 8
_ALTERATIONS, _MISTAKES = 30, 60
#: What they compute is the C library's, whose last bit may be another elsewhere.
_OF_THE_LIBRARY = ("cos", "sin", "tan", "exp", "ln", "log", "pow", "rad", "deg", "pi(")

FORMS = {
    "cascades": [
        "CREATE TABLE chain (id INTEGER PRIMARY KEY, up INTEGER REFERENCES chain (id) ON DELETE CASCADE)",
        "CREATE INDEX by_up ON chain (up)",
        "INSERT INTO chain WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1200)"
        " SELECT x, nullif(x - 1, 0) FROM c",
        "DELETE FROM chain WHERE id = 1",
        "REPLACE INTO chain VALUES (1, NULL)",
        "UPDATE chain SET up = NULL WHERE id = 500",
        "DELETE FROM chain WHERE id = 1",
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER REFERENCES t (a) ON UPDATE CASCADE)",
        "INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2)",
        "UPDATE t SET a = a + 10 WHERE a = 1",
    ],
    "terms": [
        "CREATE TABLE a (x INTEGER, y TEXT, z REAL, b BLOB)",
        "INSERT INTO a VALUES (1, 'p', 1.5, x'00ff'), (2, 'q', 2.5, NULL), (1, 'p', 3.5, x'')",
        "CREATE INDEX i1 ON a ('y')",
        "CREATE INDEX i2 ON a ('nothing')",
        "CREATE UNIQUE INDEX i3 ON a ('z')",
        "CREATE UNIQUE INDEX i4 ON a ('x' || y, z)",
        "CREATE UNIQUE INDEX i5 ON a (lower(y), x, z)",
        "CREATE INDEX i6 ON a (x) WHERE a.x > 1",
        "CREATE INDEX i7 ON a (a.x + 1)",
        "INSERT INTO a VALUES (7, 'P', 1.5, x'01'), (1, 'P', 1.5, x'02')",
        "INSERT INTO a VALUES (1, 'p', 9.5, x'03') ON CONFLICT ('x' || y, z) DO UPDATE SET x = 50",
        "INSERT INTO a VALUES (7, 'r', 1.5, x'01') RETURNING *",
        "UPDATE a SET x = x + 1 RETURNING b, y",
        "INSERT INTO a (b) VALUES (x'c3a9'), (x'e9') RETURNING b, typeof(b)",
        "DELETE FROM a WHERE x = 3 RETURNING b",
        "CREATE TABLE c (x INTEGER CHECK (c.x > 0), y INTEGER AS (c.x * 2) STORED)",
        "INSERT INTO c (x) VALUES (1)",
        "INSERT INTO c (x) VALUES (-1)",
        "INSERT INTO c (x) VALUES (1) RETURNING y",
    ],
    "collated terms": [
        "CREATE TABLE a (x TEXT, y INTEGER)",
        "CREATE INDEX c1 ON a ('nothing' COLLATE NOCASE)",
        "CREATE INDEX c2 ON a (('é' COLLATE NOCASE), y)",
        "CREATE UNIQUE INDEX c3 ON a ('x' COLLATE NOCASE, y)",
        "CREATE UNIQUE INDEX c4 ON a ((+('x' COLLATE NOCASE) COLLATE BINARY), y)",
        "CREATE INDEX c5 ON a ('nothing' COLLATE RTRIM DESC) WHERE 'x' COLLATE NOCASE = 'X'",
        "INSERT INTO a VALUES ('p', 1), ('q', 2)",
        "INSERT INTO a VALUES ('r', 1)",
        "INSERT INTO a VALUES ('r', 1) ON CONFLICT ('x' COLLATE NOCASE, y) DO UPDATE SET x = 's' RETURNING *",
        "CREATE UNIQUE INDEX c6 ON a ('x' COLLATE NOCASE)",
        "ALTER TABLE a ADD COLUMN z INTEGER UNIQUE",
        "UPDATE a SET y = 1 RETURNING y",
    ],
    "added defaults": [
        "CREATE TABLE t (a INTEGER)",
        "INSERT INTO t VALUES (1), (2)",
        "ALTER TABLE t ADD COLUMN b DEFAULT (NOT x'00')",
        "ALTER TABLE t ADD COLUMN c INTEGER NOT NULL DEFAULT (~5)",
        "ALTER TABLE t ADD COLUMN d NUMERIC(5, 2) DEFAULT 2.555",
        "ALTER TABLE t ADD COLUMN e NUMERIC(5, 2) DEFAULT 2555.5",
        "ALTER TABLE t ADD COLUMN f DEFAULT (-x'00')",
        "ALTER TABLE t ADD COLUMN g INTEGER NOT NULL DEFAULT (+NULL)",
        "ALTER TABLE t ADD COLUMN h TEXT NOT NULL DEFAULT (-NULL)",
        "INSERT INTO t (a) VALUES (3) RETURNING *",
        "UPDATE t SET a = a + 1 RETURNING *",
    ],
    "names": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, w TEXT)",
        "CREATE TABLE u (id INTEGER PRIMARY KEY, v INTEGER)",
        "INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')",
        "INSERT INTO u VALUES (1, 5), (2, 6)",
        "INSERT INTO u WITH a AS (SELECT 31 AS k), a AS (SELECT 32 AS k) SELECT k, 0 FROM a",
        "INSERT INTO u WITH RECURSIVE b AS (SELECT k + 1 AS k FROM c), c AS (SELECT 40 AS k) SELECT k, 1 FROM b",
        "INSERT INTO u WITH b AS (SELECT k + 1 AS k FROM c), c AS (SELECT 50 AS k) SELECT k, 1 FROM b",
        "INSERT INTO u WITH RECURSIVE b AS (SELECT 60 AS k UNION ALL SELECT k + 1 FROM b WHERE k < (WITH RECURSIVE d AS"
        " (SELECT 1 AS q UNION ALL SELECT q + 1 FROM d WHERE q < 63) SELECT max(q) FROM d)) SELECT k, 2 FROM b",
        "INSERT INTO u WITH RECURSIVE e AS (SELECT k FROM f), f AS (SELECT k FROM e) SELECT k, 2 FROM e",
        "UPDATE t SET v = v + 1 FROM t",
        "UPDATE t SET v = t.v + 1 FROM t",
        "UPDATE t SET v = x.v + 1 FROM t AS x WHERE x.id = t.id",
        "UPDATE t SET v = u.v FROM u WHERE u.id = t.id",
        "INSERT INTO u SELECT id + 100, v FROM t WINDOW win AS (PARTITION BY nothing)",
        "INSERT INTO u SELECT id + 110, v FROM t WINDOW win AS (ORDER BY id), win AS (ORDER BY v)",
        "INSERT INTO u (id, v) SELECT v + 1000 AS x, id + 1 AS x FROM t ORDER BY x LIMIT 1",
        "INSERT INTO u SELECT id + 2000, v FROM t ORDER BY -2 LIMIT 2",
        "INSERT INTO u SELECT 5 AS x, count(*) FROM t GROUP BY x",
        "INSERT INTO u VALUES (9000, 1) ON CONFLICT (u.id) DO UPDATE SET v = u.v + 1",
        "INSERT INTO t () VALUES (900, 1, 'z')",
        "INSERT INTO u SELECT x.id + 5000, x.v FROM (t) x",
        "INSERT INTO u SELECT x.id + 5200, 1 FROM (t JOIN u USING (id)) x",
        "INSERT INTO u SELECT id + 6000, v FROM t + SELECT id + 6100, v FROM t",
        "INSERT INTO u (SELECT id + 6200, v FROM t) - (SELECT id + 6200, v FROM u)",
        "INSERT INTO replay.u VALUES (7000, 1)",
        "UPDATE replay.t SET v = 0 WHERE id = 1",
        "DELETE FROM replay.t WHERE replay.t.id = 2",
        "CREATE VIEW o1 AS SELECT id, v FROM t ORDER BY -2",
        "CREATE TABLE m1 AS SELECT id, v FROM t ORDER BY -2",
        "CREATE TABLE m2 AS SELECT 5 AS x, count(*) AS n FROM t GROUP BY x",
        "CREATE TABLE m3 AS SELECT 2 AS x, v, id FROM t GROUP BY x, v",
        "CREATE TABLE m4 AS SELECT count(*), max(v) + 1 FROM t",
        "INSERT INTO u SELECT 3500, 1 FROM t HAVING count(*) > 1",
        "INSERT INTO u SELECT 3600, 1 FROM t HAVING max(v) > 1000",
        "INSERT INTO u SELECT id + 4000, 1 FROM t GROUP BY id HAVING EXISTS (SELECT 1 FROM u WHERE u.id < count(t.v))",
        "INSERT INTO u SELECT (SELECT sum(u.v) FROM u WHERE u.v < max(t.v)) + 4200, 1 FROM t",
        "INSERT INTO u SELECT (SELECT count(*) FROM u WHERE count(t.v) > 0) + 4300, 1 FROM t GROUP BY t.id",
    ],
    "mistakes": [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, w TEXT)",
        "INSERT INTO t VALUES (1, 'a'), (2, '{}')",
        "INSERT INTO t SELECT 10, json_extract('{', '$')",
        "INSERT INTO t SELECT 11, json_extract('{}', 'x')",
        "INSERT INTO t SELECT 11, json_extract('{}', 'x\ny')",
        "UPDATE t SET w = json_set(w, '$.a', 1)",
        "UPDATE t SET w = 'b' WHERE w LIKE 'a' ESCAPE 'xx'",
        "INSERT INTO t VALUES (12, 1), (13)",
        "INSERT INTO t SELECT ntile(0) OVER (ORDER BY id) + 20, 'x' FROM t",
        "INSERT INTO t SELECT nth_value(id, 0) OVER (ORDER BY id) + 30, 'x' FROM t",
        "INSERT INTO t SELECT id + 40, 'x' FROM t WHERE (id, w) = (1, 2, 3)",
        "CREATE INDEX i ON t (w)",
        "CREATE TABLE I (a INTEGER)",
        "CREATE VIEW i AS SELECT 1 AS a",
        "CREATE INDEX t ON t (w)",
        "ALTER TABLE t RENAME TO i",
    ],
    "alterations": [
        "CREATE TABLE p (k INTEGER PRIMARY KEY, n TEXT UNIQUE, m INTEGER)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (k) ON DELETE CASCADE,"
        " s TEXT REFERENCES p (n))",
        "CREATE VIEW vp AS SELECT k, n, count(*) FROM p GROUP BY k",
        "CREATE VIEW vc AS SELECT c.id, p.m FROM c JOIN p ON c.p = p.k",
        "INSERT INTO p VALUES (3, 'c', 30), (1, 'a', 10), (2, 'b', 20)",
        "INSERT INTO c VALUES (5, 1, 'a'), (6, 2, NULL), (7, 3, 'c')",
        "ALTER TABLE p ADD COLUMN e INTEGER DEFAULT 4",
        "ALTER TABLE p ADD COLUMN f INTEGER UNIQUE",
        "ALTER TABLE p RENAME COLUMN n TO name",
        "ALTER TABLE p RENAME COLUMN k TO key",
        "ALTER TABLE p ALTER COLUMN m SET DEFAULT 7",
        "ALTER TABLE p ALTER COLUMN m SET NOT NULL",
        "ALTER TABLE p ADD CONSTRAINT big CHECK (m > 5)",
        "ALTER TABLE p ADD CONSTRAINT bigger CHECK (m > 15)",
        "ALTER TABLE p DROP CONSTRAINT big",
        "ALTER TABLE p ALTER COLUMN m DROP NOT NULL",
        "ALTER TABLE p DROP COLUMN m",
        "ALTER TABLE p DROP COLUMN e",
        "ALTER TABLE p RENAME TO parents",
        "ALTER TABLE parents RENAME TO PARENTS",
        "INSERT INTO parents VALUES (9, 'z', 1, 1)",
        "DELETE FROM parents WHERE key = 1",
        "ALTER TABLE c ADD COLUMN r INTEGER REFERENCES parents (key)",
        "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES parents (key)",
        "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES vc (id)",
        "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (r) REFERENCES later (id)",
        "ALTER TABLE c ADD COLUMN rowid INTEGER",
        "ALTER TABLE replay.c ADD COLUMN q INTEGER",
        "CREATE TABLE o (x TEXT, y INTEGER)",
        "INSERT INTO o VALUES ('c', 3), ('a', 1), ('b', 2)",
        "DELETE FROM o WHERE y = 1",
        "INSERT INTO o VALUES ('d', 4)",
        "ALTER TABLE o ALTER COLUMN y SET NOT NULL",
        "ALTER TABLE o DROP COLUMN x",
        "CREATE TABLE o2 (x TEXT PRIMARY KEY, y INTEGER)",
        "INSERT INTO o2 VALUES ('c', 3), ('a', 1), ('b', 2)",
        "ALTER TABLE o2 ALTER COLUMN y SET DEFAULT 5",
        "ALTER TABLE o2 ADD COLUMN z INTEGER AS (y + 1) STORED",
        "CREATE TABLE n1 (a INTEGER, b INTEGER)",
        "CREATE TABLE n2 (b INTEGER, c INTEGER)",
        "CREATE VIEW nj AS SELECT * FROM n1 NATURAL JOIN n2",
        "ALTER TABLE n2 ADD COLUMN a INTEGER",
        "ALTER TABLE n1 ADD COLUMN z INTEGER",
        "ALTER TABLE n1 DROP COLUMN b",
    ],
    "keys": [
        "CREATE TABLE k (a INTEGER, UNIQUE (a, a))",
        "CREATE TABLE kc (a INTEGER REFERENCES k (a))",
        "INSERT INTO k VALUES (1)",
        "INSERT INTO kc VALUES (1)",
        "CREATE TABLE k2 (a INTEGER, b INTEGER, UNIQUE (a, b, a))",
        "CREATE TABLE kc2 (a INTEGER, b INTEGER, FOREIGN KEY (a, b) REFERENCES k2 (a, b))",
        "CREATE TABLE r (x TEXT)",
        "INSERT INTO r (dirk_rowid, x) VALUES (7, 'a'), (3, 'b')",
        "INSERT INTO r (x) VALUES ('c')",
        "INSERT INTO r (dirk_rowid, x) VALUES (7, 'd')",
        "CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT)",
        "INSERT INTO n (x) VALUES ('a')",
        "ALTER TABLE n AUTOINCREMENT = 50",
        "INSERT INTO n (x) VALUES ('b') RETURNING id",
        "ALTER TABLE n AUTOINCREMENT = 5",
        "INSERT INTO n (x) VALUES ('c') RETURNING id",
        "ALTER TABLE r AUTOINCREMENT = 5",
        "CREATE TABLE un (u INTEGER UNIQUE)",
        "INSERT INTO un VALUES (1), (2), (3)",
        "UPDATE un SET u = u + 1",
        "INSERT INTO un SELECT u FROM un",
        "CREATE TABLE ex (x INTEGER)",
        "INSERT INTO ex VALUES (1), (1)",
        "CREATE UNIQUE INDEX exi ON ex (x)",
        "ALTER TABLE ex ADD UNIQUE (x)",
    ],
}


def by_chance() -> Iterator[tuple[str, list[str]]]:
    """Lists of statements by chance, each with its name."""
    for seed in range(_SEEDS):
        yield f"alterations {seed}", list(_alterations(random.Random(seed)))
        yield f"mistakes {seed}", [*SETTING, *_mistakes(random.Random(seed))]
        yield f"hostile names {seed}", list(Schemas(seed).statements())


def _alterations(chance: random.Random) -> Iterator[str]:
    """Tables that refer to each other, rows, views and ALTERs: each as the tables are called by then."""
    database, names = SmallDatabase(), Names(chance)
    changes = Changes(chance, names)

    def said(text: str) -> str:
        try:
            database.run(text)
        except DATA_ERRORS:
            return text
        return text

    yield from map(said, tables(chance, names))
    for _ in range(20):
        yield said(changes.row(database.schema))
    for _ in range(_ALTERATIONS):
        if chance.random() < 0.3:
            yield said(view(chance, names, database.schema))
        yield said(changes.alter(database.schema)[2])
        yield said(changes.row(database.schema))


def _mistakes(chance: random.Random) -> Iterator[str]:
    mistakes, found = Mistakes(chance), 0
    while found < _MISTAKES:
        text = mistakes.statement()
        if not any(name in text for name in _OF_THE_LIBRARY):
            found += 1
            yield text
