"""A byte of the log that changes on the disk, with real nodes: level, or with an empty disk; nobody is fenced."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cluster import Cluster, message, wait_for
from tests.faults.test_log_rules import conflicts, insert
from tests.faults.writing import level, prepare, states, table

BOTH = ("m1", "m2")
ROWS = 120
WAIT_SECONDS = 40.0


def journal(cluster: Cluster) -> Path:
    return cluster.directory / "data" / "log" / "journal.sqlite"


def rot(cluster: Cluster, index: int, is_valid: bool) -> None:
    """Change the entry at an index of the database's log on the disk: another number, or no JSON any more."""
    with closing(sqlite3.connect(journal(cluster))) as connection, connection:
        where = 1 << 39 | index
        (encoded,) = connection.execute("SELECT encoded FROM entries WHERE position=?", (where,)).fetchone()
        at = encoded.index(b"[1," if b"[1," in encoded else b"(1,") + 1 if is_valid else 0
        other = encoded[:at] + (b"7" if is_valid else b"{") + encoded[at + 1 :]
        assert other != encoded
        connection.execute("UPDATE entries SET encoded=? WHERE position=?", (other, where))


@pytest.mark.parametrize("is_valid", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["valid", "broken"])
def test_the_good_copies_win_over_the_log(cluster: Cluster, is_valid: bool) -> None:
    """m2's disk is empty and m1 level when an old entry has changed: m1 is believed, and m2 made from it."""
    prepare(cluster)
    insert(cluster, range(ROWS))
    level(cluster, *BOTH)
    expected = sorted(table(cluster, "m1"))
    cluster.stop("proxy", *BOTH)
    rot(cluster, random.Random(is_valid).randrange(5, ROWS), is_valid)
    shutil.rmtree(cluster.data_directory("m2"))
    cluster.start("m1", "proxy")
    wait_for(lambda: "(1)" in message(cluster.ask("proxy", write(1000))), WAIT_SECONDS, "a write")
    cluster.start("m2")
    wait_for(lambda: conflicts(cluster) == {(None, "damaged log", "healed")}, WAIT_SECONDS, "a healed log")
    level(cluster, *BOTH)
    for node in BOTH:
        assert sorted(table(cluster, node)) == sorted([*expected, (1, 1000)])
    assert conflicts(cluster) == {(None, "damaged log", "healed")}, "nobody was fenced"
    for part in ("proxy", *BOTH):
        assert "traceback" not in cluster.log(part, whole=True), part
    assert "event=log_entry_damaged" in cluster.log("proxy")


def write(n: int) -> str:
    """A statement that inserts (1, n)."""
    return f'/*dirk {{"db":"t"}}*/ manampia ao@ u (w, n) sanda (1, {n});'


@pytest.mark.slow
def test_a_log_that_nobody_is_past_takes_no_write_and_gives_nothing_away(cluster: Cluster) -> None:
    """Both disks are empty: what is whole is read, the rest is a person's to bring back; one sentence says so."""
    prepare(cluster)
    insert(cluster, range(30))
    level(cluster, *BOTH)
    cluster.stop("proxy", *BOTH)
    rot(cluster, 20, is_valid=True)
    for node in BOTH:
        shutil.rmtree(cluster.data_directory(node))
    cluster.start("proxy")
    cluster.start(*BOTH, ready=False)
    said = wait_for(lambda: refusal(cluster), WAIT_SECONDS, "a refusal that names the damage")
    assert said.endswith("(57P03)") and "20" in said and "dirk-admin restore" in said
    wait_for(lambda: set(states(cluster, "t").values()) == {"stalled"}, WAIT_SECONDS, "nodes that wait")
    assert conflicts(cluster) == {(None, "damaged log", "undecided")}
    for node in BOTH:
        assert "(57P03)" in cluster.ask(node, '/*dirk {"db":"t"}*/ alaivo count(*) ao@ u;')


def refusal(cluster: Cluster) -> str:
    """What a refused write says, once it speaks of damage."""
    said = message(cluster.ask("proxy", write(5000)))
    assert "Hadisoana" in said, said
    return said if "rebuild-log" in said else ""
