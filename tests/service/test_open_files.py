"""Few open files: what does not fit waits, is closed, or is turned away with a sentence; nothing stalls."""

from __future__ import annotations

import resource
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tests.cluster
from dirk_gevent.base.startup import CannotStartError
from dirk_gevent.server.open_files import LEAST_FILES, NODE_FILES_A_CONNECTION, RELAY_FILES_A_CONNECTION, share_out
from tests.cluster import HOST, Cluster, message, rows, wait_for
from tests.transactions.test_lives import ok

FEW = 200
DATABASES = 60


@pytest.mark.parametrize("files", [LEAST_FILES, 200, 256, 1024, 4096, 1 << 20])
@pytest.mark.parametrize("files_a_connection", [RELAY_FILES_A_CONNECTION, NODE_FILES_A_CONNECTION])
def test_the_shares_fit_and_none_is_empty(files: int, files_a_connection: float) -> None:
    shares = share_out(files, files_a_connection)
    assert shares.connections >= 19 and shares.databases >= 4 and shares.long_reads >= 2
    taken = files_a_connection * shares.connections + 5 * shares.databases + 3 * shares.long_reads
    assert taken + 60 <= files


def test_too_few_are_one_sentence() -> None:
    with pytest.raises(CannotStartError, match="ulimit -n 1024 before, or set LimitNOFILE"):
        share_out(LEAST_FILES - 1, 1)


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes of clusters may open `FEW` files."""
    popen = subprocess.Popen

    def limited(*words: Any, **options: Any) -> Any:
        limit = resource.RLIMIT_NOFILE, (FEW, FEW)
        return popen(*words, preexec_fn=lambda: resource.setrlimit(*limit), **options)

    monkeypatch.setattr(tests.cluster.subprocess, "Popen", limited)
    return


def test_more_databases_and_clients_than_files(few_files: None, make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster()
    cluster.start()
    with ExitStack() as stack:
        client = stack.enter_context(cluster.connect("proxy"))
        for number in range(DATABASES):
            make = f"CREATE DATABASE d{number}", f"USE d{number}", "CREATE TABLE t (a)", "INSERT INTO t VALUES (0)"
            for text in make:
                assert "Hadisoana" not in client.ask(f"{text};"), text
        refused: dict[str, int] = {}
        for name in ("m1", "proxy", "cache"):
            for _ in range(FEW):
                extra = stack.enter_context(cluster.connect(name))
                answer = message(extra.ask("SELECT 1;"))
                if answer != "OK":
                    assert "(53300)" in answer and "ulimit -n" in answer
                    refused[name] = refused.get(name, 0) + 1
        assert set(refused) == {"m1", "proxy", "cache"}
        # Clients that were let in still work, in every database, with all those connections there.
        for number in range(DATABASES):
            assert "Hadisoana" not in client.ask(f"USE d{number};")
            assert "Hadisoana" not in client.ask(f"INSERT INTO t VALUES ({number});")
            assert rows(client.ask("SELECT count(*) FROM t;")) == [[2]]
    for name in ("m1", "m2", "proxy", "cache"):
        assert len(list(Path(f"/proc/{cluster.processes[name].pid}/fd").iterdir())) < FEW
        log = cluster.log(name, whole=True)
        assert "Too many open files" not in log and "Traceback" not in log, log
        assert "event=few_open_files" in log


#: A result of 3 MB, a page a row, which no buffer of a connection holds.
SLOW_ROWS, ROW_BYTES = 30, 100_000


@pytest.mark.slow
def test_clients_that_take_their_results_slowly(few_files: None, make_cluster: Callable[..., Cluster]) -> None:
    """Each has a file of its own on the node, and every second is in a transaction: there is room for all of them."""
    cluster = make_cluster(settings={"limits": {"pageRows": 1, "queueMs": 30_000}})
    cluster.start("m1", "m2", "proxy")
    with ExitStack() as stack:
        writer = stack.enter_context(cluster.connect("proxy"))
        wait_for(lambda: "Hadisoana" not in writer.ask("CREATE DATABASE IF NOT EXISTS t;"), 20)
        ok(writer, "USE t", "CREATE TABLE u (w TEXT)")
        for _ in range(SLOW_ROWS):
            ok(writer, f"INSERT INTO u VALUES ('{'w' * ROW_BYTES}')")
        for number in range(12):
            # Databases whose files are open, too.
            ok(writer, f"CREATE DATABASE d{number}", f"USE d{number}", "CREATE TABLE t (a)", "INSERT INTO t VALUES (0)")
        ok(writer, "USE t")
        wait_for(lambda: rows(cluster.ask("m1", '/*dirk {"db":"t"}*/ SELECT count(*) FROM u;')) == [[SLOW_ROWS]], 20)
        slow = [stack.enter_context(_slow(cluster.ports["m1"])) for _ in range(FEW // 2)]
        for number, client in enumerate(slow):
            begin = "" if number % 2 else "BEGIN;"
            client.sendall(f'/*dirk {{"db":"t"}}*/ SELECT 1; USE t;{begin} SELECT w FROM u;'.encode())
        most = 0

        def all_are_in_files() -> bool:
            nonlocal most
            opened = _open_files(cluster, "m1")
            spooled = sum("(deleted)" in name for name in opened)
            most = max(most, spooled)
            assert len(opened) < FEW
            return spooled >= _let_in(slow)

        wait_for(all_are_in_files, 60)
        assert most >= 20
        # Each has its connection and its file: together no more than the half that is for connections.
        assert 2 * most <= (FEW - 64) // 2
        ok(writer, "INSERT INTO u VALUES ('x')", "SELECT count(*) FROM u")
        for client in slow:
            answer = _rest(client)
            assert "RELATION_JSON_END" in answer.rpartition("RELATION_JSON_PAGE")[2] or "(53300)" in answer
    log = cluster.log("m1", whole=True)
    assert "Too many open files" not in log and "Traceback" not in log, log


def _slow(port: int) -> socket.socket:
    """A client that takes hardly anything."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect((HOST, port))
    return client


def _open_files(cluster: Cluster, name: str) -> list[str]:
    found = []
    for path in Path(f"/proc/{cluster.processes[name].pid}/fd").iterdir():
        try:
            found.append(str(path.readlink()))
        except FileNotFoundError:
            continue
    return found


def _let_in(clients: list[socket.socket]) -> int:
    """How many were not turned away, as far as they have been told."""
    return sum(b"(53300)" not in client.recv(4096, socket.MSG_PEEK) for client in clients)


def _rest(client: socket.socket) -> str:
    """All that comes until the last answer's end, or the connection's."""
    data = b""
    client.shutdown(socket.SHUT_WR)
    while more := client.recv(1 << 16):
        data += more
    return data.decode()
