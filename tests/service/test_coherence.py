"""What a session may see: its own writes at once, on every part and across them, and never an older state again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from dirk_gevent.driver import dbapi
from tests.cluster import Cluster, Connection, message, meta, rows, wait_for

PARTS = ("proxy", "cache", "m1", "m2")


@pytest.fixture
def database(shared_cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """A database of the test's own with the counters `t (id, n)`, all 0."""
    name = f"d{abs(hash(request.node.nodeid)):x}"
    with shared_cluster.connect("proxy") as connection:
        for text in (
            f"manamboara tahiry {name};",
            f"ampiasao {name};",
            "manamboara tabilao t (id ISA, n ISA);",
            f"manampia ao@ t (id, n) sanda {', '.join(f'({i}, 0)' for i in range(8))};",
        ):
            assert "Hadisoana" not in connection.ask(text)
        # Sessions on nodes begin with what the node knows: let both know the database.
        for node in ("m1", "m2"):
            wait_for(lambda node=node: "miasa" in shared_cluster.ask(node, f"ampiasao {name};"), 10)  # type: ignore[misc]
    return name


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work(number)` in so many threads at once; the first failure is the test's."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]


@pytest.mark.parametrize("part", PARTS)
def test_a_session_sees_its_own_writes_and_never_goes_back(shared_cluster: Cluster, database: str, part: str) -> None:
    """Eight sessions write and read at once; the same read is asked again and again, so that a cache would hold it."""

    def session(number: int) -> None:
        seen = 0
        with shared_cluster.connect(part) as connection:
            connection.ask(f"ampiasao {database};")
            for n in range(1, 25):
                answer = connection.ask(f"havaozy t ova n = {n} rehefa id = {number};")
                assert "(1)" in answer, answer
                for _ in range(3):
                    assert connection.ask_rows(f"alaivo n ao@ t rehefa id = {number};") == [[n]]
                    ((total,),) = connection.ask_rows("alaivo sum(n) ao@ t;")
                    assert total >= seen, f"went back from {seen} to {total}"
                    seen = total

    in_threads(8, session)


def test_writes_made_elsewhere_reach_the_cache(make_cluster: Callable[..., Cluster]) -> None:
    """META says hit and miss; a write through the proxy drops what it touched, and nothing else."""
    question = '/*dirk {"db":"x"}*/ alaivo n ao@ t rehefa id = 0;'
    other = '/*dirk {"db":"x"}*/ alaivo * ao@ u;'
    # Nothing goes because it is old, however long the writes take.
    cluster = make_cluster(cache_words=("600000", "200"))
    cluster.start()
    with cluster.connect("cache") as reader, cluster.connect("proxy") as writer:
        for text in ("manamboara tahiry x", "ampiasao x", "manamboara tabilao t (id ISA, n ISA)"):
            writer.ask(f"{text};")
        writer.ask("manampia ao@ t (id, n) sanda (0, 0);")
        writer.ask("manamboara tabilao u (a ISA);")
        first = reader.ask(question)
        assert meta(first)["cache"] != "hit" and rows(first) == [[0]]
        assert "(42P01)" not in reader.ask(other)
        wait_for(lambda: meta(reader.ask(question))["cache"] == "hit", 20, "a hit")
        wait_for(lambda: meta(reader.ask(other))["cache"] == "hit", 20, "a hit of the other table")
        for n in range(1, 30):
            writer.ask(f"havaozy t ova n = {n} rehefa id = 0;")
            wait_for(lambda n=n: rows(reader.ask(question)) == [[n]], 20, f"the cache to show {n}")  # type: ignore[misc]
        assert meta(reader.ask(other))["cache"] == "hit"
        assert meta(reader.ask(question.replace("{", '{"read":"strong",', 1)))["cache"] != "hit"


@pytest.mark.parametrize("part", ["m1", "m2", "proxy", "cache"])
def test_a_strong_read_sees_what_anyone_was_told(shared_cluster: Cluster, database: str, part: str) -> None:
    """A write answered to one client is in the very next strong read of another, wherever it asks."""
    question = f'/*dirk {{"db":"{database}","read":"strong"}}*/ alaivo n ao@ t rehefa id = 1;'
    with shared_cluster.connect("proxy") as writer, shared_cluster.connect(part) as reader:
        writer.ask(f"ampiasao {database};")
        for n in range(1, 40):
            assert "(1)" in writer.ask(f"havaozy t ova n = {n} rehefa id = 1;")
            assert reader.ask_rows(question) == [[n]]


def test_an_index_holds_across_connections_and_nodes(shared_cluster: Cluster, database: str) -> None:
    """What META said of a write is a promise to every other session that brings it as `min`."""
    fields = json.dumps({"db": database})
    for n in range(1, 20):
        told = meta(shared_cluster.ask("proxy", f"/*dirk {fields}*/ havaozy t ova n = {n} rehefa id = 2;"))
        least = json.dumps({"db": database, "min": {str(told["log"]): told["index"]}})
        for part in PARTS:
            answer = shared_cluster.ask(part, f"/*dirk {least}*/ alaivo n ao@ t rehefa id = 2;")
            assert rows(answer) == [[n]], part


@pytest.mark.parametrize("part", ["m1", "proxy"])
def test_an_index_that_never_comes_is_refused_with_both_numbers(
    shared_cluster: Cluster, database: str, part: str
) -> None:
    """57P03 after the wait, naming where the node is and what was asked."""
    told = meta(shared_cluster.ask("proxy", f'/*dirk {{"db":"{database}"}}*/ havaozy t ova n = 1 rehefa id = 3;'))
    least = json.dumps({"db": database, "min": {str(told["log"]): told["index"] + 1_000_000}})
    said = message(shared_cluster.ask(part, f"/*dirk {least}*/ alaivo n ao@ t;"))
    assert said.endswith("(57P03)")
    assert str(told["index"]) in said and str(told["index"] + 1_000_000) in said


@pytest.mark.parametrize("part", PARTS)
def test_a_database_made_or_dropped_says_where_in_the_log_of_databases(
    shared_cluster: Cluster, database: str, part: str
) -> None:
    """Also in a session that has chosen another one: any part that is told this index knows the name, or that it is
    gone."""
    name = f"{database}_{part}"
    with shared_cluster.connect(part) as session:
        session.ask(f"ampiasao {database};")
        for statement, expected in ((f"manamboara tahiry {name}", ""), (f"ravao ny tahiry {name}", "(3D000)")):
            told = meta(session.ask(f"/*dirk {{}}*/ {statement};"))
            assert (told["db"], told["log"], told["kind"]) == (None, 0, "write")
            least = json.dumps({"db": name, "min": {"0": told["index"]}})
            for other in PARTS:
                assert message(shared_cluster.ask(other, f"/*dirk {least}*/ alaivo 1;")).endswith(expected or "OK")
        assert meta(session.ask("/*dirk {}*/ alaivo 1;"))["db"] == database


def test_the_driver_takes_along_what_it_made(shared_cluster: Cluster, database: str) -> None:
    """What one connection has made is known to its session wherever that goes on."""
    with dbapi.connect(port=shared_cluster.ports["proxy"], database=database) as connection:
        cursor, before = connection.cursor(), 0
        for number in range(5):
            name = f"{database}_d{number}"
            cursor.execute(f"manamboara tahiry {name}")
            carried = connection._session._carried._indexes
            assert carried["0"] > before
            before = carried["0"]
            for part in PARTS:
                asked = json.dumps({"db": name, "min": carried})
                assert message(shared_cluster.ask(part, f"/*dirk {asked}*/ alaivo 1;")) == "OK"


ROWS = 100_000


def memory_bytes(pid: int) -> int:
    """The resident memory of a process."""
    with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123 - one line of the kernel's
        return int(file.read().split()[1]) * 4096


def test_a_slow_reader_of_a_long_result_costs_the_others_nothing(shared_cluster: Cluster, database: str) -> None:
    """100,000 rows to a client that takes none: bounded memory, others answered meanwhile, then every row is right."""
    with shared_cluster.connect("proxy", 60) as writer:
        writer.ask(f"ampiasao {database};")
        writer.ask("manamboara tabilao be (id ISA, soratra LAHATSORATRA(null, null));")
        for start in range(0, ROWS, 2000):
            values = ", ".join(f"({i}, '{'soratra' * 8}')" for i in range(start, start + 2000))
            assert "(2000)" in writer.ask(f"manampia ao@ be (id, soratra) sanda {values};")
    watched = {name: memory_bytes(shared_cluster.processes[name].pid) for name in ("m1", "m2", "proxy")}
    with shared_cluster.connect("proxy", 60) as slow, shared_cluster.connect("proxy") as quick:
        slow.ask(f"ampiasao {database};")
        quick.ask(f"ampiasao {database};")
        slow.send("alaivo * ao@ be;")
        _ask_meanwhile(quick, for_seconds=2.5)
        for name, before in watched.items():
            grown = memory_bytes(shared_cluster.processes[name].pid) - before
            assert grown < 48 * 1024 * 1024, f"{name} grew by {grown >> 20} MiB"
        assert [row[0] for row in rows(slow.receive())] == list(range(ROWS))


def _ask_meanwhile(connection: Connection, for_seconds: float) -> None:
    end = time.monotonic() + for_seconds
    while time.monotonic() < end:
        assert connection.ask_rows("alaivo count(*) ao@ t;") == [[8]]
