"""An earlier state made the newest one: of a database in its own place, or as a new database beside it.

The state becomes the log's next entry (`Log.adopt_snapshot`), so all nodes take it, and agree, as they take any
snapshot. It comes from the log itself (an index or a moment that it still holds), or from a program that read a backup.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gevent

from dirk_gevent.base.printable import moment
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.coordinator.admin import backup
from dirk_gevent.coordinator.admin.replay import LogSource, Scratch
from dirk_gevent.coordinator.operation_parts import OperationParts
from dirk_gevent.engine.snapshot.reissue import LogPosition
from dirk_gevent.log.entry import SYSTEM_LOG_ID, chain
from dirk_gevent.log.records import DatabaseInfo, EntriesGoneError, SnapshotInfo
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.loop.threads import NativeThreads
from dirk_parser.errors import SqlError

_PIECE_BYTES = 256 * 1024
_LOOK_SECONDS = 0.05
#: Writes that were on their way when the restore began have so long to end.
_QUIET_SECONDS = 30.0
#: So long the program may take to read the backup back that it was sent.
_PROGRAM_SECONDS = 600.0
#: So long a restore waits for a master to have the state.
_LEVEL_SECONDS = 120.0

Delivery = tuple[bytes, Iterator[bytes]]


class RestoreRefused(Exception):  # noqa: N818 (it is the outcome's name, not a fault)
    """It cannot be restored so; `str()` is a plain sentence. Nothing was changed."""


def from_log(
    parts: OperationParts, frames: FrameSocket, say: Callable[[str], None], fields: Mapping[str, Any]
) -> tuple[int, str]:
    """Restore a database to an index or a moment that its log still holds. Raises RestoreRefused, SqlError, OSError."""
    source = parts.state.find(str(fields["database"]))
    if source.log_id == SYSTEM_LOG_ID:
        raise RestoreRefused("the system database cannot be restored: it says which databases there are")
    index = _index(parts, source, fields)
    in_place = bool(fields.get("in_place"))
    target = source.name if in_place else str(fields.get("target") or f"{source.name}_{index}")
    _check_target(parts, target, in_place)
    threads = NativeThreads(1)
    with tempfile.TemporaryDirectory(prefix="restore-", dir=parts.state.config.log.directory) as directory:
        scratch = Scratch(Path(directory), source.log_id, parts.state.config.limits, threads)
        try:
            with parts.rounds.held():
                scratch.run(LogSource(parts.state.log, source.log_id), index)
            if "ms" in fields:
                say(f"{source.name}: {index_by_time(index, int(fields['ms']))}")
            say(f"{source.name} as it was at index {index} has been made anew from the log")
            if remark := scratch.older_remark():
                say(f"{source.name}: {remark}")
            file = Path(directory) / "state.zst"

            def deliver(position: LogPosition) -> Delivery:
                header = scratch.reissue(position, file)
                return bytes.fromhex(header.digest), _pieces(file, threads)

            at = _restore(parts, frames, target, in_place, deliver)
        finally:
            scratch.close()
    return 0, f"{target} is now what {source.name} was at index {index}; its log goes on behind index {at}."


def from_program(parts: OperationParts, frames: FrameSocket, fields: Mapping[str, Any]) -> tuple[int, str]:
    """Take a state that a program made out of a backup. Raises RestoreRefused, SqlError, OSError.

    It is told the `position`, and answers with a frame `state` (its digest), `chunk` frames and `chunk_end`.
    """
    target, in_place = str(fields["database"]), bool(fields.get("in_place"))
    _check_target(parts, target, in_place)

    def deliver(position: LogPosition) -> Delivery:
        frames.send(
            {
                "t": "place", "log": position.log_id, "name": position.name, "index": position.index,
                "chain": position.chain.hex(), "ms": position.time_ms,
            }
        )  # fmt: skip
        state = frames.receive()
        if state is None or state["t"] != "state":
            raise ConnectionError("the program went away")
        return bytes.fromhex(state["digest"]), _received(frames)

    at = _restore(parts, frames, target, in_place, deliver)
    return 0, f"{target} is restored; its log goes on behind index {at}."


def index_by_time(index: int, time_ms: int) -> str:
    """Which entry a moment (Unix ms) was taken for, as a sentence."""
    shown = moment(time_ms)
    if time_ms > time.time_ns() // 1_000_000:
        return f"{shown} has not come yet: index {index} is the newest there is"
    return f"index {index} was the newest at {shown}"


def _check_target(parts: OperationParts, target: str, in_place: bool) -> None:
    database = parts.state.log.reads.find(target)
    if in_place and database is None:
        raise RestoreRefused(f"there is no database {target} to replace")
    if database is not None and database.log_id == SYSTEM_LOG_ID:
        raise RestoreRefused("the system database cannot be replaced")
    if not in_place and database is not None:
        raise RestoreRefused(
            f"a database {database.name} exists: name another with --as, or replace it with --in-place"
        )


def _index(parts: OperationParts, source: DatabaseInfo, fields: Mapping[str, Any]) -> int:
    """The index that is meant, which the log still holds."""
    head = parts.state.log.reads.head(source.log_id).index
    index = fields.get("index")
    if index is None:
        try:
            index = parts.state.log.reads.index_at(source.log_id, int(fields["ms"]))
        except EntriesGoneError as error:
            raise RestoreRefused(f"the log of {source.name} does not reach back so far: it begins later") from error
    if head == 0:
        raise RestoreRefused(f"nothing was written to {source.name} yet: there is no earlier state of it")
    if int(index) == 0 and "ms" in fields:
        shown = moment(int(fields["ms"]))
        raise RestoreRefused(f"{source.name} has no state of {shown}: nothing was written to it before")
    if not 0 < int(index) <= head:
        why = f"its log ends at {head}" if int(index) > head else "entries are counted from 1"
        raise RestoreRefused(f"{source.name} has no state at index {index}: {why}")
    oldest = parts.state.log.reads.oldest(source.log_id)
    held = [snapshot.index for snapshot in parts.state.log.snapshots.all(source.log_id) if snapshot.confirmed]
    least = min((snapshot for snapshot in held if snapshot >= oldest - 1), default=None) if oldest > 1 else 0
    if least is None or int(index) < least:
        raise RestoreRefused(f"the log of {source.name} holds nothing before index {least or head}: use a backup")
    return int(index)


def _restore(
    parts: OperationParts, frames: FrameSocket, target: str, in_place: bool, deliver: Callable[[LogPosition], Delivery]
) -> int:
    """Put the state that `deliver` gives for the position it is told into the log; return its index. Blocks."""
    change = None
    if not in_place:
        change = parts.appends.create_database(target, _request_id(parts), optional=False).change
    info = parts.state.find(target)
    try:
        index = _adopt(parts, info, deliver, (lambda: _keep(parts, frames, info)) if in_place else None)
    except BaseException:
        if change is not None:
            parts.appends.drop_database(target, _request_id(parts), optional=True)
        raise
    parts.state.logger.info("restored", log=info.log_id, index=index)
    deadline = time.monotonic() + _LEVEL_SECONDS
    while not _is_everywhere(parts, info.log_id, index):
        if time.monotonic() > deadline:
            raise RestoreRefused(f"the log has {info.name}, but not every node has taken it yet: see dirk-admin status")
        gevent.sleep(_LOOK_SECONDS)
    return index


def _is_everywhere(parts: OperationParts, log_id: int, index: int) -> bool:
    """True when all nodes that are connected have the state, a master among them."""
    cluster = parts.state.cluster
    is_level = all(cluster.nodes[name].is_level(log_id, index) for name in parts.state.links)
    return bool(cluster.live_masters(log_id)) and is_level


def _adopt(
    parts: OperationParts,
    info: DatabaseInfo,
    deliver: Callable[[LogPosition], Delivery],
    keep: Callable[[], None] | None,
) -> int:
    """Append a state to the log as its next entry, while nothing else is appended; `keep` first saves the present one.

    First the block, then the copy, then the new state: so whatever was acknowledged is in one of the two.
    """
    log_id = info.log_id
    parts.state.blocks.check(log_id)
    parts.state.blocks.block(log_id, SqlError("restoring", name=info.name))
    try:
        _await_quiet(parts, info)
        head = parts.state.log.reads.head(log_id)
        if keep is not None:
            keep()
        now_ms = parts.state.log.time_ms()
        # A hash of its own: no other history leads here.
        position = LogPosition(log_id, info.name, head.index + 1, chain(head.chain, secrets.token_bytes(16)), now_ms)
        digest, chunks = deliver(position)
        try:
            # The log refuses it when anything was appended since.
            parts.state.log.snapshots.adopt(SnapshotInfo(log_id, position.index, position.chain, digest), chunks)
        except SqlError as error:
            if error.key != "log_unavailable" or not _was_taken(parts, position):
                raise
        parts.state.outcomes.replaced(log_id, position.index)
        return position.index
    finally:
        parts.state.blocks.unblock(log_id, "restoring")


def _was_taken(parts: OperationParts, position: LogPosition) -> bool:
    """True when the log has a state all the same, after a fault that left that open until the journal is read again."""
    deadline = time.monotonic() + _QUIET_SECONDS
    while parts.state.log.appends.is_in_doubt and time.monotonic() < deadline:
        gevent.sleep(_LOOK_SECONDS)
    head = parts.state.log.reads.head(position.log_id)
    return (head.index, head.chain) == (position.index, position.chain)


def _await_quiet(parts: OperationParts, info: DatabaseInfo) -> None:
    """Wait until the writes have their place that were let in before the block. Raises RestoreRefused."""
    outcomes = parts.state.outcomes.of(info.log_id)
    deadline = time.monotonic() + _QUIET_SECONDS
    while outcomes.arriving:
        if time.monotonic() > deadline:
            raise RestoreRefused(f"writes to {info.name} are still on their way to the log: try again")
        gevent.sleep(_LOOK_SECONDS)


def _keep(parts: OperationParts, frames: FrameSocket, info: DatabaseInfo) -> None:
    """Ask the program at the other end to keep a backup of a database. Raises RestoreRefused, ConnectionError."""
    frames.send({"t": "keep", "database": info.name})
    backup.stream(parts, frames, info.name)
    with gevent.Timeout(_PROGRAM_SECONDS, RestoreRefused("the program does not say that it kept a backup")):
        answer = frames.receive()
    if answer is None or answer["t"] != "kept":
        raise ConnectionError("the program went away")


def _request_id(parts: OperationParts) -> str:
    return new_request_id(parts.state.log.time_ms())


def _pieces(file: Path, threads: NativeThreads) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := threads.call(opened.read, _PIECE_BYTES):
            yield piece


def _received(frames: FrameSocket) -> Iterator[bytes]:
    while True:
        frame = frames.receive()
        if frame is None:
            raise ConnectionError("the program went away")
        if frame["t"] == "chunk_end":
            return
        yield frame["body"]
