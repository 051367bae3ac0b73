"""The cache serves what is right for the session, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import orjson

from tests.cache.fake_upstream import LOG_ID, Bench, wait_for

META = "/*dirk {}*/"


def meta(answer: bytes) -> dict[str, object]:
    line = answer.split(b"\nMETA ")[1].split(b"\nEND\n")[0]
    found = orjson.loads(line)
    assert isinstance(found, dict)
    return found


def test_second_read_is_a_hit_with_the_same_bytes(bench: Bench) -> None:
    client = bench.client()
    first = client.ask("alaivo t;")
    assert [client.ask("alaivo t;") for _ in range(3)] == [first] * 3
    assert bench.upstream.reads("alaivo t") == 1
    assert b"META" not in first


def test_another_session_hits_too(bench: Bench) -> None:
    first = bench.client().ask("alaivo t;")
    assert bench.client().ask("alaivo t;\n") == first
    assert bench.upstream.reads("alaivo t") == 1


def test_a_session_never_reads_behind_its_own_write(bench: Bench) -> None:
    reader, writer = bench.client(), bench.client()
    reader.ask("alaivo t;")
    writer.ask("alaivo t;")
    writer.ask("soraty t;")
    assert b"t@11" in writer.ask("alaivo t;"), "the header has not come, yet its own write must be seen"
    assert b"t@11" in writer.ask("alaivo t;")
    assert bench.upstream.reads("alaivo t") == 2


def test_a_session_never_goes_back_through_another_table(bench: Bench) -> None:
    reader, writer = bench.client(), bench.client()
    reader.ask("alaivo t;")
    writer.ask("soraty t;")
    reader.ask("alaivo u;")
    assert b"t@11" in reader.ask("alaivo t;"), "u was read at 11, so t must not be read at 10"


def test_a_header_removes_what_it_touches_and_nothing_else(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    client.ask("alaivo u;")
    bench.upstream.index = 11
    bench.upstream.headers((11, ["t"]))
    bench.head(11)
    assert b"u@10" in client.ask("alaivo u;")
    assert b"t@11" in client.ask("alaivo t;")
    assert (bench.upstream.reads("alaivo t"), bench.upstream.reads("alaivo u")) == (2, 1)


def test_the_star_touches_all_tables(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    bench.upstream.headers((11, ["*"]))
    bench.head(11)
    assert len(bench.store) == 0


def test_a_gap_clears_the_log(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    bench.upstream.headers((13, ["other"]))
    bench.head(13)
    assert len(bench.store) == 0
    bench.upstream.stale_index = 12
    client.ask("alaivo t;")
    assert len(bench.store) == 0, "what happened before 13 is not known"


def test_a_dropped_database_is_forgotten(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    bench.upstream.frame({"t": "dropped", "log": LOG_ID})
    wait_for(lambda: len(bench.store) == 0)
    client.ask("alaivo t;")
    assert bench.upstream.reads("alaivo t") == 2


def test_heads_of_a_new_log_leave_the_others_alone(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    bench.upstream.frame({"t": "heads", "heads": {"8": 0, str(LOG_ID): 99}})
    wait_for(lambda: bench.store.follows(8))
    client.ask("alaivo t;")
    assert bench.upstream.reads("alaivo t") == 1
    assert bench.store.horizon(LOG_ID).head == 10


def test_a_cache_of_no_entries_passes_everything_on(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(entries=0).leased()
    client = bench.client()
    assert client.ask("alaivo t;") == client.ask("alaivo t;")
    assert bench.upstream.reads("alaivo t") == 2


def test_an_answer_older_than_a_header_seen_is_not_stored(bench: Bench) -> None:
    client = bench.client()
    bench.upstream.gate.clear()
    client.send("alaivo t;")
    wait_for(lambda: bench.upstream.reads("alaivo t") == 1)
    bench.upstream.headers((11, ["t"]))
    bench.head(11)
    bench.upstream.gate.set()
    assert b"t@10" in client.answer()
    assert len(bench.store) == 0


def test_the_lease_ends_when_the_upstream_falls_silent(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(ttl_seconds=0.6).leased()
    client = bench.client()
    bench.upstream.is_echoing = False
    client.ask("alaivo t;")
    bench.upstream.index = 20
    wait_for(lambda: b"t@20" in client.ask("alaivo t;"), 3)
    wait_for(lambda: len(bench.store) == 0)
    asked = bench.upstream.reads("alaivo t")
    client.ask("alaivo t;")
    client.ask("alaivo t;")
    assert bench.upstream.reads("alaivo t") == asked + 2, "nothing is stored without a lease"


def test_serves_until_the_lease_ends_after_the_upstream_died(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(ttl_seconds=3.0).leased()
    client = bench.client()
    first = client.ask("alaivo t;")
    bench.upstream.stop()
    assert client.ask("alaivo t;") == first
    assert b"57P03" in client.ask("alaivo u;")
    wait_for(lambda: b"57P03" in client.ask("alaivo t;"), 10)
    bench.upstream.index = 30
    bench.upstream.start()
    wait_for(lambda: b"t@30" in client.ask("alaivo t;"), 10)


def test_everything_is_forgotten_when_the_stream_begins_again(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    stream = bench.upstream.streams[0]
    bench.upstream.index = 11
    stream.close()
    wait_for(lambda: bench.upstream.streams and bench.upstream.streams[0] is not stream)
    bench.head(11)
    assert len(bench.store) == 0
    assert b"t@11" in client.ask("alaivo t;")


def test_single_flight(bench: Bench) -> None:
    clients = [bench.client() for _ in range(8)]
    bench.upstream.gate.clear()
    for client in clients:
        client.send("alaivo t;")
    wait_for(lambda: bench.upstream.reads("alaivo t") == 1)
    gevent.idle()
    bench.upstream.gate.set()
    assert len({client.answer() for client in clients}) == 1
    assert bench.upstream.reads("alaivo t") == 1


def test_a_flight_that_is_too_old_is_not_joined(bench: Bench) -> None:
    reader, writer = bench.client(), bench.client()
    writer.ask("soraty t;")
    bench.upstream.stale_index = 10
    bench.upstream.gate.clear()
    reader.send("alaivo t;")
    wait_for(lambda: bench.upstream.reads("alaivo t") == 1)
    writer.send("alaivo t;")
    wait_for(lambda: bench.upstream.reads("alaivo t") == 2)
    bench.upstream.gate.set()
    reader.answer()
    writer.answer()


def test_a_failed_flight_sends_its_joiners_on_their_own(bench: Bench) -> None:
    clients = [bench.client() for _ in range(3)]
    bench.upstream.gate.clear()
    for client in clients:
        client.send("alaivo diso;")
    wait_for(lambda: bench.upstream.reads("alaivo diso") == 1)
    bench.upstream.gate.set()
    assert all(b"42P01" in client.answer() for client in clients)
    assert bench.upstream.reads("alaivo diso") == 3


def test_strong_reads_pass_the_store_by(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    for _ in range(2):
        answer = client.ask('/*dirk {"read":"strong"}*/ alaivo t;')
        assert meta(answer)["cache"] == "strong"
    assert bench.upstream.reads("alaivo t") == 3


def test_meta_is_for_those_that_ask(bench: Bench) -> None:
    client = bench.client()
    plain = client.ask("alaivo t;")
    for _ in range(2):
        answer = client.ask(META + "alaivo t;")
        assert meta(answer)["cache"] == "hit"
        assert meta(answer)["index"] == 10
        assert answer.split(b"\nMETA ")[0] + b"\nEND\n" == plain
    assert meta(client.ask(META + "alaivo u;"))["cache"] == "miss"
    assert meta(client.ask(META + "soraty u;"))["cache"] == "write"
    assert meta(client.ask(META + "alaivo diso;"))["cache"] == "error"


def test_what_does_not_repeat_is_not_stored(bench: Bench) -> None:
    client = bench.client()
    bench.upstream.extra_meta = {}
    for text in ("alaivo diso;", "soraty t;", "ampiasao x;"):
        client.ask(text)
    assert len(bench.store) == 0


def test_transactions_pass_the_store_by(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    client.ask("atombohy;")
    for _ in range(2):
        client.ask("alaivo t;")
    assert bench.upstream.reads("alaivo t") == 3


def test_arguments_are_part_of_the_key(bench: Bench) -> None:
    client = bench.client()
    for args in ("[1]", "[2]", "[1]", "[2]"):
        client.ask(f'/*dirk {{"args":{args}}}*/ alaivo t;')
    assert bench.upstream.reads("alaivo t") == 2


def test_a_request_may_ask_for_a_newer_state_than_its_session(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    request = f'/*dirk {{"min":{{"{LOG_ID}":10}}}}*/ alaivo t;'
    assert [meta(client.ask(request))["cache"] for _ in range(3)] == ["hit"] * 3
    newer = request.replace(":10", ":11")
    bench.upstream.index = 11
    assert meta(client.ask(newer))["cache"] == "miss"
    assert meta(client.ask(newer))["cache"] == "hit"


def test_what_any_gave_is_not_where_a_session_begins(bench: Bench) -> None:
    """A session whose first answer came from a node that lags asks the log, not the store, how far it must see."""
    client = bench.client(database="")
    bench.upstream.stale_index = 8
    old = client.ask('/*dirk {"db":"x","read":"any"}*/ alaivo t;')
    assert b"t@8" in old
    bench.upstream.stale_index = None
    answer = client.ask('/*dirk {"db":"x"}*/ alaivo t;')
    assert b"t@10" in answer and meta(answer)["cache"] == "new_session"
    assert LOG_ID not in bench.upstream.requests[-1].minimum


def test_any_frees_from_what_was_seen_and_not_from_what_is_demanded(bench: Bench) -> None:
    client = bench.client()
    client.ask("alaivo t;")
    client.ask("soraty u;")
    assert meta(client.ask('/*dirk {"read":"any"}*/ alaivo t;'))["cache"] == "hit"
    demanding = f'/*dirk {{"read":"any","min":{{"{LOG_ID}":11}}}}*/ alaivo t;'
    assert b"t@11" in client.ask(demanding)
    assert bench.upstream.requests[-1].minimum[LOG_ID] == 11


def test_a_request_that_knows_of_a_drop_is_served_nothing_held(bench: Bench) -> None:
    """It brings the index of the drop in the log of databases, of which the cache has not heard yet."""
    client = bench.client()
    for _ in range(2):
        client.ask("alaivo t;")
    knowing = '/*dirk {"min":{"0":9}}*/ alaivo t;'
    assert [meta(client.ask(knowing))["cache"] for _ in range(2)] == ["databases"] * 2
    bench.upstream.frame({"t": "dropped", "log": LOG_ID})
    bench.upstream.frame({"t": "headers", "h": [[0, index, ["*"]] for index in range(2, 10)]})
    wait_for(lambda: bench.store.horizon(0).head == 9)
    assert meta(client.ask(knowing))["cache"] == "miss"
    assert meta(client.ask("/*dirk {}*/ alaivo t;"))["cache"] == "miss", "nothing is held of what is gone"


def test_what_its_own_session_dropped_is_served_once_the_header_has_come(bench: Bench) -> None:
    """A session that has dropped another database goes back to the fast path when that is known here."""
    client = bench.client()
    for _ in range(2):
        client.ask("alaivo t;")
    bench.upstream.extra_meta = {"log": 0, "db": None}
    bench.upstream.index = 9
    client.ask("soraty;")
    bench.upstream.extra_meta = {}
    bench.upstream.index = 10
    assert meta(client.ask("/*dirk {}*/ alaivo t;"))["cache"] == "databases"
    bench.upstream.frame({"t": "headers", "h": [[0, index, ["*"]] for index in range(2, 11)]})
    wait_for(lambda: bench.store.horizon(0).head == 10)
    asked = len(bench.upstream.requests)
    hits = [meta(client.ask("/*dirk {}*/ alaivo t;"))["cache"] for _ in range(3)]
    assert hits == ["hit"] * 3 and len(bench.upstream.requests) == asked


def test_nobody_joins_a_question_that_waits_for_what_he_does_not_need(bench: Bench) -> None:
    """One session waits for an entry that still runs: another, which has not seen it, asks by itself."""
    waiting, other = bench.client(), bench.client()
    bench.upstream.gate.clear()
    waiting.send(f'/*dirk {{"min":{{"{LOG_ID}":11}}}}*/ alaivo t;')
    wait_for(lambda: bench.upstream.reads("alaivo t") == 1)
    other.send("/*dirk {}*/ alaivo t;")
    wait_for(lambda: bench.upstream.reads("alaivo t") == 2)
    bench.upstream.gate.set()
    assert b"t@10" in other.answer() and b"t@10" in waiting.answer()


def test_requests_carry_the_session(bench: Bench) -> None:
    client = bench.client()
    client.ask("soraty t;")
    client.ask("alaivo u;")
    request = bench.upstream.requests[-1]
    assert (request.database, request.language, dict(request.minimum)) == ("x", "mg", {0: LOG_ID, LOG_ID: 11})


def test_time_to_live_bounds_an_entry(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(ttl_seconds=2.0).leased()
    client = bench.client()
    client.ask("alaivo t;")
    client.ask("alaivo t;")
    assert bench.upstream.reads("alaivo t") == 1
    wait_for(lambda: client.ask("alaivo t;") and bench.upstream.reads("alaivo t") >= 2, 20)


def test_number_of_entries_is_bounded_and_old_ones_go_first(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(entries=3).leased()
    client = bench.client()
    for table in "abc":
        client.ask(f"alaivo {table};")
    gevent.sleep(0.06)
    client.ask("alaivo a;")
    client.ask("alaivo d;")
    assert len(bench.store) == 3
    client.ask("alaivo a;")
    client.ask("alaivo b;")
    assert (bench.upstream.reads("alaivo a"), bench.upstream.reads("alaivo b")) == (1, 2)
