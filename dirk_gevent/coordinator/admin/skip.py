"""The way out of an entry that no master can apply: a person has it skipped.

It then ended with XX000 and changed nothing, on every node, for ever (`dirk_gevent.log.skipped`). That is decided only
when nobody can know otherwise: the database is blocked, every master that is not evicted is connected and has stopped,
and none has applied the entry, told its outcome or is at work on it. If one has, that outcome counts, and those that
are stuck are seeded from its state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import gevent

from dirk_gevent.coordinator.divergence.registry import Cause
from dirk_gevent.coordinator.operation_parts import OperationParts
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.log.records import DatabaseInfo
from dirk_gevent.replication.frame_types import Halted
from dirk_parser.errors import SqlError

_KEY = "skipping"
#: So long a master is waited for that is at work, or on its way back.
_BUSY_SECONDS = 5.0
#: So long a master has at least to tell how it stands.
_ANSWER_SECONDS = 2.0
#: So long the nodes have to come back and go on.
_BACK_SECONDS = 30.0
_LOOK_SECONDS = 0.05


class SkipRefused(Exception):  # noqa: N818 (it is the outcome's name, not a fault)
    """The entry cannot be skipped: `str()` is a plain sentence. Nothing was changed."""


def skip(
    parts: OperationParts, info: DatabaseInfo, index: int, take_state: Callable[[int, str], None]
) -> tuple[int, str]:
    """Skip entry `index`, or have its outcome count where there is one: exit status and last sentence. Blocks.

    `take_state` makes the log hold the state that a master has of a log. Raises SkipRefused, SqlError.
    """
    _check_entry(parts, info, index)
    parts.state.blocks.check(info.log_id)
    parts.state.blocks.block(info.log_id, SqlError(_KEY, name=info.name))
    try:
        stands = _halted_masters(parts, info, index)
        past = [name for name, at in stands.items() if at.applied >= index]
        if past:
            return _count_outcome(parts, info, index, stands, keep=past[0], take_state=take_state)
        _check_stuck(parts, info, index, stands)
        parts.state.log.appends.skip(info.log_id, index)
        parts.state.logger.info("entry_skipped", log=info.log_id, index=index)
        for name, view in parts.state.cluster.nodes.items():
            if not view.is_master and view.applied_index(info.log_id) >= index:
                parts.fences.fence(name, info.log_id, index, Cause.OUTCOME)
    finally:
        _let_go(parts, info.log_id)
        parts.state.blocks.unblock(info.log_id, _KEY)
    return _await_skipped(parts, info, index)


def _check_entry(parts: OperationParts, info: DatabaseInfo, index: int) -> None:
    if info.log_id == SYSTEM_LOG_ID:
        raise SkipRefused("entries of the system database cannot be skipped: they say which databases there are")
    oldest, head = parts.state.log.reads.oldest(info.log_id), parts.state.head_index(info.log_id)
    if oldest > head:
        held = f"ends at {head}, and a snapshot holds all of it" if head else "holds no entry yet"
        raise SkipRefused(f"the log of {info.name} {held}: there is no entry {index} to skip")
    if not oldest <= index <= head:
        raise SkipRefused(f"the log of {info.name} holds the entries {oldest} to {head}, not {index}")


def _halted_masters(parts: OperationParts, info: DatabaseInfo, index: int) -> dict[str, Halted]:
    """How each master stands, after it has begun nothing more. Raises SkipRefused unless all of them tell."""
    nodes = parts.state.cluster.nodes
    masters = [name for name, view in nodes.items() if view.is_master and not view.is_evicted(info.log_id)]
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        stands = {name: _stands(parts, info, name, deadline) for name in masters}
        busy = [name for name, at in stands.items() if at.is_busy and at.applied < index]
        if not busy:
            return stands
        if time.monotonic() > deadline:
            raise SkipRefused(f"{busy[0]} is at work on {info.name}: how entry {index} ends there is not known yet")
        gevent.sleep(_LOOK_SECONDS)


def _stands(parts: OperationParts, info: DatabaseInfo, name: str, deadline: float) -> Halted:
    while (link := parts.state.links.get(name)) is None or link.stands_at(info.log_id) is None:
        # It may be on its way back, or on its way in; a try before this one has sent it away for a moment, too.
        if time.monotonic() > deadline:
            what = "is being seeded" if link is not None else "is not connected"
            raise SkipRefused(f"{name} {what}: it may have applied the entry; wait for it, or evict it for good")
        gevent.sleep(_LOOK_SECONDS)
    if parts.state.is_shut_out(name, info.log_id):
        raise SkipRefused(f"{name} is shut out and about to be seeded: try again when it is level")
    link.halt(info.log_id)
    answer_by = max(deadline, time.monotonic() + _ANSWER_SECONDS)
    while info.log_id not in link.halt_answers:
        if parts.state.links.get(name) is not link or time.monotonic() > answer_by:
            raise SkipRefused(f"{name} does not answer: it may have applied the entry")
        gevent.sleep(_LOOK_SECONDS)
    return link.halt_answers[info.log_id]


def _check_stuck(parts: OperationParts, info: DatabaseInfo, index: int, stands: Mapping[str, Halted]) -> None:
    if parts.state.outcomes.of(info.log_id).is_told(index):
        raise SkipRefused(f"a master has told how entry {index} of {info.name} ended: that cannot be taken back")
    if not any(at.is_stuck and at.applied == index - 1 for at in stands.values()):
        positions = ", ".join(f"{name} at {at.applied}" for name, at in stands.items())
        raise SkipRefused(f"no master is stuck at entry {index} of {info.name}: they stand behind {positions}")


def _count_outcome(
    parts: OperationParts,
    info: DatabaseInfo,
    index: int,
    stands: Mapping[str, Halted],
    *,
    keep: str,
    take_state: Callable[[int, str], None],
) -> tuple[int, str]:
    """`keep` has applied the entry: how it ended there counts, and the others take the state that it led to."""
    stuck = [name for name, at in stands.items() if at.applied < index and at.is_stuck]
    if not stuck:
        raise SkipRefused(f"{keep} has applied entry {index} of {info.name}, and no master is stuck: nothing to skip")
    _let_go(parts, info.log_id)
    _await_back(parts, info, keep)
    latest = parts.state.log.snapshots.latest(info.log_id)
    if latest is None or latest.index < index or not latest.confirmed:
        take_state(info.log_id, keep)
    for name in stuck:
        parts.fences.fence(name, info.log_id, index, Cause.ASKED)
    names = ", ".join(stuck)
    return 0, f"{keep} has applied entry {index} of {info.name}: that outcome counts, and {names} takes its state."


def _let_go(parts: OperationParts, log_id: int) -> None:
    """Let all nodes come back and go on: the log tells them anew what follows."""
    for link in parts.state.links.values():
        if log_id in link.halt_answers:
            link.close()


def _await_back(parts: OperationParts, info: DatabaseInfo, name: str) -> None:
    """Wait until a node that was let go is here on a new connection and has said there that it is live."""
    deadline = time.monotonic() + _BACK_SECONDS
    while (
        (link := parts.state.links.get(name)) is None
        or info.log_id in link.halt_answers
        or not link.stands_at(info.log_id)
        or not parts.state.cluster.is_live_master(name, info.log_id)
    ):
        if time.monotonic() > deadline:
            raise SkipRefused(f"{name}, which has applied the entry, has not come back: try again when it is here")
        gevent.sleep(_LOOK_SECONDS)


def _await_skipped(parts: OperationParts, info: DatabaseInfo, index: int) -> tuple[int, str]:
    deadline = time.monotonic() + _BACK_SECONDS
    done = f"entry {index} of {info.name} is skipped: it ended with XX000 and changed nothing, on every node"
    cluster = parts.state.cluster
    while not any(
        cluster.nodes[name].applied_index(info.log_id) >= index for name in cluster.live_masters(info.log_id)
    ):
        if time.monotonic() > deadline:
            return 1, f"{done}; but no master has gone on yet: see dirk-admin status"
        gevent.sleep(_LOOK_SECONDS)
    return 0, f"{done}."
