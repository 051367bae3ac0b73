"""Have a release write the directories of a small cluster, and keep them as `tests/upgrade/NAME.tar.zst`.

    git worktree add /tmp/release v2.1.0 && (cd /tmp/release && bin/dirk-setup)
    /tmp/release/.venv/bin/python -m tests.upgrade.make /tmp/release 2.1.0

The interpreter and the libraries are the release's own, so that all in the archive is what it wrote. Every release
adds an archive of its own before the next one is begun; `tests/upgrade/test_upgrade.py` starts this build on each.

Two masters and a replica under load, all killed at one instant, and a backup from shortly before:

| database | what is left of it |
|---|---|
| `shop` | a snapshot, truncated behind it; then entries that `m1` has and `m2` and `r1` have not, an INSERT among |
|        | them that a later release ends otherwise |
| `plain` | every node has all of it, or nearly: it was written until the kill |
| `torn` | an open conflict: the masters hold different rows, and a replay agrees with neither |
| `healed` | `m2` was shut out for an edited row, and seeded again |
| `fenced` | `r1` is to put its state aside and take the log's, but was away since |
| `unseen` | its last entries were appended while no master could apply them: nobody knows how they end |
| `defined` | definitions that a later release refuses when they are new, as far as this one took them; and how a |
|         | request was answered whose rows hold a blob |
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import zstandard

from tests.cluster import Cluster, Connection, message, rows, wait_for
from tests.upgrade.definitions import DEFINITIONS, ROWS

HERE = Path(__file__).parent
#: A backup that the release made before the last of it, beside the directories.
BACKUP = "before.dirkbackup"
DATABASES = ("shop", "plain", "torn", "healed", "fenced", "unseen", "defined")
WRITERS = 2
_LOAD_SECONDS = 1.5
#: Nodes checkpoint every 5 s; the log forgets only what a power cut can no longer take from them.
_DURABLE_SECONDS = 7.0
#: What a catalog can hold, in a database that every node has to read again.
_DEFINITIONS = """
CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, age INTEGER CHECK (age >= 0),
                     next_age INTEGER GENERATED ALWAYS AS (age + 1) STORED, made TEXT DEFAULT (datetime('now')));
CREATE TABLE visits (person INTEGER REFERENCES people (id) ON DELETE CASCADE, place TEXT, cost REAL DEFAULT 1.5);
CREATE INDEX by_place ON visits (place, cost);
CREATE VIEW grown AS SELECT name, next_age FROM people WHERE age > 17;
INSERT INTO people (name, age) VALUES ('Rabe', 30), ('Soa', 12), ('Voahangy', 41);
INSERT INTO visits (person, place) SELECT id, upper(name) FROM people;
UPDATE people SET age = age + 1 WHERE name = 'Soa';
DELETE FROM people WHERE name = 'Rabe';
BEGIN;
INSERT INTO people (name, age) VALUES ('Koto', 5);
UPDATE visits SET cost = cost * 2;
COMMIT;
"""
#: The last things that a release is asked for where a later one may end them otherwise, or an earlier one did.
_LAST = (
    "INSERT INTO copies SELECT * FROM items UNION ALL VALUES (7001), (7002), (7003);",
    "INSERT INTO copies WITH a AS (SELECT 8001 AS k), a AS (SELECT 8002 AS k) SELECT k FROM a;",
    "ALTER TABLE items ADD COLUMN more INTEGER UNIQUE;",
)
#: What they are asked about.
_ITEMS = """
CREATE TABLE items (k INTEGER PRIMARY KEY);
CREATE TABLE copies (k INTEGER);
CREATE TABLE referring (k INTEGER REFERENCES items (k));
INSERT INTO items VALUES (1), (2), (3);
"""
_MOST_BYTES = 1 << 18


class Load(threading.Thread):
    """One client that inserts (`writer`, 1), (`writer`, 2) … in turn into some databases until it is cut."""

    def __init__(self, port: int, writer: int, databases: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[tuple[str, int, int]] = []
        self.last: tuple[str, int, int] | None = None
        self._port, self._writer, self._databases = port, writer, databases
        self._stopping = threading.Event()

    def run(self) -> None:
        """Write until stopped, or until the other side is gone."""
        try:
            with Connection(self._port) as connection:
                number = 0
                while not self._stopping.is_set():
                    number += 1
                    database = self._databases[number % len(self._databases)]
                    self.last = database, self._writer, number
                    text = f"INSERT INTO rows (writer, n, text) VALUES ({self._writer}, {number}, 'vola {number}');"
                    answer = connection.ask(f'/*dirk {{"db":"{database}"}}*/ {text}')
                    if "Hadisoana" not in answer:
                        self.acknowledged.append(self.last)
                    time.sleep(0.01)
        except OSError:
            return

    def end(self) -> None:
        """Begin nothing more."""
        self._stopping.set()


class Story:
    """What is done to the cluster, and what was acknowledged meanwhile."""

    def __init__(self, cluster: Cluster, release: Path) -> None:
        self._cluster = cluster
        self._release = release
        self._loads: list[Load] = []
        self.rows: dict[str, set[tuple[int, int]]] = {name: set() for name in DATABASES}
        self.unsure: dict[str, set[tuple[int, int]]] = {name: set() for name in DATABASES}
        self.defined: list[str] = []
        self.told: dict[str, Any] = {}

    def tell(self) -> dict[str, Any]:
        """Run it to its end; the record that a test compares with."""
        self._cluster.start("m1", "m2", "r1", "proxy")
        for name in DATABASES:
            self._ask(name, "CREATE TABLE rows (writer INTEGER, n INTEGER, text TEXT);", makes=True)
        self._ask("shop", _ITEMS)
        self._ask("plain", _DEFINITIONS)
        self._define()
        self._load(DATABASES)
        time.sleep(_DURABLE_SECONDS)
        self._admin("snapshot", "shop")
        self._load(("shop", "plain"))
        self._cluster.kill("r1")
        self._heal()
        self._load(("shop", "plain", "healed", "fenced"))
        self._admin("reseed", "r1", "--database", "fenced", "--yes")
        self._tear()
        self._admin("backup", str(self._cluster.directory / "data" / BACKUP))
        self._begin_load(("shop", "plain"))
        time.sleep(_LOAD_SECONDS)
        self._cluster.kill("m2")
        self._behind()
        self._unseen()
        return self._record()

    def _define(self) -> None:
        """Ask for what a later release may refuse, and for rows with a blob under a request's id."""
        with self._cluster.connect("proxy") as connection:
            connection.ask("USE defined;")
            for text in (*DEFINITIONS, *ROWS):
                if "Hadisoana" not in connection.ask(f"{text};") and text in DEFINITIONS:
                    self.defined.append(text)
            connection.ask("CREATE TABLE blobs (b BLOB);")
            request_id = f"{time.time_ns() // 1_000_000}-{'5' * 20}"
            text = "INSERT INTO blobs VALUES (x'00ff41') RETURNING b;"
            answer = connection.ask(f'/*dirk {{"id":"{request_id}"}}*/ {text}')
            self.told = {"id": request_id, "text": text, "rows": rows(answer)}

    def _heal(self) -> None:
        self._edit("m2", "healed", "UPDATE rows SET n = -1 WHERE n = (SELECT min(n) FROM rows)")
        self._admin("verify", "healed", status=None)
        wait_for(lambda: "healed" in self._state("m2", "healed"), 60, "m2 to be healed")

    def _tear(self) -> None:
        """Both masters edited behind the program's back: they differ, and a replay makes neither's rows."""
        self._edit("m1", "torn", "DELETE FROM rows WHERE n = (SELECT max(n) FROM rows)")
        self._edit("m2", "torn", "UPDATE rows SET text = 'hafa' WHERE n = (SELECT min(n) FROM rows)")
        self._admin("verify", "torn", status=None)
        wait_for(lambda: "undecided" in self._state("m1", "torn"), 60, "an open conflict")

    def _behind(self) -> None:
        """Only `m1` applies what comes now: among it what the release after it may end otherwise."""
        self._say("shop", _LAST)
        time.sleep(_LOAD_SECONDS)
        for load in self._loads:
            load.end()
            load.join(30)

    def _unseen(self) -> None:
        """`m1` stands still while two entries are appended, then everything dies at once, under load."""
        self._ask("unseen", _ITEMS)
        self._begin_load(("plain",))
        time.sleep(_LOAD_SECONDS / 2)
        self._cluster.pause("m1")
        asking = [
            threading.Thread(target=self._ask_in_vain, args=("unseen", text), daemon=True)
            for text in ("INSERT INTO rows VALUES (9, 1, 'tsy fantatra');", *_LAST)
        ]
        for one in asking:
            one.start()
            time.sleep(0.3)
        self.unsure["unseen"].add((9, 1))
        for name in ("m1", "proxy"):
            os.kill(self._cluster.processes[name].pid, signal.SIGKILL)
        self._cluster.kill("m1", "proxy")
        self._gather()

    def _begin_load(self, databases: tuple[str, ...]) -> None:
        first = len(self._loads)
        self._loads += [Load(self._cluster.ports["proxy"], first + n + 1, databases) for n in range(WRITERS)]
        for load in self._loads[first:]:
            load.start()

    def _load(self, databases: tuple[str, ...]) -> None:
        first = len(self._loads)
        self._begin_load(databases)
        time.sleep(_LOAD_SECONDS)
        for load in self._loads[first:]:
            load.end()
            load.join(30)

    def _gather(self) -> None:
        for load in self._loads:
            load.join(30)
            for database, writer, number in load.acknowledged:
                self.rows[database].add((writer, number))
            if load.last is not None and load.last not in load.acknowledged:
                database, writer, number = load.last
                self.unsure[database].add((writer, number))

    def _record(self) -> dict[str, Any]:
        return {
            "release": self._version(),
            "rows": {name: sorted(found) for name, found in self.rows.items()},
            "unsure": {name: sorted(found) for name, found in self.unsure.items()},
            "masters": ["m1", "m2"],
            "replicas": ["r1"],
            "open": ["torn"],
            "defined": self.defined,
            "told": self.told,
        }

    def _version(self) -> str:
        text = (self._release / "dirk_gevent" / "__init__.py").read_text(encoding="utf-8")
        return text.split('__version__ = "')[1].split('"')[0]

    def _ask(self, database: str, text: str, makes: bool = False) -> None:
        with self._cluster.connect("proxy") as connection:
            if makes:
                assert "Hadisoana" not in connection.ask(f"CREATE DATABASE {database};")
            assert "Hadisoana" not in connection.ask(f"USE {database};")
            for statement in text.split(";")[:-1]:
                answer = connection.ask(statement + ";")
                assert "Hadisoana" not in answer, f"{statement}: {message(answer)}"

    def _say(self, database: str, texts: tuple[str, ...]) -> None:
        """Ask for what may be refused."""
        with self._cluster.connect("proxy") as connection:
            for text in texts:
                connection.ask(f'/*dirk {{"db":"{database}"}}*/ {text}')

    def _ask_in_vain(self, database: str, text: str) -> None:
        try:
            with self._cluster.connect("proxy") as connection:
                connection.ask(f'/*dirk {{"db":"{database}"}}*/ {text}')
        except OSError:
            return

    def _edit(self, node: str, database: str, sql: str) -> None:
        path = self._file(node, database)
        with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
            connection.create_function("dirk_refuse", 3, lambda *_: 0)
            connection.execute(sql)

    def _file(self, node: str, database: str) -> Path:
        directory = self._cluster.data_directory(node)
        found = next(path for name in ("system", "dirk") if (path := directory / f"{name}.sqlite").is_file())
        with closing(sqlite3.connect(found, timeout=10)) as connection:
            (log_id,) = connection.execute(
                "SELECT source FROM dirk_catalog WHERE kind = 'database' AND name = ?", (database,)
            ).fetchone()
        return directory / f"db-{int(log_id):08d}.sqlite"

    def _state(self, node: str, database: str) -> list[str]:
        with self._cluster.connect("proxy") as connection:
            rows = connection.ask_rows("SHOW CONFLICTS;")
        return [str(row[5]) for row in rows if row[1:3] == [node, database]]

    def _admin(self, *words: str, status: int | None = 0) -> None:
        command = [sys.executable, "-P", "-m", "dirk_gevent.cli", "admin", *words]
        done = subprocess.run(
            [*command, "--config", str(self._cluster.config_path)],
            env=_environ(self._release),
            cwd=self._cluster.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr


def _environ(release: Path) -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(release)}


def pack(directory: Path, record: dict[str, Any], target: Path) -> None:
    """Write the directories `log` and those of the nodes, and the record, as one archive."""
    (directory / "record.json").write_text(json.dumps(record), encoding="utf-8")
    with (
        target.open("wb") as file,
        zstandard.ZstdCompressor(level=19).stream_writer(file) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as archive,
    ):
        for path in sorted(directory.rglob("*")):
            if path.is_file() and not path.name.endswith("-shm"):
                archive.add(path, path.relative_to(directory))
    assert target.stat().st_size <= _MOST_BYTES, f"{target} has {target.stat().st_size} bytes"


def main(release: Path, name: str) -> None:
    """Run the story with the checkout `release`, and keep what it left as `NAME.tar.zst`."""
    with tempfile.TemporaryDirectory(prefix="upgrade-") as scratch:
        cluster = Cluster(
            Path(scratch), replicas=("r1",), environ={"PYTHONPATH": str(release)}, settings={"limits": {"waitMs": 3000}}
        )
        try:
            record = Story(cluster, release).tell()
        finally:
            cluster.close()
        data = Path(scratch) / "data"
        for leftover in data.rglob("*.partial"):
            leftover.unlink()
        for folder in data.glob("log/replay-*"):
            shutil.rmtree(folder)
        pack(data, record, HERE / f"{name}.tar.zst")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
