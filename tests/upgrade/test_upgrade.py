"""What earlier releases wrote is taken over: no hand's turn, nothing lost, one end for every entry on all nodes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.log.entry import RULES
from tests.cluster import Cluster, clean_environ, message, rows, wait_for
from tests.faults.writing import server_rows
from tests.upgrade.archives import Record, Rows, archives, cluster_of
from tests.upgrade.definitions import kind_and_name
from tests.upgrade.make import BACKUP
from tests.upgrade.releases import RULES_OF

WAIT_SECONDS = 60.0
#: What a release made of an INSERT with UNION ALL VALUES (2.0.0 took one row of three), and of one with two common
#: tables of a name (2.1.0 took the second of them). Where a master had applied it, that is how it ended.
_NOW = [1, 2, 3, 7001, 7002, 7003]
_FORMER = {"2.0.0": [1, 2, 3, 7001], "2.1.0": [1, 2, 3, 7001, 7002, 7003, 8002], "2.2.0": _NOW}


@pytest.fixture(params=archives(), ids=lambda path: path.name.removesuffix(".tar.zst"))
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Cluster, Record]]:
    """A cluster of this build on what the release wrote."""
    cluster, record = cluster_of(request.param, tmp_path)
    try:
        cluster.start(*record.nodes, "proxy")
        yield cluster, record
    finally:
        cluster.close()


def admin(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    """Run dirk-admin as a person does."""
    command = [sys.executable, "-m", "dirk_gevent.cli", "admin", *words, "--config", str(cluster.config_path)]
    return subprocess.run(
        command,
        env=clean_environ(),
        cwd=cluster.directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def await_level(cluster: Cluster, databases: list[str]) -> None:
    """Wait until every node has applied all of these databases, and shows one digest of each at one index."""

    def is_level() -> bool:
        rows = [row for row in server_rows(cluster) if row[3] in databases]
        digests = {name: {(row[7], row[8]) for row in rows if row[3] == name} for name in databases}
        return (
            bool(rows)
            and all(row[2] == "live" and row[5] == 0 for row in rows)
            and all(len(found) == 1 and (None, None) not in found for found in digests.values())
        )

    wait_for(is_level, WAIT_SECONDS, f"equal digests of {databases}")


def numbers(cluster: Cluster, node: str, database: str, text: str) -> list[list[int]]:
    """The rows that a node answers with, from whatever state it has."""
    with cluster.connect(node) as connection:
        return connection.ask_rows(f'/*dirk {{"db":"{database}","read":"any"}}*/ {text}')


def rows_of(cluster: Cluster, node: str, database: str) -> Rows:
    """The rows that writers left in a database; AssertionError when one is there twice."""
    found = [(writer, number) for writer, number in numbers(cluster, node, database, "SELECT writer, n FROM rows;")]
    assert len(found) == len(set(found)), f"rows that are twice in {database} on {node}"
    return set(found)


def columns(cluster: Cluster, node: str, database: str, table: str) -> list[str]:
    """The names of a table's columns on a node."""
    with cluster.connect(node) as connection:
        described = connection.ask_rows(f'/*dirk {{"db":"{database}","read":"any"}}*/ DESCRIBE {table};')
    return [str(row[0]) for row in described]


def check_rows(cluster: Cluster, record: Record, databases: list[str]) -> None:
    """Every acknowledged row is on every node, and none that nobody asked for."""
    for database in databases:
        for node in record.nodes:
            found = rows_of(cluster, node, database)
            assert record.rows[database] <= found, f"lost in {database} on {node}"
            assert found <= record.rows[database] | record.unsure[database], f"made up in {database} on {node}"


def test_a_cluster_goes_on_where_the_release_before_stopped(started: tuple[Cluster, Record]) -> None:
    cluster, record = started
    await_level(cluster, record.decided)
    check_rows(cluster, record, record.decided)
    _check_ends(cluster, record)
    _check_open(cluster, record)
    _check_defined(cluster, record)
    _check_writes(cluster, record)
    _check_backup(cluster, record)
    for database in record.open:
        kept = rows_of(cluster, "m1", database)
        done = admin(cluster, "settle", database, "--keep", "m1", "--yes")
        assert done.returncode == 0, done.stderr
        await_level(cluster, [database])
        assert {frozenset(rows_of(cluster, node, database)) for node in record.nodes} == {frozenset(kept)}
    verified = admin(cluster, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _check_ends(cluster: Cluster, record: Record) -> None:
    """An entry ends as the furthest master ended it; one that no master had applied ends by today's rules."""
    for node in record.nodes:
        copies = {
            database: [k for (k,) in numbers(cluster, node, database, "SELECT k FROM copies ORDER BY k;")]
            for database in ("shop", "unseen")
        }
        former = _FORMER[record.release]
        assert copies["shop"] == former
        assert copies["unseen"] in (former, _NOW)
        # 2.1.0 altered no table that a foreign key refers to; nobody asked 2.0.0.
        altered = ["k"] if record.release in ("2.0.0", "2.1.0") else ["k", "more"]
        assert columns(cluster, node, "shop", "items") == altered


def _check_defined(cluster: Cluster, record: Record) -> None:
    """What the release had taken is read, or told with a sentence; it is shown, dumped and dropped.

    A request that was answered then is answered so again, whatever its rows would look like now.
    """
    if not record.defined:
        return
    script = cluster.directory / "defined.dirkdb"
    dumped = admin(cluster, "dump", "defined", str(script))
    assert dumped.returncode == 0, dumped.stderr
    text = script.read_text(encoding="utf-8")
    for definition in record.defined:
        assert f"{definition};" in text
        answers = {_read_definition(cluster, node, definition) for node in record.nodes}
        assert len(answers) == 1, answers
    with cluster.connect("proxy") as connection:
        head = f'/*dirk {{"db":"defined","id":"{record.told["id"]}"}}*/'
        assert rows(connection.ask(f"{head} {record.told['text']}")) == record.told["rows"]
        for definition in reversed(record.defined):
            kind, name = kind_and_name(definition)
            answer = connection.ask(f'/*dirk {{"db":"defined"}}*/ DROP {kind} {name};')
            assert "Hadisoana" not in answer, f"{definition}: {message(answer)}"


def _read_definition(cluster: Cluster, node: str, definition: str) -> str:
    """What a node answers to a read of it, META aside."""
    kind, name = kind_and_name(definition)
    with cluster.connect(node) as connection:
        head = '/*dirk {"db":"defined","read":"any","lang":"en"}*/'
        shown = connection.ask(f"{head} SHOW CREATE {kind} {name};")
        assert "Hadisoana" not in shown, message(shown)
        if kind == "INDEX":
            return ""
        answer = connection.ask(f"{head} SELECT * FROM {name};")
        assert "(XX000)" not in answer, f"{definition}: {message(answer)}"
        return str(rows(answer)) if "Hadisoana" not in answer else message(answer)


def _check_backup(cluster: Cluster, record: Record) -> None:
    """A backup of then comes back as one state for all, and who restores it is told by which rules if by others."""
    file = str(cluster.directory / "data" / BACKUP)
    done = admin(cluster, "restore", "--from", file, "--database", "shop", "--as", "then")
    assert done.returncode == 0, done.stderr
    told = "entries of an earlier release were ended by the rules of this one" in done.stdout
    assert told == (RULES_OF[record.release] != RULES)
    await_level(cluster, ["then"])
    states = {frozenset(rows_of(cluster, node, "then")) for node in record.nodes}
    assert len(states) == 1 and states.pop() <= record.rows["shop"]


def _check_open(cluster: Cluster, record: Record) -> None:
    """The open conflict is open: both states are there, unlike, and no write is taken."""
    with cluster.connect("proxy") as connection:
        conflicts = connection.ask_rows("SHOW CONFLICTS;")
        for database in record.open:
            undecided = {row[1] for row in conflicts if row[2] == database and row[5] == "undecided"}
            assert undecided == set(record.masters)
            states = [
                numbers(cluster, node, database, "SELECT n, text FROM rows ORDER BY n, writer;")
                for node in record.masters
            ]
            assert states[0] != states[1]
            answer = connection.ask(f'/*dirk {{"db":"{database}"}}*/ INSERT INTO rows VALUES (0, 0, NULL);')
            assert "(57P03)" in message(answer)


def _check_writes(cluster: Cluster, record: Record) -> None:
    """Everything else takes writes at once, whose entries all nodes apply."""
    with cluster.connect("proxy") as connection:
        for database in record.decided:
            answer = connection.ask(f'/*dirk {{"db":"{database}"}}*/ INSERT INTO rows VALUES (0, 1, NULL);')
            assert "(1)" in message(answer), answer
    await_level(cluster, record.decided)
    for database in record.decided:
        assert all((0, 1) in rows_of(cluster, node, database) for node in record.nodes)
