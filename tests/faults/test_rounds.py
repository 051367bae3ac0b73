"""Comparisons of real processes that are never at rest, or lose each other in the middle: what was edited is found."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.cluster import Cluster, wait_for
from tests.faults.writing import Writers, prepare, server_rows
from tests.seeds import chosen_seed

PARTS = ("m1", "m2", "proxy")
#: So soon an edited file is found while its database is written all the time; the promise is 10 s and what a digest of
#: it takes 21 times, on a machine that has nothing else to do.
FOUND_SECONDS = 40.0


@pytest.fixture
def pair(make_cluster: Callable[..., Cluster]) -> Cluster:
    """Two masters and a proxy with the writers' table."""
    found = make_cluster()
    found.start(*PARTS)
    prepare(found)
    return found


def edit(cluster: Cluster, node: str) -> None:
    """Put a row into a node's file that no statement made."""
    (file,) = cluster.data_directory(node).glob("db-*.sqlite")
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        connection.create_function("dirk_refuse", 3, lambda *_: 0)
        connection.execute("INSERT INTO u (w, n) VALUES (99, 1)")


def is_healed(cluster: Cluster) -> bool:
    """Whether a node was shut out for what it held, and is live and level again."""
    with cluster.connect("proxy") as connection:
        rows = connection.ask_rows("asehoy ny fifandirana;")
    return any("healed" in row for row in rows)


@pytest.mark.slow
def test_an_edited_file_is_found_while_its_database_is_written_all_the_time(pair: Cluster) -> None:
    """Also before the database's first rest since the proxy's start."""
    with Writers(pair, 2, pause_seconds=0.02) as writers:
        writers.await_more(20)
        edit(pair, "m2")
        wait_for(lambda: "event=node_fenced target=m2" in pair.log("proxy"), FOUND_SECONDS, "the fence")
        writers.await_more(20)
    wait_for(lambda: is_healed(pair), FOUND_SECONDS, "m2 to be healed")
    writers.check("m1", "m2")


@pytest.mark.slow
def test_an_edited_file_is_found_though_links_are_cut_all_the_time(pair: Cluster) -> None:
    """A node stands still until it is down and goes on at once, again and again: its next connection is there before
    the host has looked."""
    chance = random.Random(chosen_seed())
    with Writers(pair, 1, pause_seconds=0.05) as writers:
        writers.await_more(5)
        edit(pair, "m1")

        def is_found() -> bool:
            pair.pause("m2")
            wait_for(lambda: _state(pair, "m2") == "down", 10, "m2 to be down")
            pair.resume("m2")
            wait_for(lambda: _state(pair, "m2") != "down", 10, "m2 to be back")
            time.sleep(chance.uniform(0.0, 2.0))
            return "event=node_fenced target=m1" in pair.log("proxy")

        wait_for(is_found, 2 * FOUND_SECONDS, "the fence")
    wait_for(lambda: is_healed(pair), FOUND_SECONDS, "m1 to be healed")
    writers.check("m1", "m2")


def _state(cluster: Cluster, node: str) -> str:
    return next(str(row[2]) for row in server_rows(cluster) if row[0] == node and row[3] == "t")
