"""Reads while an entry of the log still runs: they need what is known, and nobody is told what is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.server.session import Session
from dirk_parser.errors import SqlError
from tests.service.small_cluster import PARTS, Answered, SmallClient, SmallCluster

READ = "alaivo n ao@ t"
#: How long requests wait: for what comes, however busy the machine is, and for what does not come.
PATIENT_MS, HURRIED_MS = 5000, 300


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SmallCluster]:
    """One whose database `x` holds one row, level everywhere."""
    made = _of_one_row(tmp_path, PATIENT_MS)
    yield made
    made.stop()


def _of_one_row(directory: Path, wait_ms: int) -> SmallCluster:
    made = SmallCluster(directory, wait_ms=wait_ms)
    log_id = made.change("create", "x")
    made.level(0)
    for text in ("manamboara tabilao t (n ISA)", "manampia ao@ t sanda (0)"):
        made.append(log_id, text)
    made.level(log_id)
    return made


def asked(cluster: SmallCluster, part: str, text: str = READ, **fields: object) -> Answered:
    """The answer to the first request of a new session."""
    client = SmallClient(cluster, part)
    try:
        return client.ask(text, **{"db": "x", **fields})
    finally:
        client.close()


def wait_only(cluster: SmallCluster, wait_ms: int) -> None:
    """From now on requests wait for so long."""
    object.__setattr__(cluster.settings.limits, "wait_ms", wait_ms)


def running(cluster: SmallCluster) -> int:
    """The log of x, whose last entry no node has applied."""
    log_id = cluster.log_of("x")
    assert log_id is not None
    cluster.append(log_id, "havaozy t ova n = 1")
    return log_id


def test_an_entry_that_runs_holds_up_no_reader(cluster: SmallCluster) -> None:
    """Neither the first read of a session, nor a strong one, nor a second in the same session, nor BEGIN."""
    running(cluster)
    for part in PARTS:
        for read in ("any", "session", "strong"):
            client = SmallClient(cluster, part)
            for _ in range(2):
                answer = client.ask(READ, db="x", read=read)
                assert (answer.rows, answer.sqlstate) == ([[0]], ""), (part, read)
            assert asked(cluster, part, "atombohy", read=read).sqlstate == "", (part, read)
            client.close()


def test_what_one_session_was_told_the_next_one_sees(cluster: SmallCluster) -> None:
    """A node answers from an entry before its word of it has come; the other node is not there yet."""
    log_id = running(cluster)
    cluster.deliver("m1", log_id)
    first = [asked(cluster, "proxy", min={str(log_id): 3}) for _ in range(2)]
    assert [one.rows for one in first] == [[[1]]] * 2
    for part in ("proxy", "cache"):
        assert [asked(cluster, part).rows for _ in range(4)] == [[[1]]] * 4, part
        cluster.turn_to("m2")
        assert asked(cluster, part).rows != [[0]], f"{part}: it waits for the other node, or is refused"
        cluster.turn_to("m1")
    assert cluster.host.state.outcomes.of(log_id).known.outcome_index == 2


def test_a_strong_read_is_told_when_its_state_is_known(cluster: SmallCluster) -> None:
    """Both nodes have the entry, their word of it has not come: until then nobody is told."""
    for part in PARTS:
        log_id = running(cluster)
        for name in cluster.nodes:
            cluster.deliver(name, log_id)
        reading = gevent.spawn(asked, cluster, part, read="strong")
        gevent.sleep(0.1)
        assert not reading.ready(), part
        cluster.tell("m2", log_id)
        assert reading.get(timeout=10).rows == [[1]], part
        cluster.level(log_id)


def test_a_strong_read_whose_state_stays_unknown_is_refused(cluster: SmallCluster) -> None:
    log_id = running(cluster)
    for name in cluster.nodes:
        cluster.deliver(name, log_id)
    for part in PARTS:
        wait_only(cluster, HURRIED_MS)
        assert asked(cluster, part, read="strong").sqlstate == "57P03", part
        wait_only(cluster, PATIENT_MS)
        assert asked(cluster, part).rows == [[1]], "a read that is not strong may be told"


def test_an_answer_from_another_history_demands_nothing_of_others(cluster: SmallCluster) -> None:
    """A node that knows more than the log answers until it is shut out: only who was shown that stays there."""
    log_id = cluster.log_of("x")
    assert log_id is not None
    head = cluster.host.state.head_index(log_id)
    shown = Session("mg")
    cluster.host.requests.sessions.tell(shown, log_id, head + 5)
    assert shown.indexes[log_id] == head + 5
    assert cluster.host.requests.sessions.known_index(log_id) == head
    assert asked(cluster, "proxy").rows == [[0]]
    for number in range(6):
        cluster.append(log_id, f"havaozy t ova n = {number}")
    assert cluster.host.requests.sessions.known_index(log_id) == head


def test_after_a_start_all_that_the_log_holds_is_known(cluster: SmallCluster) -> None:
    """Somebody may have been told of it before."""
    log_id = running(cluster)
    again, session = Coordinator(cluster.settings, cluster.log, logger("test")), Session("en")
    again.requests.sessions.resolve(session, "x")
    assert session.indexes[log_id] == again.requests.sessions.known_index(log_id) == cluster.head(log_id) == 3
    again.stop()


@pytest.mark.parametrize("verb", ["create", "drop"])
def test_a_database_that_no_master_has_made_or_dropped_yet_is_not_acknowledged(
    cluster: SmallCluster, verb: str
) -> None:
    """Its outcome is as unknown as any other write's."""
    appends = cluster.host.operations.appends
    work = appends.create_database if verb == "create" else appends.drop_database
    name, request_id = "y" if verb == "create" else "x", new_request_id(int(time.time() * 1000))
    wait_only(cluster, HURRIED_MS)
    with pytest.raises(SqlError) as unknown:
        work(name, request_id, False)
    assert (unknown.value.key, unknown.value.sqlstate) == ("outcome_unknown", "08007")
    wait_only(cluster, PATIENT_MS)
    cluster.level(0)
    assert work(name, request_id, False).index == cluster.head(0)


@pytest.mark.parametrize("fields", [{}, {"db": "x"}])
def test_a_strong_transaction_is_in_the_database_that_has_the_name_now(
    cluster: SmallCluster, fields: dict[str, str]
) -> None:
    """Where it is asked for, the one that was before is known still: it begins in the new one, or not at all."""
    clients = [SmallClient(cluster, part) for part in PARTS]
    for client in clients:
        client.ask("ampiasao x")
    cluster.change("drop", "x")
    log_id = cluster.change("create", "x")
    cluster.deliver("m1", 0)
    cluster.tell("m1", 0)
    wait_only(cluster, HURRIED_MS)
    for client in clients:
        begun = client.ask("atombohy", read="strong", **fields)
        assert begun.sqlstate == "57P03" or (begun.sqlstate, begun.meta["log"]) == ("", log_id), client.part
    wait_only(cluster, PATIENT_MS)
    cluster.level(0)
    for client in clients:
        client.ask("avereno")
        begun = client.ask("atombohy", read="strong", **fields)
        assert (begun.sqlstate, begun.meta["log"]) == ("", log_id), client.part
        client.close()


@pytest.mark.parametrize("part", ["m1", "m2"])
def test_a_strong_read_in_a_transaction_is_none_of_a_database_that_is_gone(cluster: SmallCluster, part: str) -> None:
    client = SmallClient(cluster, part)
    assert not client.ask("atombohy", db="x").sqlstate
    cluster.change("drop", "x")
    cluster.change("create", "x")
    other = "m2" if part == "m1" else "m1"
    cluster.deliver(other, 0)
    cluster.tell(other, 0)
    assert client.ask(READ).rows == [[0]]
    assert client.ask(READ, read="strong").sqlstate in ("3D000", "57P03")
    client.close()


def test_strong_holds_for_names_too(cluster: SmallCluster) -> None:
    """A node that lags has not heard of a database, another was dropped: USE and SHOW DATABASES say what is so."""
    cluster.change("drop", "x")
    log_id = cluster.change("create", "y")
    cluster.deliver("m1", 0)
    cluster.tell("m1", 0)
    clients = [SmallClient(cluster, part) for part in PARTS]
    for client in clients:
        assert client.ask("asehoy ny tahiry", read="strong").rows == [["y"]], client.part
        assert client.ask("ampiasao x", read="strong").sqlstate == "3D000", client.part
        chosen = client.ask("ampiasao y", read="strong")
        assert (chosen.sqlstate, chosen.meta["db"], chosen.meta["log"]) == ("", "y", log_id), client.part
    cluster.level(0)
    for client in clients:
        assert client.ask("alaivo 1", trace="").meta["log"] == log_id, client.part
        client.close()


def test_who_was_shown_that_a_database_is_gone_is_served_nothing_of_it(cluster: SmallCluster) -> None:
    """The cache has not heard of the drop, but its session has: it asked for the list."""
    client = SmallClient(cluster, "cache")
    client.ask("ampiasao x")
    for _ in range(3):
        assert client.ask(READ).rows == [[0]]
    cluster.is_cache_hearing.clear()
    cluster.change("drop", "x")
    shown = client.ask("asehoy ny tahiry", trace="")
    assert (shown.rows, shown.meta["db"], shown.meta["log"], shown.meta["index"]) == ([], None, 0, cluster.head(0))
    assert client.ask(READ).sqlstate == "3D000"
    client.close()


@pytest.fixture
def at_the_log(tmp_path: Path) -> Iterator[SmallCluster]:
    """A cluster as `cluster`, whose node m1 hosts the log itself."""
    made = _of_one_row(tmp_path, 2 * PATIENT_MS)
    made.nodes["m1"].forward.own_log = made.host.requests
    yield made
    made.nodes["m1"].forward.own_log = None
    made.stop()


def waiting_at_m1(cluster: SmallCluster) -> gevent.Greenlet[..., Answered]:
    """A strong read that waits at m1 for an entry of x that m2 has told of."""
    log_id = running(cluster)
    cluster.deliver("m2", log_id)
    cluster.tell("m2", log_id)
    reading = gevent.spawn(asked, cluster, "m1", read="strong")
    gevent.sleep(0.2)
    assert not reading.ready()
    return reading


def test_a_strong_read_that_waits_hears_that_its_database_is_dropped(at_the_log: SmallCluster) -> None:
    """The log's host knows; the node does not yet."""
    reading = waiting_at_m1(at_the_log)
    at_the_log.change("drop", "x")
    assert reading.get(timeout=10).sqlstate == "3D000"


def test_a_strong_read_that_waits_goes_on_in_the_database_that_has_the_name_now(
    at_the_log: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is promised of a strong read holds there: it is told when its state is known."""
    # It does not look while the name means nothing.
    monkeypatch.setattr("dirk_gevent.node.server._LOOK_MS", 1_500)
    cluster = at_the_log
    reading = waiting_at_m1(cluster)
    cluster.change("drop", "x")
    log_id = cluster.change("create", "x")
    for text in ("manamboara tabilao t (n ISA)", "manampia ao@ t sanda (7)"):
        cluster.append(log_id, text)
    for name in cluster.nodes:
        cluster.deliver(name, 0)
        cluster.deliver(name, log_id)
    gevent.sleep(0.3)
    assert not reading.ready(), "nobody knows yet how the entries ended that it would be told of"
    cluster.tell("m2", log_id)
    assert reading.get(timeout=10).rows == [[7]]
