"""Masters that differ where the log cannot tell who is right: a person settles it with dirk-admin."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.cluster import Cluster, message, wait_for
from tests.faults.operating import BOTH, WAIT_SECONDS, admin, insert, numbers, numbers_or_none, operated
from tests.faults.writing import level, states


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for all tests here."""
    with operated(tmp_path_factory.mktemp("operations")) as found:
        yield found


INSERTION = '/*dirk {"db":"t"}*/ manampia ao@ u (w, n) sanda (1, 2000);'


def edit_both(cluster: Cluster, n: int) -> None:
    """Edit the row with `n` in both masters' files, each in its own way: 71 on m1, 72 on m2."""
    # The comparison that the last write is followed by is over then: none is due before the next that is asked for.
    assert "All" in admin(cluster, "verify", "t")
    for node, value in (("m1", 71), ("m2", 72)):
        for path in cluster.data_directory(node).glob("db-*.sqlite"):
            with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
                connection.create_function("dirk_refuse", 3, lambda *_: 0)
                if connection.execute("SELECT name FROM dirk_meta").fetchone() == ("t",):
                    connection.execute("UPDATE u SET n = ? WHERE w = 1 AND n = ?", (value, n))


def found_out(cluster: Cluster) -> None:
    """Have the masters compared: they differ, or that was found by looking at the files before."""
    said = admin(cluster, "verify", "t", status=1)
    assert "of 2 digests differ" in said or "t: the masters disagree" in said, said


def is_undecided(cluster: Cluster) -> bool:
    """Whether a write is refused with the error that names dirk-admin settle; AssertionError when it is taken."""
    said = message(cluster.ask("proxy", INSERTION))
    assert said.endswith("(57P03)"), said
    return "dirk-admin settle t --keep" in said


@pytest.mark.slow
def test_a_person_settles_what_the_log_cannot(cluster: Cluster) -> None:
    """Both masters' files were edited, each in its own way: nobody is right, so nothing is written until --keep."""
    insert(cluster, range(700, 701))
    edit_both(cluster, 3)
    found_out(cluster)
    wait_for(lambda: is_undecided(cluster), WAIT_SECONDS, "an error that names dirk-admin settle")
    cluster.stop("proxy")
    cluster.start("proxy")
    wait_for(lambda: is_undecided(cluster), WAIT_SECONDS, "the same error after a restart")
    blocked = dict.fromkeys(BOTH, "blocked")
    wait_for(lambda: states(cluster, "t") == blocked, WAIT_SECONDS, "both masters to be back, and blocked")
    assert "t: the masters disagree" in admin(cluster, "verify", "t", status=1)
    admin(cluster, "settle", "t", "--keep", "m2", "--yes")
    wait_for(lambda: "(1)" in cluster.ask("proxy", INSERTION), WAIT_SECONDS, "a write that is taken")
    level(cluster, *BOTH)
    wait_for(lambda: 72 in numbers(cluster, "t"), WAIT_SECONDS, "m2's state on m1")
    assert numbers(cluster, "t") == numbers(cluster, "t", "m2")
    admin(cluster, "verify")
    with cluster.connect("proxy") as connection:
        latest = next(row for row in connection.ask_rows("asehoy ny fifandirana;") if row[1] == "m1")
    assert latest[6] is not None and latest[7] is not None and latest[6] != latest[7]


@pytest.mark.slow
def test_a_state_cannot_take_the_place_of_the_log_s_snapshot(cluster: Cluster) -> None:
    """The log has a snapshot at the head: --keep says so, and what else there is, instead of keeping another state."""
    insert(cluster, range(710, 711))
    admin(cluster, "snapshot", "t")
    edit_both(cluster, 710)
    found_out(cluster)
    wait_for(lambda: is_undecided(cluster), WAIT_SECONDS, "an error that names dirk-admin settle")
    said = admin(cluster, "settle", "t", "--keep", "m2", "--yes", status=1)
    assert "nothing was decided" in said and "rebuild-log --from m2" in said
    assert is_undecided(cluster)
    admin(cluster, "settle", "t", "--keep-log", "--yes")
    level(cluster, *BOTH)
    wait_for(lambda: 710 in numbers_or_none(cluster, "m1"), WAIT_SECONDS, "the log's state on m1")
    wait_for(lambda: 710 in numbers_or_none(cluster, "m2"), WAIT_SECONDS, "the log's state on m2")
