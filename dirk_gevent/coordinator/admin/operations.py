"""Operations that a person asks of a running cluster through dirk-admin: the host's side.

The program subscribes as `admin`, says what to do, and is told lines, tables and, last, how it ended. While it waits
it hears a `wait` frame every two seconds, so that it can tell a long task from a dead proxy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent

from dirk_gevent.coordinator.admin import backup, restore, skip
from dirk_gevent.coordinator.divergence.digest_round import DigestRound
from dirk_gevent.coordinator.divergence.registry import Cause, Status
from dirk_gevent.coordinator.node_view import NodeState
from dirk_gevent.coordinator.operation_parts import OperationParts
from dirk_gevent.coordinator.server_rows import SHOWN_DIGEST_BYTES
from dirk_gevent.log.entry import SYSTEM_DATABASE, SYSTEM_LOG_ID
from dirk_gevent.log.records import DatabaseInfo, EntriesGoneError
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.messages.error_text import sentence
from dirk_parser.errors import SqlError

_WAIT_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_DRAIN_SECONDS = 60.0
#: A round that another began and one of our own may take so long together.
_ROUND_SECONDS = 300.0
#: Nodes that are live and take no question (they are being told where to go on) may do so for so long.
_BEGIN_SECONDS = 10.0
_EQUAL, _DIFFERS = "equal", "differs"


class Refused(Exception):  # noqa: N818 (it is the outcome's name, not a fault)
    """It cannot be done as things are: `str()` is a plain sentence."""


def serve_admin(parts: OperationParts, frames: FrameSocket, fields: Mapping[str, Any]) -> None:
    """Do what a program of a person asks for, and say how it ended. Raises OSError when the program goes away."""
    waiting = gevent.spawn(_wait, frames)
    try:
        status, text = Operations(parts, frames).run(str(fields.get("do")), fields)
    except (Refused, restore.RestoreRefused, skip.SkipRefused) as error:
        status, text = 1, str(error)
    except SqlError as error:
        status, text = 1, sentence(error.key, "en", error.params)
    except EntriesGoneError as error:
        status, text = 1, f"the log does not reach back so far: {error}"
    except Exception as error:
        # A program that went away is no news; the last frame then fails too, and ends the subscription.
        if not isinstance(error, ConnectionError):
            parts.state.logger.exception("admin_failed", error)
        status, text = 1, f"it failed unexpectedly ({type(error).__name__}): the proxy's log says more"
    finally:
        waiting.kill()
    frames.send({"t": "end", "status": status, "text": text})


def _wait(frames: FrameSocket) -> None:
    while True:
        gevent.sleep(_WAIT_SECONDS)
        try:
            frames.send({"t": "wait"})
        except OSError:
            return


class Operations:
    """One task for one program at the other end of `frames`."""

    def __init__(self, parts: OperationParts, frames: FrameSocket) -> None:
        self._parts = parts
        self._state = parts.state
        self._frames = frames

    def run(self, verb: str, fields: Mapping[str, Any]) -> tuple[int, str]:
        """Do it: exit status and last sentence. Raises Refused, SqlError, EntriesGoneError, OSError."""
        verbs: dict[str, Callable[[Mapping[str, Any]], tuple[int, str]]] = {
            "verify": self._verify,
            "snapshot": self._snapshot,
            "evict": self._evict,
            "reseed": self._reseed,
            "drain": self._drain,
            "undrain": self._undrain,
            "settle": self._settle,
            "skip": self._skip,
            "backup": lambda fields: backup.stream(self._parts, self._frames, fields.get("database")),
            "restore": lambda fields: restore.from_log(self._parts, self._frames, self._line, fields),
            "receive": lambda fields: restore.from_program(self._parts, self._frames, fields),
        }
        task = verbs.get(verb)
        if task is None:
            raise Refused(f"this proxy does not know how to {verb}: is it of an older version?")
        return task(fields)

    # -- comparing and snapshots ------------------------------------------------------------------------------

    def _verify(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        rows: list[list[object]] = []
        blocked = 0
        for info in self._chosen(fields, with_system=True):
            if self._state.head_index(info.log_id) == 0 and self._state.blocks.undecided(info.log_id) is None:
                if info.log_id != SYSTEM_LOG_ID:
                    self._line(f"{info.name}: nothing was written to it yet, so there is nothing to compare")
                continue
            if self._tell_blocked(info):
                blocked += 1
            else:
                rows += self._verdicts(info, self._round(info.log_id, uploads=False))
        if rows:
            self._frames.send({"t": "table", "names": ["database", "index", "node", "digest", "verdict"], "rows": rows})
        return _verified([str(row[-1]) for row in rows], blocked)

    def _verdicts(self, info: DatabaseInfo, compared: DigestRound) -> list[list[object]]:
        nodes = self._state.cluster.nodes
        masters = [digest for node, digest in compared.digests.items() if nodes[node].is_master]
        right = masters[0] if masters and len(set(masters)) == 1 else None
        rows: list[list[object]] = []
        for node, view in nodes.items():
            digest = compared.digests.get(node)
            if digest is None:
                state = view.state(info.log_id)
                verdict = "did not answer" if state is NodeState.LIVE else str(state)
            else:
                verdict = _EQUAL if digest == right else _DIFFERS
            shown = digest[:SHOWN_DIGEST_BYTES].hex() if digest else ""
            rows.append([info.name, compared.index, node, shown, verdict])
        return rows

    def _snapshot(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        taken = failed = 0
        for info in self._chosen(fields):
            if self._tell_blocked(info):
                failed += 1
                continue
            head = self._state.head_index(info.log_id)
            latest = self._state.log.snapshots.latest(info.log_id)
            if head == 0 or (latest is not None and latest.index == head):
                said = f"nothing has changed since index {head}" if head else "nothing was written to it yet"
                self._line(f"{info.name}: {said}")
                continue
            current = self._round(info.log_id, uploads=True)
            latest = self._state.log.snapshots.latest(info.log_id)
            if latest is not None and latest.index >= current.index and latest.confirmed:
                taken += 1
                self._line(f"{info.name}: a snapshot at index {latest.index}, {latest.size_bytes} bytes")
            else:
                failed += 1
                self._line(f"{info.name}: no second master confirmed it")
        return (1, f"Snapshots that could not be made: {failed}.") if failed else (0, f"Snapshots made: {taken}.")

    def _tell_blocked(self, info: DatabaseInfo) -> bool:
        """True when it is not known which state of a database counts, so that comparing waits in vain; says why."""
        error = self._state.blocks.undecided(info.log_id)
        if error is not None:
            self._line(f"{info.name}: {sentence(error.key, 'en', error.params)}")
        return error is not None

    def _round(self, log_id: int, uploads: bool, author: str | None = None) -> DigestRound:
        """A round of our own, from its beginning to its end. Raises Refused when nobody can answer."""
        with gevent.Timeout(_ROUND_SECONDS, Refused("the nodes took too long: try again when they are level")):
            while (running := self._parts.rounds.running(log_id)) is not None:
                running.ended.wait()
            deadline = time.monotonic() + _BEGIN_SECONDS
            while self._parts.rounds.begin(log_id, uploads, author) is None:
                if (running := self._parts.rounds.running(log_id)) is not None:
                    running.ended.wait()
                elif not self._state.cluster.live_masters(log_id) or time.monotonic() > deadline:
                    raise Refused("no master is live: nobody can answer")
                gevent.sleep(_LOOK_SECONDS)
            mine = self._parts.rounds.running(log_id)
            assert mine is not None
            mine.ended.wait()
        return mine

    # -- nodes ------------------------------------------------------------------------------------------------

    def _evict(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        node, log_id = self._node(fields), self._log(fields)
        left = [
            name
            for name, view in self._state.cluster.nodes.items()
            if view.is_master and name != node and not view.databases.evicted
        ]
        if not left:
            raise Refused(f"{node} is the last master: without it nothing can be written")
        self._parts.fences.evict(node, log_id)
        what = "" if log_id is None else f" from {self._state.database_name(log_id)}"
        return 0, f"{node} is evicted{what}: it counts for nothing until dirk-admin reseed {node}."

    def _reseed(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        node, log_id = self._node(fields), self._log(fields)
        others = [
            name
            for name in self._state.cluster.live_masters(SYSTEM_LOG_ID if log_id is None else log_id)
            if name != node
        ]
        if not others and self._state.cluster.masters() > 1 and not fields.get("yes"):
            raise Refused(f"no other master is live: while {node} is seeded nothing can be written; add --yes")
        logs = self._parts.fences.readmit(node, log_id)
        is_here = node in self._state.links
        when = "now" if is_here else "when it is back"
        return 0, f"{node} puts what it has of {len(logs)} databases aside and takes the log's state, {when}."

    def _drain(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        node = self._node(fields)
        others = [
            name
            for name, view in self._state.cluster.nodes.items()
            if name != node and view.is_connected and not view.is_drained and view.is_master
        ]
        if not others:
            raise Refused(f"no other master is live and undrained: requests would fail without {node}")
        self._parts.drains.drain(node)
        self._state.logger.info("node_drained", target=node)
        deadline = time.monotonic() + float(fields.get("seconds", _DRAIN_SECONDS))
        while any(under_way := self._state.cluster.under_way(node)):
            if time.monotonic() > deadline:
                reads, transactions = under_way
                return 1, f"{node} gets nothing new, but {reads} reads and {transactions} transactions still run there."
            gevent.sleep(_LOOK_SECONDS)
        return 0, f"{node} is drained: stop it, start it; it serves again by itself, or after dirk-admin undrain."

    def _undrain(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        node = self._node(fields)
        if not self._parts.drains.is_drained(node):
            return 0, f"{node} was not drained: nothing was changed."
        self._parts.drains.undrain(node)
        self._state.logger.info("node_undrained", target=node)
        return 0, f"{node} serves again."

    # -- decisions --------------------------------------------------------------------------------------------

    def _settle(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        if fields.get("accept_log"):
            return self._accept_log()
        (info,) = self._chosen(fields)
        rows = [
            conflict
            for conflict in self._state.registry.having(Status.UNDECIDED)
            if conflict.log_id == info.log_id and conflict.cause in (Cause.OUTCOME, Cause.CONTENT)
        ]
        if not rows:
            raise Refused(f"there is nothing to decide about {info.name}")
        keep = fields.get("keep")
        if keep is not None:
            if self._node({"node": keep}) not in self._state.cluster.live_masters(info.log_id):
                raise Refused(f"{keep} is not a live master of {info.name}: only one that is can be kept")
            self._take_state(info, str(keep))
        right = next((row.digest for row in rows if row.node == keep), "")
        for row in rows:
            if row.node != keep:
                digests = bytes.fromhex(row.digest), bytes.fromhex(right)
                self._parts.fences.fence(row.node, info.log_id, row.index, row.cause, digests)
        self._parts.resolver.settled_by(info.log_id, str(keep or ""))
        winner = f"{keep}'s state" if keep else "the log's own state"
        return 0, f"{info.name}: {winner} counts; what the others had is kept aside on their machines."

    def _skip(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        (info,) = self._chosen(fields)

        def take_state(log_id: int, author: str) -> None:
            if self._round(log_id, uploads=True, author=author).stored is None:
                raise Refused(f"{author} could not give a snapshot of its state; try again")

        return skip.skip(self._parts, info, int(fields["index"]), take_state)

    def _take_state(self, info: DatabaseInfo, keep: str) -> None:
        """Put the state of the node `keep` into the log at its head; Refused when that fails."""
        kept = self._round(info.log_id, uploads=True, author=keep)
        if kept.stored is not None:
            return
        latest = self._state.log.snapshots.latest(info.log_id)
        if latest is not None and latest.index == kept.index:
            # One index has one snapshot: replacing its file while the journal names it would not survive a crash.
            raise Refused(
                f"the log has a state of its own at index {kept.index}, where {keep}'s would go; nothing was decided: "
                f"--keep-log takes that one, and dirk-admin rebuild-log --from {keep} makes a log of {keep}'s"
            )
        raise Refused(f"{keep} could not give a snapshot of its state; nothing was decided")

    def _accept_log(self) -> tuple[int, str]:
        older = self._parts.evidence.undecidable()
        if older is not None:
            raise Refused(f"{older.node} knows entries that this log lacks: dirk-admin rebuild-log decides that")
        if not self._parts.evidence.is_open:
            raise Refused("there is nothing to accept: the log is in use")
        self._parts.evidence.accept()
        return 0, "The log counts as it is."

    # -- helpers ----------------------------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        self._frames.send({"t": "line", "text": text})

    def _chosen(self, fields: Mapping[str, Any], with_system: bool = False) -> list[DatabaseInfo]:
        """The database that is named, or all."""
        name = fields.get("database")
        if name is not None:
            return [self._state.find(str(name))]
        system = [DatabaseInfo(SYSTEM_DATABASE, SYSTEM_LOG_ID, 0)] if with_system else []
        return [*system, *self._state.log.reads.databases()]

    def _log(self, fields: Mapping[str, Any]) -> int | None:
        name = fields.get("database")
        return None if name is None else self._state.find(str(name)).log_id

    def _node(self, fields: Mapping[str, Any]) -> str:
        node, nodes = str(fields.get("node")), self._state.cluster.nodes
        if node not in nodes:
            raise Refused(f"no node is called {node}; known: {', '.join(nodes)}")
        return node


def _verified(verdicts: list[str], blocked: int) -> tuple[int, str]:
    """How a comparison ended: exit status and last sentence. `blocked` databases were not compared."""
    differing = verdicts.count(_DIFFERS)
    silent = len(verdicts) - differing - verdicts.count(_EQUAL)
    said = []
    if differing:
        said.append(f"{differing} of {len(verdicts)} digests differ: asehoy ny fifandirana shows what is done about it")
    if silent:
        said.append(f"{silent} of {len(verdicts)} digests are missing: the verdict says what their nodes do")
    if blocked:
        said.append(f"databases that wait for a decision: {blocked}, not compared")
    if said:
        return 1, "; ".join(said)
    if not verdicts:
        return 0, "There was nothing to compare."
    return 0, f"All {len(verdicts)} digests are equal, each database's at one index."
