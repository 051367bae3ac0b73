"""How transactions die: with their session, of idleness, with node, proxy or database. Nothing is left of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.checkers.sessions import sqlstate
from tests.cluster import Cluster, Connection, message, meta, rows, wait_for

#: Long enough for a busy machine to say two statements.
IDLE_SECONDS = 5.0
#: Never ends by itself.
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT i FROM n WHERE i < 0"
ENDS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n"


def state(session: Connection, statement: str) -> str:
    """The SQLSTATE of an answer; empty for a success."""
    return sqlstate(session.ask(f"{statement};"))


def ok(session: Connection, *statements: str) -> None:
    """Each succeeds."""
    for statement in statements:
        answer = session.ask(f"{statement};")
        assert not sqlstate(answer), answer


def prepared(cluster: Cluster, door: str, name: str) -> None:
    """The database `name` with the empty table `t`, known at `door`."""
    with cluster.connect("proxy" if "proxy" in cluster.ports else door) as first:
        ok(first, f"manamboara tahiry {name}", f"ampiasao {name}", "manamboara tabilao t (a ISA)")
    wait_for(lambda: not sqlstate(cluster.ask(door, f'/*dirk {{"db":"{name}"}}*/alaivo * ao@ t;')), 20)


def used(cluster: Cluster, door: str, name: str) -> Connection:
    """A session in the database."""
    session = cluster.connect(door)
    ok(session, f"ampiasao {name}")
    return session


def in_table(cluster: Cluster, door: str, name: str) -> list[list[object]]:
    """What is in `t` as the log has it now."""
    return rows(cluster.ask(door, f'/*dirk {{"db":"{name}","read":"strong"}}*/alaivo a ao@ t alaharo a;'))


# --- a node that holds the log itself ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node without a proxy, where transactions may be small and work for long."""
    limits = {"transactionSteps": 10**15, "maxStatementBytes": 4096}
    directory = tmp_path_factory.mktemp("alone")
    with Cluster(directory, masters=("m1",), is_balanced=False, settings={"limits": limits}) as cluster:
        yield cluster


def test_idleness_ends_a_transaction(make_cluster: Callable[..., Cluster]) -> None:
    limits = {"transactionIdleSeconds": IDLE_SECONDS}
    lazy = make_cluster(masters=("m1",), is_balanced=False, settings={"limits": limits})
    lazy.start()
    prepared(lazy, "m1", "tapitra")
    with used(lazy, "m1", "tapitra") as one, used(lazy, "m1", "tapitra") as other:
        for session in (one, other):
            ok(session, "atombohy", "manampia ao@ t sanda (1)")
        began = time.monotonic()
        wait_for(lambda: time.monotonic() > began + 1.2 * IDLE_SECONDS, 20)
        assert state(one, "alaivo 1") == "25P03"
        assert state(one, "manampia ao@ t sanda (2)") == "25P02"
        assert message(one.ask("avereno;")) == "Naverina ny asa"
        assert state(other, "tehirizo") == "25P03"
        for session in (one, other):
            assert state(session, "tehirizo") == "25P01"
            ok(session, "atombohy", "avereno")
    assert in_table(lazy, "m1", "tapitra") == []


def test_a_node_alone_commits_and_tells_again(alone: Cluster) -> None:
    prepared(alone, "m1", "irery")
    commit = f'/*dirk {{"id":"{time.time_ns() // 1_000_000}-{1:024x}"}}*/tehirizo'
    with used(alone, "m1", "irery") as one, used(alone, "m1", "irery") as other:
        ok(one, "atombohy", "manampia ao@ t sanda (1)")
        ok(one, commit, commit)
        ok(other, commit, '/*dirk {"read":"strong"}*/atombohy', '/*dirk {"read":"strong"}*/alaivo * ao@ t', "avereno")
        assert meta(other.ask(f"{commit};"))["tx"] is False
    assert in_table(alone, "m1", "irery") == [[1]]


def test_a_transaction_is_bounded(alone: Cluster) -> None:
    prepared(alone, "m1", "betsaka")
    with used(alone, "m1", "betsaka") as session:
        ok(session, "atombohy")
        states = [state(session, f"manampia ao@ t sanda ({number})") for number in range(40)]
        made = states.count("")
        assert made > 5 and set(states[made:]) == {"54000"}
        assert rows(session.ask("alaivo isaina(*) ao@ t;")) == [[made]]
        ok(session, "tehirizo")
    assert len(in_table(alone, "m1", "betsaka")) == made


@pytest.mark.slow
def test_endless_statements_hold_up_their_own_databases_alone(alone: Cluster) -> None:
    names = [f"mandeha{number}" for number in range(4)]
    for name in (*names, "afaka"):
        prepared(alone, "m1", name)
    sessions = [used(alone, "m1", name) for name in names]
    for session in sessions:
        ok(session, "atombohy", "manampia ao@ t sanda (1)")
        session.send(f"{ENDLESS};")
    with used(alone, "m1", "afaka") as session:
        ok(session, "manampia ao@ t sanda (1)", "alaivo * ao@ t")
        assert rows(session.ask(f"{ENDS};")) == [[1_000_000]]
    assert in_table(alone, "m1", names[0]) == []
    alone.kill("m1")
    for session in sessions:
        session.close()
    alone.start("m1")
    for name in (names[0], "afaka"):
        wait_for(lambda name=name: in_table(alone, "m1", name) == ([[1]] if name == "afaka" else []), 20)


# --- a cluster -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two masters whose transactions may take few steps."""
    directory: Path = tmp_path_factory.mktemp("lives")
    with Cluster(directory, settings={"limits": {"transactionSteps": 2_000_000}}) as found:
        yield found


def test_a_session_that_ends_takes_its_transaction_along(cluster: Cluster) -> None:
    prepared(cluster, "m1", "lasa")
    for door in ("proxy", "m1", "cache"):
        with used(cluster, door, "lasa") as session:
            ok(session, "atombohy", "manampia ao@ t sanda (1)")
    for door in ("m1", "proxy"):
        assert in_table(cluster, door, "lasa") == []
        with used(cluster, door, "lasa") as session:
            ok(session, "atombohy", "alaivo * ao@ t", "avereno")


def test_the_limit_of_work(cluster: Cluster) -> None:
    prepared(cluster, "m1", "mafy")
    with used(cluster, "proxy", "mafy") as session:
        ok(session, "atombohy", "manampia ao@ t sanda (1)")
        assert state(session, ENDLESS) == "57014"
        assert state(session, ENDS) == "57014"
        ok(session, "manampia ao@ t sanda (2)")
        assert rows(session.ask("alaivo a ao@ t alaharo a;")) == [[1], [2]]
        ok(session, "tehirizo")
    assert in_table(cluster, "m1", "mafy") == [[1], [2]]


def test_a_database_that_is_dropped_meanwhile(cluster: Cluster) -> None:
    for door, statement in (("proxy", "alaivo * ao@ t"), ("m1", "manampia ao@ t sanda (2)"), ("proxy", "tehirizo")):
        prepared(cluster, "m1", "ravaina")
        with used(cluster, door, "ravaina") as session:
            ok(session, "atombohy", "manampia ao@ t sanda (1)")
            assert not sqlstate(cluster.ask("proxy", "ravao ny tahiry ravaina;"))
            wait_for(lambda: '"ravaina"' not in cluster.ask("m1", "asehoy ny tahiry;"), 20)
            wait_for(lambda: '"ravaina"' not in cluster.ask("m2", "asehoy ny tahiry;"), 20)
            assert state(session, statement) == "3D000"
            if statement != "tehirizo":
                assert state(session, "alaivo 1") == "25P02"
                ok(session, "avereno")


def test_a_node_that_dies_takes_its_transactions_along(cluster: Cluster) -> None:
    prepared(cluster, "m1", "maty")
    wait_for(lambda: not sqlstate(cluster.ask("m2", '/*dirk {"db":"maty"}*/alaivo * ao@ t;')), 20)
    pinned: dict[str, list[Connection]] = {"m1": [], "m2": []}
    while min(map(len, pinned.values())) < 3:
        session = used(cluster, "cache", "maty")
        pinned[meta(session.ask("/*dirk {}*/atombohy;"))["node"]].append(session)
        ok(session, "manampia ao@ t sanda (1)")
    cluster.kill("m1")
    reading, writing, committing = pinned["m1"][:3]
    for session, statement in ((reading, "alaivo * ao@ t"), (writing, "manampia ao@ t sanda (2)")):
        assert state(session, statement) == "40001"
        assert state(session, statement) == "25P02"
        ok(session, "avereno")
    assert state(committing, "tehirizo") == "40001"
    assert state(committing, "avereno") == "25P01"
    # The other node goes on; whoever tries again is served by it.
    ok(reading, "atombohy", "manampia ao@ t sanda (3)", "alaivo * ao@ t", "tehirizo")
    assert [state(session, "tehirizo") for session in pinned["m2"]] == ["40001"] * len(pinned["m2"])
    cluster.start("m1")
    for session in (*pinned["m1"], *pinned["m2"]):
        session.close()
    assert in_table(cluster, "proxy", "maty") == [[3]]


@pytest.mark.slow
def test_a_proxy_that_dies_commits_nothing(cluster: Cluster) -> None:
    prepared(cluster, "m1", "proksy")
    through, direct, cached = (used(cluster, door, "proksy") for door in ("proxy", "m1", "cache"))
    for session in (through, direct, cached):
        ok(session, "atombohy", "manampia ao@ t sanda (1)")
    cluster.kill("proxy")
    with pytest.raises(OSError):
        through.ask("tehirizo;")
    assert state(cached, "alaivo * ao@ t")[:2] == "08"
    ok(direct, "alaivo * ao@ t")
    assert state(direct, "tehirizo") == "57P03"
    assert state(direct, "avereno") == "25P01"
    for session in (through, direct, cached):
        session.close()
    cluster.start("proxy")
    wait_for(lambda: rows(cluster.ask("proxy", "asehoy ny mpizara;")), 20)
    wait_for(lambda: not sqlstate(cluster.ask("proxy", '/*dirk {"db":"proksy"}*/manampia ao@ t sanda (9);')), 20)
    assert in_table(cluster, "proxy", "proksy") == [[9]]


def test_sessions_take_turns_at_the_writer(cluster: Cluster) -> None:
    prepared(cluster, "m1", "mifandimby")
    with used(cluster, "m1", "mifandimby") as first:
        ok(first, "manamboara tabilao u (a ISA)")
    names = ("t", "u")
    sessions = {name: used(cluster, "m1", "mifandimby") for name in names}
    for session in sessions.values():
        ok(session, "atombohy")

    def work(name: str) -> None:
        for number in range(20):
            ok(sessions[name], f"manampia ao@ {name} sanda ({number})")
            assert rows(sessions[name].ask(f"alaivo isaina(*) ao@ {name};")) == [[number + 1]]

    threads = [Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for session in sessions.values():
        ok(session, "tehirizo")
        session.close()
    assert len(in_table(cluster, "proxy", "mifandimby")) == 20
