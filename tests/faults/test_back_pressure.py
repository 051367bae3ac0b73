"""Who is slow slows nobody else and grows nobody's memory; what is too much is turned away, and nothing of it lost."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cluster import Cluster, Connection, message, rows, wait_for
from tests.faults.soaking import sample
from tests.faults.test_absence import insert_many
from tests.faults.writing import level, prepare, request_id, table

BOTH = ("m1", "m2")
#: Far below what the writes and answers of these tests take together, were they kept.
MOST_BYTES = 64 * 1024 * 1024
ENDLESS = f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {10**9}) SELECT count(*) FROM c;"
#: A text too long for the hub: however fast the machine is, it takes a place.
SHORT_FOR_A_THREAD = f"SELECT 1 /* {'x' * 20_000} */;"
#: Requests are turned away at once, nodes are silent for long before they count as down.
FEW = {"limits": {"maxRunning": 2, "queueMs": 100, "waitMs": 60_000}, "replication": {"intervalSeconds": 5.0}}


def memory(cluster: Cluster, name: str) -> int:
    """What a process takes."""
    return sample(cluster.processes[name].pid).memory_bytes


def cpu_seconds(pid: int) -> float:
    """The processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def stopped(cluster: Cluster, *names: str) -> Iterator[None]:
    """SIGSTOP for as long as the body runs."""
    for name in names:
        cluster.pause(name)
    try:
        yield
    finally:
        for name in names:
            cluster.resume(name)


def test_a_stopped_master_costs_the_others_nothing(make_cluster: Callable[..., Cluster]) -> None:
    """Five thousand writes while m2 is stopped: all acknowledged, nothing piled up for it, and it catches up."""
    cluster = make_cluster()
    cluster.start("m1", "m2", "proxy")
    prepare(cluster)
    insert_many(cluster, 1000, 20)
    before = {name: memory(cluster, name) for name in ("m1", "proxy")}
    with stopped(cluster, "m2"):
        insert_many(cluster, 5000, 50)
        grown = {name: memory(cluster, name) - taken for name, taken in before.items()}
    print(grown)
    assert all(more < MOST_BYTES for more in grown.values()), grown
    level(cluster, *BOTH)
    assert table(cluster, "m2") == table(cluster, "m1")
    assert len(table(cluster, "m2")) == 6000


def test_an_overloaded_proxy_turns_requests_away_and_recovers(make_cluster: Callable[..., Cluster]) -> None:
    """With its two places taken, others are told 53300 before anything of theirs is in the log; later all succeed."""
    cluster = make_cluster(settings=FEW)
    cluster.start("m1", "m2", "proxy")
    prepare(cluster)
    level(cluster, *BOTH)
    texts = []
    for n in range(12):
        fields = json.dumps({"id": request_id(), "db": "t"})
        texts.append(f"/*dirk {fields}*/ manampia ao@ u (w, n) sanda (1, {n});")
    with ExitStack() as stack:
        clients = [stack.enter_context(cluster.connect("proxy", 60)) for _ in texts]
        with stopped(cluster, *BOTH):
            for client, text in zip(clients, texts, strict=True):
                client.send(text)
            refused = _answered(clients, 10)
            assert all(message(client.receive()).endswith("(53300)") for client in refused)
        assert all("(1)" in client.receive() for client in clients if client not in refused)
        for client, text in zip(clients, texts, strict=True):
            wait_for(lambda client=client, text=text: "(1)" in client.ask(text), 20)  # type: ignore[misc]
    level(cluster, *BOTH)
    for node in BOTH:
        assert sorted(table(cluster, node)) == [(1, n) for n in range(12)]


def _answered(clients: list[Connection], count: int) -> list[Connection]:
    """The first so many that get an answer."""
    silent = {client.socket: client for client in clients}
    found: list[Connection] = []

    def are_enough() -> bool:
        found.extend(silent.pop(ready) for ready in select.select(list(silent), [], [], 0)[0])
        return len(found) >= count

    wait_for(are_enough, 20, f"{count} answers")
    return found


@pytest.mark.slow
def test_long_reads_wait_for_a_place_and_not_for_ever(make_cluster: Callable[..., Cluster]) -> None:
    """A node with its place taken says 53300, through the proxy too when both are; short reads are answered."""
    cluster = make_cluster(settings={"limits": {"maxLongReads": 1, "queueMs": 100}})
    cluster.start("m1", "m2", "proxy")
    with ExitStack() as stack:
        for node in BOTH:
            pid = cluster.processes[node].pid
            before = cpu_seconds(pid)
            stack.enter_context(cluster.connect(node)).send(ENDLESS)
            wait_for(lambda pid=pid, before=before: cpu_seconds(pid) > before + 0.3, 20)  # type: ignore[misc]
        for part in ("m1", "m2", "proxy"):
            wait_for(lambda part=part: "(53300)" in cluster.ask(part, SHORT_FOR_A_THREAD), 20)  # type: ignore[misc]
            assert rows(cluster.ask(part, "alaivo 1;")) == [[1]]
    wait_for(lambda: "RELATION_JSON_END" in cluster.ask("proxy", SHORT_FOR_A_THREAD), 20, "a place")


@pytest.mark.slow
def test_connections_that_are_all_taken(make_cluster: Callable[..., Cluster]) -> None:
    """A read goes to the node that has room; the parts of the cluster find each other though no client is let in."""
    cluster = make_cluster(settings={"limits": {"maxConnections": 8}})
    cluster.start("m1", "m2", "proxy")
    with ExitStack() as stack:
        assert len(_fill(cluster, "m1", stack)) <= 8
        for _ in range(20):
            assert rows(cluster.ask("proxy", "alaivo 1;")) == [[1]]
        client = _fill(cluster, "proxy", stack)[0]
        assert cluster.stop("m2") == [0]
        cluster.start("m2")
        wait_for(lambda: all(row[2] == "live" for row in client.ask_rows("asehoy ny mpizara;")), 20)


@pytest.mark.slow
def test_long_statements_take_so_much_together(make_cluster: Callable[..., Cluster]) -> None:
    """Many halves of statements: those for which there is no room are refused, the others may go on to their end."""
    cluster = make_cluster(settings={"limits": {"requestBytes": 1024 * 1024}})
    cluster.start()
    beginning, end, answer = f"alaivo length('{'x' * 400_000}", "') antso n;", [[400_000]]
    for part in ("proxy", "m1", "cache"):
        with ExitStack() as stack:
            clients = [stack.enter_context(cluster.connect(part)) for _ in range(4)]
            for client in clients:
                client.send(beginning)
            refused = _answered(clients, 2)
            assert all(message(client.receive()).endswith("(53300)") for client in refused)
            for client in clients:
                if client not in refused:
                    client.send(end)
                    assert rows(client.receive()) == answer
        wait_for(lambda part=part: "RELATION" in cluster.ask(part, beginning + end), 20)  # type: ignore[misc]


def _fill(cluster: Cluster, part: str, stack: ExitStack) -> list[Connection]:
    """Connections until one more is refused."""
    taken: list[Connection] = []

    def is_full() -> bool:
        client = Connection(cluster.ports[part])
        if message(client.ask("alaivo 1;")).endswith("(53300)"):
            client.close()
            return True
        taken.append(stack.enter_context(client))
        return False

    wait_for(is_full, 20, f"{part} to be full")
    return taken


def test_a_client_that_never_reads_is_not_read_from(shared_cluster: Cluster) -> None:
    """Statements that come without end and answers that nobody takes: they wait in the client, not in a process."""
    before = {name: memory(shared_cluster, name) for name in shared_cluster.processes}
    statement = f"alaivo '{'x' * 10_000}' antso x;" * 100
    with ExitStack() as stack:
        for part in ("proxy", "m1", "cache"):
            client = stack.enter_context(Connection(shared_cluster.ports[part], 1))
            sent = _send_until_blocked(client, statement, 100)
            assert sent < 100, f"{part} read {sent} MB of statements whose answers nobody took"
            assert rows(shared_cluster.ask(part, "alaivo 1;")) == [[1]]
        grown = {name: memory(shared_cluster, name) - taken for name, taken in before.items()}
    assert all(more < MOST_BYTES for more in grown.values()), grown


def _send_until_blocked(client: Connection, text: str, most: int) -> int:
    for sent in range(most):
        try:
            client.send(text)
        except TimeoutError:
            return sent
    return most


def test_what_returning_gives_has_a_bound(shared_cluster: Cluster) -> None:
    """It travels in one message: too much of it is an error on every node alike, and nothing is changed."""
    with shared_cluster.connect("proxy", 60) as connection:
        for text in ("manamboara tahiry big;", "ampiasao big;", "CREATE TABLE t (w TEXT);"):
            assert "Hadisoana" not in connection.ask(text)
        assert "(1)" in connection.ask(f"INSERT INTO t (w) VALUES ('{'x' * 1_000_000}');")
        many = " UNION ALL ".join(["SELECT w FROM t"] * 36)
        assert message(connection.ask(f"INSERT INTO t (w) {many} RETURNING w;")).endswith("(54000)")
        assert connection.ask_rows("SELECT count(*) FROM t;") == [[1]]
        assert len(connection.ask_rows("UPDATE t SET w = w || 'y' RETURNING w;")[0][0]) == 1_000_001
    level(shared_cluster, *BOTH)
