"""Logs that are new or old, files changed behind DirkDB's back, directories used twice: nothing is overwritten."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cluster import Cluster, clean_environ, free_port, message, wait_for
from tests.faults.writing import level, prepare, states, table

BOTH = ("m1", "m2")
INSERT = "manampia ao@ u (w, n) sanda ({}, {});"


def insert(cluster: Cluster, numbers: Iterable[int], w: int = 1) -> None:
    """Insert (w, n) for each n, all acknowledged."""
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        for n in numbers:
            answer = connection.ask(INSERT.format(w, n))
            assert "(1)" in answer, answer


def refusal(cluster: Cluster, text: str) -> str:
    """The message of a refused write, once it names what a person must do."""

    def said() -> str:
        found = message(cluster.ask("proxy", text))
        assert "Hadisoana" in found, found
        return found if "rebuild-log" in found else ""

    return wait_for(said, 15, "an error that names dirk-admin rebuild-log")


def test_an_empty_log_never_overwrites_data(cluster: Cluster) -> None:
    """Someone deleted the log: no write is taken, no node forgets anything, and reads on nodes go on."""
    prepare(cluster)
    insert(cluster, range(10))
    level(cluster, *BOTH)
    cluster.stop("proxy")
    shutil.rmtree(cluster.directory / "data" / "log")
    cluster.start("proxy")
    for text in ("manamboara tahiry vaovao;", '/*dirk {"db":"t"}*/ manampia ao@ u (w, n) sanda (2, 1);'):
        if "vaovao" in text:
            assert refusal(cluster, text).endswith("(57P03)")
        else:
            assert "Hadisoana" in message(cluster.ask("proxy", text))
    cluster.kill(*BOTH)
    cluster.start(*BOTH, ready=False)
    for node in BOTH:
        wait_for(lambda node=node: len(_rows(cluster, node)) == 10, 20, f"the rows of {node}")  # type: ignore[misc]
    assert refusal(cluster, "manamboara tahiry vaovao;").endswith("(57P03)")
    told = {("m1", "other log", "undecided"), ("m2", "other log", "undecided")}
    wait_for(lambda: conflicts(cluster) >= told, 20, "what both nodes tell")


def conflicts(cluster: Cluster) -> set[tuple[object, ...]]:
    """Node, cause and state of each line of SHOW CONFLICTS."""
    with cluster.connect("proxy") as connection:
        return {(row[1], row[4], row[5]) for row in connection.ask_rows("asehoy ny fifandirana;")}


def _rows(cluster: Cluster, node: str) -> list[tuple[int, int]]:
    try:
        return table(cluster, node)
    except (OSError, AssertionError):
        return []


def test_an_older_copy_of_the_log_is_not_followed(cluster: Cluster) -> None:
    """Someone restored yesterday's copy: the nodes have heard of more, so nothing is appended behind their back."""
    prepare(cluster)
    insert(cluster, range(5))
    log = cluster.directory / "data" / "log"
    cluster.stop("proxy")
    shutil.copytree(log, cluster.directory / "older")
    cluster.start("proxy")
    level(cluster, *BOTH)
    insert(cluster, range(5, 12))
    level(cluster, *BOTH)
    cluster.stop("proxy")
    shutil.rmtree(log)
    shutil.move(cluster.directory / "older", log)
    cluster.start("proxy")
    fields = json.dumps({"db": "t"})
    assert "(57P03)" in refusal(cluster, f"/*dirk {fields}*/ {INSERT.format(2, 1)}")
    for node in BOTH:
        assert len(table(cluster, node)) == 12
    assert "log_older_than_node" in cluster.log("proxy")
    assert {(cause, state) for _, cause, state in conflicts(cluster)} >= {("older log", "undecided")}
    blocked = dict.fromkeys(BOTH, "blocked")
    wait_for(lambda: states(cluster, "t") == blocked, 20, "both masters to be back, and blocked")
    for verb in ("verify", "snapshot"):
        status, said = run_again(cluster, ["admin", verb, "t"], cluster.config_path)
        assert status == 1 and "t: the log is older than the data: it ends at entry" in said, said
    file = cluster.directory / "short.dirkbackup"
    status, said = run_again(cluster, ["admin", "backup", str(file)], cluster.config_path)
    assert status == 1 and file.exists()
    assert "which is not all that was written" in said, said
    assert "t: the log is older than the data: it ends at entry 6 and node" in said, said


def change_behind(cluster: Cluster, node: str, statement: str) -> None:
    """Run SQL on the file of a node's only database with a plain SQLite, as a careless person would."""
    (path,) = cluster.data_directory(node).rglob("db-*.sqlite")
    with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
        connection.create_function("dirk_refuse", 3, lambda *_: 0)
        connection.execute(statement)


def kept_aside(cluster: Cluster, node: str) -> list[Path]:
    """What a fenced node kept of its wrong state."""
    return [one for one in cluster.data_directory(node).rglob("*") if "fenced" in one.name]


def test_a_row_changed_behind_is_found_by_the_next_write_and_healed(cluster: Cluster) -> None:
    """The masters end that write differently; a replay of the log says who is right; the other is seeded anew."""
    prepare(cluster)
    insert(cluster, range(5))
    level(cluster, *BOTH)
    change_behind(cluster, "m2", "UPDATE u SET n = 77 WHERE n = 3")
    assert (1, 77) in table(cluster, "m2")
    cluster.ask("proxy", '/*dirk {"db":"t"}*/ havaozy u ova n = 33 rehefa n = 3;')
    wait_for(lambda: _rows(cluster, "m2") and (1, 77) not in _rows(cluster, "m2"), 20, "m2 to be healed")
    level(cluster, *BOTH)
    assert sorted(table(cluster, "m1")) == sorted(table(cluster, "m2")) == [(1, 0), (1, 1), (1, 2), (1, 4), (1, 33)]
    assert kept_aside(cluster, "m2") and not kept_aside(cluster, "m1")
    wait_for(lambda: "(1)" in cluster.ask("proxy", f'/*dirk {{"db":"t"}}*/ {INSERT.format(1, 6)}'), 10)
    assert states(cluster, "t") == {"m1": "live", "m2": "live"}


def run_again(cluster: Cluster, words: list[str], config: Path) -> tuple[int, str]:
    """Start a program that can't run; its exit status and what it says."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dirk_gevent.cli", *words, "--config", str(config)],
        capture_output=True,
        env=clean_environ(),
        cwd=cluster.directory,
        timeout=30,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_two_processes_never_share_a_directory(cluster: Cluster) -> None:
    """A second proxy on the log, a second server on the data: one sentence each, exit status 2, no harm done."""
    prepare(cluster)
    config = json.loads(cluster.config_path.read_text())
    config["loadBalancer"]["listenPort"] = free_port()
    for instance in config["instances"]:
        instance["port"] = free_port()
    other = cluster.directory / "other.json"
    other.write_text(json.dumps(config))
    for words, directory in ((["proxy"], "log"), (["server", "m1"], "m1")):
        status, said = run_again(cluster, words, other)
        assert status == 2, said
        assert len(said.strip().splitlines()) == 1, said
        assert str(cluster.directory / "data" / directory) in said
    insert(cluster, range(3))
    level(cluster, *BOTH)


def test_a_port_in_use_is_one_sentence(make_cluster: Callable[..., Cluster]) -> None:
    """Each program started twice on one port says which address is taken."""
    cluster = make_cluster()
    cluster.start()
    config = json.loads(cluster.config_path.read_text())
    config["log"]["directory"] = str(cluster.directory / "elsewhere" / "log")
    for instance in config["instances"]:
        instance["dataDirectory"] = str(cluster.directory / "elsewhere" / instance["id"])
    other = cluster.directory / "other.json"
    other.write_text(json.dumps(config))
    cache = ["cache", "127.0.0.1", str(cluster.ports["proxy"]), str(cluster.ports["cache"]), "3000", "200"]
    for name, words in (("proxy", ["proxy"]), ("m2", ["server", "m2"]), ("cache", cache)):
        status, said = run_again(cluster, words, other)
        assert status == 2, said
        assert str(cluster.ports[name]) in said
        assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("is_near", [True, False], ids=["this machine", "another machine"])
def test_an_old_copy_over_the_log_s_own_file_does_not_win_over_who_knows_more(cluster: Cluster, is_near: bool) -> None:
    """`cp old/journal* log/` while the one master that knows the last writes is away: nothing of them is put aside."""
    prepare(cluster)
    insert(cluster, range(5))
    level(cluster, *BOTH)
    cluster.stop("proxy", "m2")
    log, old = cluster.directory / "data" / "log", cluster.directory / "old"
    shutil.copytree(log, old)
    cluster.start("proxy")
    wait_for(lambda: "(1)" in cluster.ask("proxy", f'/*dirk {{"db":"t"}}*/ {INSERT.format(1, 5)}'), 10, "m1 to be back")
    insert(cluster, range(6, 30))
    cluster.stop("m1", "proxy")
    away = cluster.directory / "away"
    if not is_near:
        cluster.data_directory("m1").rename(away)
    for path in log.glob("journal*"):
        path.write_bytes((old / path.name).read_bytes()) if (old / path.name).exists() else path.unlink()
    cluster.start("proxy", "m2")
    if not is_near:
        # Nobody can know; the log goes on, and past what m1 has.
        insert_slowly(cluster, range(100, 140))
        away.rename(cluster.data_directory("m1"))
    cluster.start("m1", ready=False)
    write = f'/*dirk {{"db":"t"}}*/ {INSERT.format(2, 1)}'
    said = wait_for(lambda: found if "rebuild-log" in (found := message(cluster.ask("proxy", write))) else "", 15)
    assert said.endswith("(57P03)") and "m1" in said
    # What speaks for it outlives the connection, and all processes.
    cluster.kill("m1", "proxy")
    cluster.start("proxy")
    cluster.start("m1", ready=False)
    wait_for(lambda: dict(states(cluster, "t")).get("m1") == "blocked", 20, "m1 to be back")
    assert ("m1", "log went back", "undecided") in conflicts(cluster)
    assert not kept_aside(cluster, "m1")
    wait_for(lambda: sorted(_rows(cluster, "m1")) == [(1, n) for n in range(30)], 15, "m1 with all")
    assert run_again(cluster, ["admin", "settle", "--accept-log", "--yes"], cluster.config_path)[0] == 0
    level(cluster, *BOTH)
    assert sorted(table(cluster, "m1")) == sorted(table(cluster, "m2"))
    assert kept_aside(cluster, "m1"), "a person gave it up, and it is not gone"
    wait_for(lambda: "(1)" in cluster.ask("proxy", write), 15, "a write")


def insert_slowly(cluster: Cluster, numbers: Iterable[int]) -> None:
    """Insert (1, n) for each n, each again until it is taken."""
    for n in numbers:
        wait_for(lambda n=n: "(1)" in cluster.ask("proxy", f'/*dirk {{"db":"t"}}*/ {INSERT.format(1, n)}'), 10)  # type: ignore[misc]
