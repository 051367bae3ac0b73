"""Many statements that write, each list for a database of its own: what the record of a release's rules is made from.

Every corpus, golden script and example of the project; violations over the cross product of what a column can be; and
what releases have ended otherwise, with statements by chance (`changed.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from dirk_gevent.protocol.splitter import StatementSplitter
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Kind, Route
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import split
from tests.cluster import ROOT
from tests.corpus.reader import records
from tests.upgrade.changed import FORMS, by_chance

_SCRIPTS = ("examples/*.dirkdb", "tests/golden/scripts/*.dirkdb", "tests/corpus/scripts/*.sql")
_CORPORA = ("tests/corpus/scripts/*.test",)
_DATABASES = ("create_database", "drop_database")


def corpora() -> Iterator[tuple[str, list[NormalizedStatement]]]:
    """Each list with its name. Only statements that a log can hold; all that end in an error there, too."""
    statements = Statements()
    for pattern in _SCRIPTS:
        for path in sorted(ROOT.glob(pattern)):
            yield path.name, _writes(statements, _script(path))
    for pattern in _CORPORA:
        for path in sorted(ROOT.glob(pattern)):
            texts = [one.sql for one in records(path.read_text(encoding="utf-8"), "dirkdb")]
            yield path.name, _writes(statements, texts)
    yield "violations", _writes(statements, violations())
    yield "definitions", _writes(statements, _DEFINITIONS)
    yield "changes", _writes(statements, _CHANGES)
    for name, texts in (*FORMS.items(), *by_chance()):
        yield name, _writes(statements, texts)


def _script(path: Path) -> list[str]:
    return [one.decode() for one in StatementSplitter().feed(path.read_bytes())]


def _writes(statements: Statements, texts: list[str]) -> list[NormalizedStatement]:
    found = []
    for text in texts:
        try:
            normalized = split(text)
            route: Route = statements.route(normalized)
        except SqlError:
            # It ends at the proxy, before there is an entry.
            continue
        if route.kind is Kind.WRITE and route.verb not in _DATABASES:
            found.append(normalized)
    return found


_KEYS = ("id INTEGER PRIMARY KEY", "id INTEGER PRIMARY KEY AUTOINCREMENT", "id TEXT PRIMARY KEY", "id INTEGER UNIQUE")
_VALUES = ("v INTEGER NOT NULL", "v INTEGER UNIQUE", "v INTEGER CHECK (v < 10)", "v small", "v INTEGER DEFAULT 3")
_ACTIONS = ("", "ON DELETE CASCADE", "ON DELETE SET NULL", "ON UPDATE CASCADE", "ON DELETE RESTRICT")
#: What is done to a table t (id, v, w, g) whose column w refers to p (k).
_USES = (
    "INSERT INTO t (id, v, w) VALUES (1, 1, 1)",
    "INSERT INTO t (v, w) VALUES (2, 1)",
    "INSERT INTO t (v, w) VALUES (4, 2), (5, 9), (6, 2)",
    "INSERT INTO t (id, v, w) VALUES (7, 7, 1), (1, 8, 1), (8, 8, 2)",
    "INSERT INTO t (id, v, w) VALUES (9, NULL, 1)",
    "INSERT INTO t (id, v, w) VALUES (NULL, 44, 1)",
    "INSERT INTO t (id, v, w) VALUES (1, 2, 1) ON CONFLICT DO NOTHING",
    "INSERT INTO t (id, v, w) VALUES (1, 3, 1) ON CONFLICT (id) DO UPDATE SET v = excluded.v + 50",
    "INSERT OR REPLACE INTO t (id, v, w) VALUES (1, 2, 2)",
    "INSERT OR IGNORE INTO t (id, v, w) VALUES (1, 6, 2), (20, 6, 2)",
    "INSERT INTO t (id, v, w) VALUES (30, 9, 2) RETURNING id, v, g",
    "INSERT INTO t (v, w) SELECT v + 1, w FROM t WHERE v IS NOT NULL",
    "UPDATE t SET v = v + 5 WHERE id = 1",
    "UPDATE t SET w = 77",
    "UPDATE t SET v = v / (v - 2) RETURNING v",
    "UPDATE p SET k = k + 100 WHERE k = 1",
    "DELETE FROM p WHERE k = 2",
    "DELETE FROM t WHERE v > 3 RETURNING id",
    "DELETE FROM p",
)


def violations() -> list[str]:
    """Uses and misuses of a table over all kinds of key, column and reference."""
    texts = ["manamboara efitra small (ISA(0, 20))"]
    for key, value, action in product(_KEYS, _VALUES, _ACTIONS):
        texts += [
            "DROP TABLE IF EXISTS t",
            "DROP TABLE IF EXISTS p",
            "CREATE TABLE p (k INTEGER PRIMARY KEY)",
            "INSERT INTO p VALUES (1), (2)",
            f"CREATE TABLE t ({key}, {value}, w INTEGER REFERENCES p (k) {action}, g INTEGER AS (v * 2) STORED)",
            *_USES,
        ]
    return texts


_DEFINITIONS = [
    "CREATE TABLE a (x INTEGER, y TEXT COLLATE NOCASE, z REAL DEFAULT 1.5)",
    "CREATE TABLE a (x INTEGER)",
    "CREATE TABLE IF NOT EXISTS a (x INTEGER)",
    "CREATE VIEW w AS SELECT x, upper(y) AS u FROM a WHERE z > 1",
    "CREATE VIEW w2 AS SELECT * FROM w NATURAL JOIN a",
    "CREATE VIEW bad AS SELECT nothing FROM a",
    "INSERT INTO a (x, y) VALUES (1, 'Ra'), (2, 'RA'), (3, 'Bé')",
    "CREATE UNIQUE INDEX by_y ON a (y)",
    "CREATE UNIQUE INDEX by_x ON a (x, z)",
    "CREATE INDEX some ON a (y) WHERE x > 1",
    "CREATE INDEX made ON a (lower(y), x DESC)",
    "ALTER TABLE a ADD COLUMN n INTEGER DEFAULT 7",
    "ALTER TABLE a ADD COLUMN n INTEGER",
    "ALTER TABLE a RENAME COLUMN n TO m",
    "ALTER TABLE a DROP COLUMN z",
    "ALTER TABLE a RENAME TO b",
    "UPDATE b SET m = m + x",
    "DROP VIEW w2",
    "DROP VIEW w",
    "ALTER TABLE a RENAME TO b",
    "INSERT INTO b VALUES (9, 'q', 1)",
    "CREATE TABLE `Ñandú É` (`Ä` INTEGER, `ä2` INTEGER)",
    "INSERT INTO `ñANDÚ é` (`ä`) VALUES (1)",
    "CREATE TABLE made AS SELECT x, y FROM b",
    "DROP TABLE made",
    "DROP TABLE nothing",
    "DROP TABLE IF EXISTS nothing",
    "manamboara efitra grade (ISA(0, 20))",
    "CREATE TABLE marks (who TEXT NOT NULL, mark grade, PRIMARY KEY (who, mark))",
    "INSERT INTO marks VALUES ('Rabe', 12), ('Soa', 21)",
    "INSERT INTO marks VALUES ('Rabe', 12), ('Soa', 20)",
    "DROP DOMAIN grade",
]
_CHANGES = [
    "CREATE TABLE n (i INTEGER, r REAL, t TEXT, b BLOB)",
    "INSERT INTO n VALUES (1, 1.5, 'a', x'00ff'), (2, 1e999, 'É', NULL), (NULL, -0.0, '', x'')",
    "INSERT INTO n (i, t) VALUES (random() % 1, datetime('now')), (abs(random()) % 7, date('now', '+1 day'))",
    "INSERT INTO n SELECT * FROM n",
    "INSERT INTO n SELECT i FROM n",
    "INSERT INTO n (i) SELECT i FROM n UNION ALL VALUES (70), (80), (90)",
    "INSERT INTO n (i) SELECT * FROM (SELECT i FROM n) UNION ALL VALUES (7), (8), (9)",
    "INSERT INTO n (i) SELECT i FROM n EXCEPT VALUES (1), (2)",
    "INSERT INTO n (i) SELECT i FROM n INTERSECT VALUES (1), (2)",
    "INSERT INTO n (i) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20) SELECT x FROM c",
    "UPDATE n SET i = i + 1, r = r * 2 WHERE i IN (SELECT max(i) FROM n)",
    "UPDATE n SET t = upper(t) || lower(t) || substr(t, 2) WHERE t <> ''",
    "UPDATE n SET i = 9223372036854775807 + i",
    "UPDATE n SET i = i / 0",
    "UPDATE n SET r = sqrt(-1) WHERE i = 2",
    "DELETE FROM n WHERE i IN (SELECT i FROM n ORDER BY i LIMIT 3)",
    "DELETE FROM n WHERE nothing = 1",
    "DELETE FROM n LIMIT 2",
    "DELETE FROM n WHERE i NOT IN (SELECT a.i FROM n a NATURAL JOIN n b)",
    "UPDATE n SET i = (SELECT count(*) FROM n m WHERE m.i < n.i)",
    "UPDATE n SET t = NULL, b = NULL RETURNING i, r, t, b",
    "DELETE FROM n",
]
