"""A log that is damaged, as its host deals with it: who waits, who goes on, what is blocked, how it heals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import apsw
import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.coordinator.admin.replay import LogSource
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause, Status
from dirk_gevent.coordinator.server_rows import server_rows
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.embedded.journal_file import position
from dirk_gevent.log.records import LogDamagedError
from dirk_gevent.messages.error_text import sentence
from dirk_gevent.replication.frame_types import Standing
from tests.service.fake_node import NOW_MS, FakeNode, append, blocking, snapshot_at_head, until, upload

DAMAGED, HEAD = 5, 12


@dataclass
class Rotten:
    """A host whose log has `HEAD` entries, the one at `DAMAGED` not what was appended; chain hashes by index."""

    host: Coordinator
    chains: dict[int, bytes]

    def standing(self, index: int) -> dict[int, Standing]:
        """Where a node stands that applied up to `index`."""
        return {1: Standing(index, self.chains[index], HEAD)}


@pytest.fixture
def rotten(host: Coordinator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotten]:
    monkeypatch.setattr("dirk_gevent.coordinator.divergence.log_integrity._ALONE_SECONDS", 0.2)
    monkeypatch.setattr("dirk_gevent.coordinator.divergence.log_integrity._RETRY_SECONDS", 0.1)
    append(host, HEAD)
    chains = {index: host.state.log.reads.chain_at(1, index) or b"" for index in range(HEAD + 1)}
    host.stop()
    host.state.log.close()
    path = host.state.config.log.directory / "journal.sqlite"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE entries SET encoded=? WHERE position=?", (b"[1]", position(1, DAMAGED)))
    log = EmbeddedLog(host.state.config.log, clock=lambda: NOW_MS)
    again = Coordinator(host.state.config, log, logger("test"))
    running = gevent.spawn(again.run)
    yield Rotten(again, chains)
    running.kill()
    again.reports.is_stopping = True
    again.stop()
    log.close()


@pytest.fixture
def come(rotten: Rotten) -> Iterator[Callable[[str, int], FakeNode]]:
    """Connects a node that stands at an index, and has it on its disk."""
    made: list[FakeNode] = []

    def one(node: str, index: int) -> FakeNode:
        made.append(FakeNode(rotten.host, node, rotten.standing(index)))
        made[-1].beat(durable={1: index})
        until(lambda: rotten.host.state.cluster.nodes[node].progress.durable.get(1) == index)
        return made[-1]

    yield one
    for node in made:
        node.end()


def of_log(node: FakeNode, *kinds: str) -> dict[str, Any]:
    """The next frame of one of these kinds about log 1."""
    while (frame := node.next(*kinds))["log"] != 1:
        continue
    return frame


def state(rotten: Rotten, node: str) -> str:
    """What SHOW SERVERS says of log 1 on a node."""
    return next(row.state for row in server_rows(rotten.host.state) if (row.node, row.database) == (node, "t"))


def test_who_is_behind_waits_and_who_is_past_it_goes_on(
    rotten: Rotten, come: Callable[[str, int], FakeNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one behind gets what is whole, and no byte more; nobody is fenced."""
    monkeypatch.setattr("dirk_gevent.coordinator.divergence.log_integrity._ALONE_SECONDS", 600.0)
    behind, level = come("m1", 2), come("m2", HEAD)
    frame = of_log(behind, "entries")
    assert (frame["first"], len(frame["body"].split(b"\n"))) == (3, DAMAGED - 3)
    behind.reach(1, DAMAGED - 1)
    until(lambda: state(rotten, "m1") == "stalled")
    until(lambda: state(rotten, "m2") == "live")
    rotten.host.state.blocks.check(1)
    append(rotten.host)
    assert of_log(level, "entries", "fence")["first"] == HEAD + 1
    rows = rotten.host.state.registry.all()
    assert [(one.node, one.cause, one.status) for one in rows] == [("", Cause.DAMAGED_LOG, Status.UNDECIDED)]
    assert rows[0].index == DAMAGED


def test_without_a_master_past_it_no_write_is_taken(rotten: Rotten, come: Callable[[str, int], FakeNode]) -> None:
    """A power cut would then leave nothing that leads to what was acknowledged."""
    come("m1", 2)
    until(lambda: rotten.host.state.blocks.undecided(1) is not None)
    error = blocking(rotten.host)
    assert (error.key, error.sqlstate, error.params) == ("log_cut_by_damage", "57P03", {"name": "t", "index": DAMAGED})
    assert len({sentence(error.key, language, error.params) for language in ("mg", "fr", "en")}) == 3
    come("m2", HEAD)
    until(lambda: rotten.host.state.blocks.undecided(1) is None)


def test_a_master_that_has_it_only_in_memory_does_not_make_writes_durable(
    rotten: Rotten, come: Callable[[str, int], FakeNode]
) -> None:
    """It applied the entry, but a power cut takes its file back behind the damage."""
    node = FakeNode(rotten.host, "m2", rotten.standing(HEAD))
    node.beat(durable={1: DAMAGED - 1})
    until(lambda: rotten.host.state.blocks.undecided(1) is not None)
    node.beat(durable={1: DAMAGED})
    until(lambda: rotten.host.state.blocks.undecided(1) is None)
    node.end()


def heal(rotten: Rotten, author: FakeNode, digest: bytes = b"content") -> None:
    """Have a node give the snapshot that it is asked for."""
    while not of_log(author, "mark")["upload"]:
        continue
    upload(author, snapshot_at_head(rotten.host, 1))
    author.frames.send({"t": "chunk", "log": 1}, b"state")
    author.frames.send({"t": "upload_end", "log": 1})
    author.reply(1, HEAD, digest)


def test_it_heals_from_the_only_master_that_is_past_it(rotten: Rotten, come: Callable[[str, int], FakeNode]) -> None:
    """Its snapshot is taken without a second's word, and the node behind is seeded with it."""
    level, behind = come("m2", HEAD), come("m1", 2)
    heal(rotten, level)
    seeded = of_log(behind, "snapshot")
    assert seeded["index"] == HEAD
    until(lambda: rotten.host.state.log.reads.damage(1) is None)
    assert rotten.host.state.log.reads.oldest(1) == HEAD + 1
    until(lambda: rotten.host.state.registry.all()[-1].status is Status.HEALED)
    assert not rotten.host.state.cluster.nodes["m2"].databases.fenced


def test_two_masters_that_are_past_it_must_agree(rotten: Rotten, come: Callable[[str, int], FakeNode]) -> None:
    """They do not: a log that is damaged is no witness, so a person decides, and neither is fenced."""
    nodes = [come("m1", HEAD), come("m2", HEAD)]
    until(lambda: rotten.host.operations.rounds.running(1) is not None)
    current = rotten.host.operations.rounds.running(1)
    assert current is not None
    for node, digest in zip(nodes, (b"content", b"other"), strict=True):
        node.reply(1, HEAD, digest)
        if node.name == current.author:
            heal(rotten, node, digest)
    until(lambda: (error := rotten.host.state.blocks.undecided(1)) is not None and error.key == "dispute_undecided")
    assert not any(view.databases.fenced for view in rotten.host.state.cluster.nodes.values())


def test_a_replay_does_not_get_past_it(rotten: Rotten) -> None:
    pieces = LogSource(rotten.host.state.log, 1).entries(0, HEAD)
    assert len(next(pieces)) == DAMAGED - 1
    with pytest.raises(LogDamagedError):
        next(pieces)
