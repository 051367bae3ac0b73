"""COMMIT said again while nobody knows yet: it is denied only when nothing can run under its id any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.requests.commits import Commits
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import Draft
from dirk_gevent.server.admission import AdmissionSlotsByLog
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.statement_cache import StatementCache
from dirk_parser.errors import SqlError
from tests.cluster import Cluster, Connection, meta, rows, wait_for
from tests.transactions.test_lives import in_table, ok, prepared, state, used

REQUEST_ID = "1800000000000-0123456789abcdef"
WAIT_MS = 2000


def _again(write: Callable[..., Outcome], recorded: Callable[..., Any]) -> bytes:
    sessions = SimpleNamespace(resolve=lambda *_: ("t", 1))
    waiting = AdmissionSlotsByLog(8, 1000)
    appends, state = SimpleNamespace(write=write, waiting=waiting), SimpleNamespace(head_index=lambda _: 7)
    parts: Any = SimpleNamespace(state=state, appends=appends, sessions=sessions)
    commits = Commits(parts, Limits(), StatementCache(), "proxy")
    answer = commits.again(Session("en"), Request(b"", ""), REQUEST_ID, recorded)
    assert isinstance(answer, bytes)
    return answer


def _raising(key: str) -> Callable[..., Any]:
    def refuse(*_: object) -> Any:
        raise SqlError(key)

    return refuse


@pytest.mark.parametrize(
    "key", ["log_older_than_node", "log_copied", "no_live_master", "log_unavailable", "overloaded", "disk_full_log"]
)
def test_nobody_is_told_that_there_was_no_commit_while_the_log_takes_no_entry(key: str) -> None:
    """The log may lack entries, its end may be in doubt, nobody may be there to tell: 08007 and not 25P01."""
    for recorded in (_raising("no_transaction"), _raising("stale_read")):
        with pytest.raises(SqlError) as told:
            _again(_raising(key), recorded)
        assert (told.value.sqlstate, told.value.params) == ("08007", {"request_id": REQUEST_ID})


def test_a_denial_is_the_outcome_of_an_entry_that_burns_the_id() -> None:
    appended: list[Draft] = []

    def write(log_id: int, database: str, target: str, draft: Draft) -> Outcome:
        appended.append(draft)
        return Outcome(8, "25P01", "no_transaction", {}, 0, (), "", "", draft.request_id, b"d")

    with pytest.raises(SqlError) as told:
        _again(write, _raising("no_transaction"))
    assert told.value.sqlstate == "25P01"
    assert appended == [Draft(REQUEST_ID, ())]


@pytest.mark.parametrize("door", ["proxy", "m2"])
def test_a_commit_that_is_held_up_by_its_node_does_not_come_after_its_denial(
    make_cluster: Callable[..., Cluster], door: str
) -> None:
    """Its node is stopped; the other connection waits a while, then gets a word that holds for both."""
    cluster = make_cluster(settings={"limits": {"waitMs": WAIT_MS}})
    cluster.start()
    prepared(cluster, door, "mihantona")
    with used(cluster, "proxy", "mihantona") as first, used(cluster, door, "mihantona") as second:
        node = wait_for(lambda: _began_beside(first, door), 20)
        ok(first, "manampia ao@ t sanda (1)")
        commit = f'/*dirk {{"id":"{time.time_ns() // 1_000_000}-{7:024x}"}}*/tehirizo'
        cluster.pause(node)
        try:
            first.send(f"{commit};")
            told = state(second, commit)
        finally:
            cluster.resume(node)
        assert told in ("25P01", "08007")
        first_told = "" if "Hadisoana" not in (late := first.receive()) else late.rpartition("(")[2][:5]
        settled = wait_for(lambda: _settled(second, commit), 20)
        # 08007: it was asked about for so long as one waits. 40001: its node was silent for so long that it was given
        # up before anything of it was appended.
        assert first_told in (settled, "08007") or (first_told, settled) == ("40001", "25P01")
        assert told in ("08007", settled)
        assert in_table(cluster, "proxy", "mihantona") == ([] if settled else [[1]])
        # Who was not told of the commit has not seen it either: its reads may come before it.
        strong = '/*dirk {"read":"strong"}*/' if first_told == "08007" else ""
        assert rows(first.ask(f"{strong}alaivo isaina(*) ao@ t;")) == [[0 if settled else 1]]


def _began_beside(session: Connection, door: str) -> str:
    """The node on which the session's transaction is; empty, and nothing begun, when that is `door`."""
    node = str(meta(session.ask("/*dirk {}*/atombohy;"))["node"])
    if node != door:
        return node
    ok(session, "avereno")
    return ""


def _settled(session: Connection, commit: str) -> str | None:
    """How the COMMIT ended; None while nobody knows. (`done` is the empty text: it is told apart from None.)"""
    told = state(session, commit)
    return None if told == "08007" else told or _Done("")


class _Done(str):
    """An empty SQLSTATE that counts as an answer."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


def test_without_a_database_nobody_can_say(shared_cluster: Cluster) -> None:
    """Each database has a log of its own: which one it was, only the first session knew."""
    commit = f'/*dirk {{"id":"{time.time_ns() // 1_000_000}-{8:024x}"}}*/tehirizo'
    for door in ("proxy", "m1", "cache"):
        with shared_cluster.connect(door) as session:
            assert state(session, commit) == "3D000"
