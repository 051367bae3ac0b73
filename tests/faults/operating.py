"""An operator at dirk-admin on a running cluster of two masters: what the tests of that share."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from dirk_gevent.admin.main import main
from dirk_gevent.admin.usage import parse
from tests.cluster import Cluster
from tests.faults.writing import level, prepare, server_rows, table

BOTH = ("m1", "m2")
PARTS = ("m1", "m2", "proxy")
WAIT_SECONDS = 30.0


@contextlib.contextmanager
def operated(directory: Path) -> Iterator[Cluster]:
    """Two masters and a proxy with the rows (1, 0) … (1, 9) in `u` of `t`."""
    found = Cluster(directory)
    try:
        found.start(*PARTS)
        prepare(found)
        insert(found, range(10))
        yield found
    finally:
        found.close()


def insert(cluster: Cluster, numbers: range, database: str = "t") -> None:
    """Insert (1, n) for each n."""
    with cluster.connect("proxy") as connection:
        connection.ask(f"ampiasao {database};")
        for n in numbers:
            assert "(1)" in connection.ask(f"manampia ao@ u (w, n) sanda (1, {n});")
    level(cluster, *BOTH)


def admin(cluster: Cluster, *words: str, status: int = 0) -> str:
    """Run dirk-admin on the cluster's settings, here; what it printed. AssertionError for another exit status."""
    options = () if words[0] == "check" else ("--config", str(cluster.config_path))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cluster.directory), redirect_stdout(out), redirect_stderr(err):
        got = main(parse([*words, *options]))
    said = out.getvalue() + err.getvalue()
    assert got == status, said
    assert err.getvalue().count("\n") == (1 if status else 0), said
    return said


def numbers(cluster: Cluster, database: str, node: str = "m1") -> list[int]:
    """The n of all rows of a database, sorted, as one node has them."""
    return sorted(n for _, n in table(cluster, node, database))


def digest(cluster: Cluster, database: str) -> object:
    """The digest that all nodes have of a database, compared at one index by dirk-admin verify."""
    admin(cluster, "verify", database)
    (found,) = {row[8] for row in server_rows(cluster) if row[3] == database}
    return found


def numbers_or_none(cluster: Cluster, node: str) -> list[int]:
    """The n of all rows of `t` on a node; none while it has nothing to answer from."""
    try:
        return numbers(cluster, "t", node)
    except AssertionError:
        return []
