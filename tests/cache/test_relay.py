"""What passes through the cache: order, sizes, cuts, limits, the end of a process."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gevent
import orjson
import pytest
from gevent import socket

from dirk_gevent.cache import forward
from tests.cache.fake_upstream import LOG_ID, Bench, Client, FakeUpstream, wait_for
from tests.cluster import free_port

MIB = 1024 * 1024


def test_pipelined_statements_are_answered_in_order(bench: Bench) -> None:
    client = bench.client()
    tables = [f"{'abcdefgh'[n % 8]}{n % 5}" for n in range(200)]
    client.send("".join(f"alaivo {table}; " for table in tables))
    for table in tables:
        assert f"{table}@10".encode() in client.answer()


def test_a_greedy_client_does_not_starve_others(bench: Bench) -> None:
    greedy, modest = bench.client(), bench.client()
    greedy.ask("alaivo t;")
    modest.ask("alaivo u;")
    greedy.send("alaivo t;" * 20_000)
    reader = gevent.spawn(lambda: [greedy.answer(60) for _ in range(20_000)])
    gevent.sleep(0)
    for _ in range(20):
        modest.ask("alaivo u;")
    assert not reader.ready(), "the modest client was served while the greedy one's statements ran"
    reader.get(timeout=60)


def test_a_statement_may_arrive_in_pieces(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    for piece in ("ala", "ivo t", ";ala", "ivo u;"):
        client.send(piece)
        gevent.sleep(0.01)
    assert b"t@10" in client.answer()
    assert b"u@10" in client.answer()


def test_a_statement_that_ends_in_a_line_comment(bench: Bench) -> None:
    assert b"t -- all of it@10" in bench.client().ask("alaivo t -- all of it\n;")


def test_sixteen_mebibytes_pass(bench: Bench) -> None:
    client = bench.client()
    statement = b"soraty t '" + b"x" * (16 * MIB - 100) + b"';"
    assert b"Tafinditra" in client.ask(statement)
    assert len(bench.upstream.requests[-1].raw.strip()) == len(statement) - 1
    assert len(bench.store) == 0


def test_a_statement_over_the_limit_ends_its_connection_only(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_statement_bytes=1000).leased()
    client, other = bench.client(), bench.client()
    client.send("alaivo '" + "x" * 2000)
    assert b"(54000)" in client.answer()
    assert client.answer() == b""
    assert b"t@10" in other.ask("alaivo t;")


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [(b"/*dirk {x*/ alaivo t;", b"42601"), (b"alaivo '\xff';", b"22021"), (b"alaivo '\0';", b"22021")],
)
def test_bad_bytes_are_refused_on_that_statement_alone(bench: Bench, statement: bytes, sqlstate: bytes) -> None:
    client = bench.client()
    assert b"(" + sqlstate + b")" in client.ask(statement)
    assert b"t@10" in client.ask("alaivo t;")


def test_half_a_statement_runs_nothing(bench: Bench) -> None:
    client = bench.client()
    client.send("soraty t")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.answer() == b""
    assert bench.upstream.reads("soraty t") == 0


def test_a_client_that_closed_its_sending_side_gets_its_answer(bench: Bench) -> None:
    client = bench.client()
    bench.upstream.gate.clear()
    client.send("alaivo t;")
    client.sock.shutdown(socket.SHUT_WR)
    wait_for(lambda: bench.upstream.reads("alaivo t") == 1)
    bench.upstream.gate.set()
    assert b"t@10" in client.answer()


def test_a_huge_answer_to_a_slow_reader_is_never_held_whole(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_bytes=4 * MIB).leased()
    client = bench.client()
    pages = 500
    client.send(f"alaivo huge {pages};")
    wait_for(lambda: bench.upstream.sent_bytes > 2 * MIB, 30)
    sent = -1
    while sent != bench.upstream.sent_bytes:
        sent = bench.upstream.sent_bytes
        gevent.sleep(0.2)
    assert sent < 30 * MIB, "the upstream is held back"
    assert bench.store.collecting_bytes <= 4 * MIB
    answer = client.answer(60)
    assert answer.count(b"RELATION_JSON_PAGE") == pages
    assert answer.endswith(b"RELATION_JSON_END\nRESULT_MESSAGE\nOK\nEND\n")
    assert b"META" not in answer
    assert (len(bench.store), bench.store.collecting_bytes) == (0, 0)
    assert b"t@10" in client.ask("alaivo t;")


def test_meta_of_a_streamed_answer(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_bytes=MIB).leased()
    answer = bench.client().ask("/*dirk {}*/alaivo huge 5;")
    meta = orjson.loads(answer.split(b"\nMETA ")[1].split(b"\n")[0])
    assert (meta["cache"], meta["index"]) == ("size", 10)


def test_a_cut_in_a_streamed_answer_ends_it_with_an_error(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_bytes=MIB).leased()
    client = bench.client()
    bench.upstream.cut_after_bytes = 3 * MIB
    answer = client.ask("alaivo huge 100;")
    assert answer.splitlines()[-2].endswith(b"(08006)")
    assert b"RELATION_JSON_END" not in answer
    bench.upstream.cut_after_bytes = None
    assert b"t@10" in client.ask("alaivo t;")


def test_a_client_that_leaves_in_the_middle_costs_nothing(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_bytes=MIB).leased()
    client = bench.client()
    client.send("alaivo huge 500;")
    wait_for(lambda: bench.upstream.sent_bytes > MIB)
    client.close()
    wait_for(lambda: bench.store.collecting_bytes == 0)
    assert b"t@10" in bench.client().ask("alaivo t;")


def test_a_client_that_resets_its_connection_cancels_what_runs_for_it(bench: Bench) -> None:
    client = bench.client()
    bench.upstream.gate.clear()
    connections = len(bench.upstream.connections)
    client.send("alaivo t;")
    wait_for(lambda: bench.upstream.reads("alaivo t") == 1)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_for(lambda: is_reset(bench.upstream.connections[connections - 1]), 5)


def is_reset(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock.fileno(), 0)
    return bool(poll.poll(0))


def test_a_read_that_was_cut_is_asked_again(bench: Bench) -> None:
    client = bench.client()
    bench.upstream.cuts = 1
    assert b"t@10" in client.ask("alaivo t;")


def test_a_write_that_was_cut_runs_once(bench: Bench) -> None:
    client = bench.client()
    bench.upstream.cuts = 2
    assert b"Tafinditra" in client.ask("soraty t;")
    ids = {request.request_id for request in bench.upstream.requests if request.text.strip() == "soraty t"}
    assert (len(ids), bench.upstream.index) == (1, 11)


def test_a_write_that_was_cut_is_not_sent_again_for_a_client_that_has_left(bench: Bench) -> None:
    """It may have asked again elsewhere, and been told that there is nothing to write to: then nothing is written."""
    client = bench.client()
    bench.upstream.gate.clear()
    client.send("soraty t;")
    wait_for(lambda: bench.upstream.reads("soraty t") == 1)
    client.close()
    bench.upstream.cuts = 1
    bench.upstream.gate.set()
    wait_for(lambda: not bench.cache._connections)
    assert bench.upstream.reads("soraty t") == 1


@pytest.mark.parametrize(
    ("statement", "state"),
    [("soraty t", b"(08007)"), ("alaivo t", b"(57P03)"), ("atombohy", b"(57P03)"), ("ampiasao x", b"(57P03)")],
)
def test_only_of_what_may_have_been_done_it_is_not_known(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, statement: str, state: bytes
) -> None:
    monkeypatch.setattr(forward, "RETRY_SECONDS", 0.0)
    client = bench.client()
    bench.upstream.cuts = 1
    assert state in client.ask(f"{statement};")


def test_the_client_s_own_request_id_is_kept(bench: Bench) -> None:
    client = bench.client()
    bench.upstream.cuts = 1
    client.ask('/*dirk {"id":"1-abc","trace":"q"}*/ soraty t;')
    assert [(r.request_id, r.trace) for r in bench.upstream.requests[-2:]] == [("1-abc", "q")] * 2


def test_a_session_survives_its_upstream(bench: Bench) -> None:
    client = bench.client()
    client.ask("soraty t;")
    bench.upstream.stop()
    assert b"(57P03)" in client.ask("soraty t;")
    bench.upstream.start()
    assert b"Tafinditra" in client.ask("soraty t;")
    request = bench.upstream.requests[-1]
    assert (request.database, dict(request.minimum)) == ("x", {0: LOG_ID, LOG_ID: 11})


@pytest.mark.parametrize(("statement", "state"), [("soraty t", b"(08006)"), ("tehirizo", b"(08007)")])
def test_a_lost_transaction_ends_the_session(bench: Bench, statement: str, state: bytes) -> None:
    """Only of a COMMIT it is not known what became of it."""
    client = bench.client()
    client.ask("atombohy;")
    bench.upstream.cuts = 1
    client.send(f"{statement}; soraty u;")
    assert state in client.answer()
    assert client.answer() == b""
    assert bench.upstream.reads("soraty u") == 0, "nothing runs outside the transaction it was meant for"


def test_a_transaction_lost_between_statements_ends_the_session(bench: Bench) -> None:
    client = bench.client()
    client.ask("atombohy;")
    bench.upstream.stop()
    bench.upstream.start()
    client.send("soraty t; soraty u;")
    assert b"(08006)" in client.answer()
    assert client.answer() == b""
    assert bench.upstream.reads("soraty t") == 0


def test_one_connection_too_many(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_connections=2).leased()
    first, _second = bench.client(), bench.client()
    third = bench.client(database="")
    third.send("alaivo t;")
    assert b"(53300)" in third.answer()
    assert third.answer() == b""
    assert b"t@10" in first.ask("alaivo t;")
    first.close()
    wait_for(lambda: b"miasa" in bench.client("").ask("ampiasao x;"))


def test_bytes_bound_the_store(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(max_bytes=16_000, entries=1000).leased()
    client = bench.client()
    for number in range(200):
        client.ask(f"alaivo t{number};")
    assert 0 < bench.store.stored_bytes <= 16_000


class CacheProcess:
    """The cache as a process of its own; its log lines are in `log`."""

    def __init__(self, directory: Path, upstream_port: int) -> None:
        self.port = free_port()
        self.log = directory / "cache.log"
        program = (
            "from pathlib import Path\nfrom dirk_gevent.cache.server import run\n"
            "from dirk_gevent.config.settings import Config\n"
            f"run(Config(Path('c'), 2, (), None), upstream_host='127.0.0.1', upstream_port={upstream_port},"
            f" port={self.port}, ttl_ms=3000, entries=200)"
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-c", program], stderr=log, env=os.environ)

    def has_logged(self, text: str) -> bool:
        return text in self.log.read_text()


def test_a_proxy_that_goes_away_is_an_error_of_the_log_once(tmp_path: Path) -> None:
    upstream = FakeUpstream()
    upstream.start()
    cache = CacheProcess(tmp_path, upstream.port)
    try:
        wait_for(lambda: cache.has_logged("event=ready"), 10)
        upstream.stop()
        wait_for(lambda: cache.has_logged("Erreur connexion à 127.0.0.1"), 10)
        upstream.start()
        wait_for(lambda: cache.has_logged("event=upstream_back"), 10)
        assert cache.log.read_text().count("Erreur connexion à 127.0.0.1") == 1
    finally:
        cache.process.kill()
        cache.process.wait()
        upstream.stop()


def test_start_order_drain_and_log_lines(tmp_path: Path) -> None:
    upstream = FakeUpstream()
    cache = CacheProcess(tmp_path, upstream.port)
    try:
        wait_for(lambda: cache.has_logged("event=waiting for=proxy"), 10)
        idle, busy = Client(cache.port), Client(cache.port)
        assert b"(57P03)" in idle.ask("alaivo t;")
        assert not cache.has_logged("event=ready")
        upstream.start()
        wait_for(lambda: cache.has_logged(f"event=ready listen=127.0.0.1:{cache.port}"), 10)
        assert " error " not in cache.log.read_text(), "programs start in any order: it is an ordinary wait"
        idle.ask("ampiasao x;")
        upstream.gate.clear()
        busy.send("alaivo t;")
        wait_for(lambda: upstream.reads("alaivo t") == 1)
        cache.process.send_signal(signal.SIGTERM)
        assert idle.answer() == b""
        upstream.gate.set()
        assert b"t@10" in busy.answer()
        assert busy.answer() == b""
        wait_for(lambda: cache.process.poll() is not None, 10)
        assert cache.process.returncode == 0
        idle.close()
        busy.close()
    finally:
        cache.process.kill()
        cache.process.wait()
        upstream.stop()
