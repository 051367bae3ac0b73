"""One log that cannot be read, or looked after, keeps no other waiting, and no node from following the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.log.entry import Draft, LoggedStatement
from dirk_gevent.log.records import Chunk, Damage
from dirk_gevent.replication.frame_types import Standing
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.service.fake_node import NOW_MS, FakeNode, append


@pytest.fixture
def other(host: Coordinator) -> Iterator[int]:
    """A second database; both have entries."""
    change = host.state.log.appends.create_database("b", new_request_id(NOW_MS)).change
    assert change is not None
    append(host, 3)
    for _ in range(3):
        draft = Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),))
        host.state.log.appends.append(change.log_id, draft)
    return change.log_id


def unreadable(*_: object) -> SqlError:
    return SqlError("log_unavailable", reason="disk I/O error")


def test_a_hash_that_cannot_be_read_keeps_no_node_away(
    host: Coordinator, other: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_at = host.state.log.reads.chain_at

    def broken(log_id: int, index: int) -> bytes | None:
        if log_id == 1:
            raise unreadable()
        return chain_at(log_id, index)

    monkeypatch.setattr(host.state.log.reads, "chain_at", broken)
    chain = chain_at(other, 1)
    assert chain is not None
    node = FakeNode(host, "m1", {1: Standing(1, chain, 1), other: Standing(1, chain, 1)})
    while node.next("entries", "fence")["log"] != other:
        continue
    node.end()


def test_a_log_that_cannot_be_read_holds_up_no_other(
    host: Coordinator, other: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again; what the others are sent does not wait for that."""
    tries: list[int] = []
    read = host.state.log.reads.read

    def broken(log_id: int, after: int, max_bytes: int) -> Chunk:
        if log_id == 1:
            tries.append(after)
            raise unreadable()
        return read(log_id, after, max_bytes)

    monkeypatch.setattr(host.state.log.reads, "read", broken)
    monkeypatch.setattr("dirk_gevent.coordinator.log_sender._READ_AGAIN_SECONDS", 2.0)
    node = FakeNode(host, "m1")
    while node.next("entries")["log"] != other:
        continue
    assert len(tries) == 1, "no wait for the one has come before the other"
    node.end()


def test_damage_that_cannot_be_mended_now_leaves_other_logs_to_heal(
    host: Coordinator, other: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def heal(log_id: int, _damage: Damage) -> bool:
        looked.append(log_id)
        raise unreadable()

    monkeypatch.setattr(host.state.log.reads, "damage", lambda log_id: Damage(1, 1, "it rotted") if log_id else None)
    monkeypatch.setattr(host.integrity, "_heal", heal)
    host.integrity.look()
    assert looked == [1, other]
