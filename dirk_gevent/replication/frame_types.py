"""Messages between the log's host and a node on a subscription, as JSON and back.

Host to node: welcome, refuse, entries, mark, fence, halt, snapshot (+ chunk, snapshot_end), beat.
Node to host: acks, stands (where it is, when the hello was overtaken), beat, digest, upload (+ chunk, upload_end),
undone (no digest and no snapshot: its disk failed), damaged (its file can't be read), halted (how it stands in a log of
which it begins nothing more). What answers a mark names its `ask`, a number of this connection.
Only this file knows the field names; both sides work with the dataclasses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dirk_gevent.engine.apply.at_work import Effort
from dirk_gevent.engine.results import Outcome, Relation
from dirk_gevent.engine.results import columns_json as encode_columns
from dirk_gevent.log.clock import clock_ms
from dirk_gevent.log.records import Predecessor, SnapshotInfo
from dirk_parser.plan.plan import Output

#: Snapshots travel in pieces of this size, between which other frames pass.
CHUNK_BYTES = 256 * 1024
#: What RETURNING may take in one acknowledgement before the next begins.
_ACK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a node stands in one log: what it applied, the chain hash there, the highest head it ever heard."""

    applied: int
    chain: bytes
    heard: int
    state: str = "live"


@dataclass(frozen=True, slots=True)
class Hello:
    """How a node introduces itself. `genesis` is None for a node that never followed a log.

    `owner` is the node that its data directory belongs to; None for a directory that does not say. `process` is
    another text after each start. `port` is where it is asked; 0 when it does not say. `epoch` is the last one that it
    heard of, behind the genesis of the log whose it was.
    """

    node: str
    build: str
    genesis: bytes | None
    standings: Mapping[int, Standing]
    owner: str | None = None
    process: str = ""
    port: int = 0
    epoch: tuple[bytes, bytes] | None = None

    def encode(self) -> dict[str, Any]:
        """The `follow` field of the subscription's metadata."""
        logs = {str(i): [s.applied, s.chain.hex(), s.heard, s.state] for i, s in self.standings.items()}
        return {
            "as": "node",
            "node": self.node,
            "build": self.build,
            "genesis": self.genesis.hex() if self.genesis else None,
            "logs": logs,
            "owner": self.owner,
            "process": self.process,
            "port": self.port,
            "epoch": [part.hex() for part in self.epoch] if self.epoch else None,
        }

    @staticmethod
    def decode(fields: Mapping[str, Any]) -> Hello:
        """The inverse; KeyError, TypeError or ValueError for anything else."""
        if not isinstance(fields["logs"], dict):
            raise TypeError("logs is not an object")
        logs = {
            int(i): Standing(int(applied), bytes.fromhex(chain), int(heard), str(state))
            for i, (applied, chain, heard, state) in fields["logs"].items()
        }
        genesis, owner = fields["genesis"], fields.get("owner")
        known_genesis = bytes.fromhex(genesis) if genesis else None
        named, process = str(owner) if owner else None, str(fields.get("process") or "")
        epoch_fields: list[str] | None = fields.get("epoch")
        heard = (bytes.fromhex(epoch_fields[0]), bytes.fromhex(epoch_fields[1])) if epoch_fields else None
        port = int(fields.get("port") or 0)
        return Hello(
            node=str(fields["node"]),
            build=str(fields["build"]),
            genesis=known_genesis,
            standings=logs,
            owner=named,
            process=process,
            port=port,
            epoch=heard,
        )


@dataclass(frozen=True, slots=True)
class Welcome:
    """The host's answer: which log this is, where it ends, and which logs it replaced. `epoch` is b"" while the log
    has appended nothing since it was opened. `forgets`: what the node heard of before was of a log that was given up.
    """

    genesis: bytes
    predecessors: tuple[Predecessor, ...]
    heads: Mapping[int, int]
    beat_seconds: float
    epoch: bytes = b""
    forgets: bool = False

    def encode(self) -> dict[str, Any]:
        """As a frame."""
        return {
            "t": "welcome",
            "genesis": self.genesis.hex(),
            "predecessors": [
                [p.genesis.hex(), {str(i): at for i, at in p.indexes.items()}] for p in self.predecessors
            ],
            "heads": _indexes_out(self.heads),
            "beat_seconds": self.beat_seconds,
            "epoch": self.epoch.hex(),
            "forgets": self.forgets,
        }

    @staticmethod
    def decode(fields: Mapping[str, Any]) -> Welcome:
        """The inverse."""
        predecessors = tuple(
            Predecessor(bytes.fromhex(genesis), indexes_in(indexes)) for genesis, indexes in fields["predecessors"]
        )
        heads = indexes_in(fields["heads"])
        genesis, epoch = bytes.fromhex(fields["genesis"]), bytes.fromhex(fields["epoch"])
        return Welcome(
            genesis=genesis,
            predecessors=predecessors,
            heads=heads,
            beat_seconds=float(fields["beat_seconds"]),
            epoch=epoch,
            forgets=bool(fields["forgets"]),
        )


def _indexes_out(indexes: Mapping[int, int]) -> dict[str, int]:
    return {str(log_id): index for log_id, index in indexes.items()}


def indexes_in(fields: Mapping[str, Any]) -> dict[int, int]:
    """Indexes by log id out of JSON."""
    return {int(log_id): int(index) for log_id, index in fields.items()}


def host_beat(heads: Mapping[int, int], log_ms: int, epoch: bytes) -> dict[str, Any]:
    """The host's heartbeat: heads that changed since the last one, the log's time and its epoch."""
    return {"t": "beat", "heads": _indexes_out(heads), "clock": log_ms, "epoch": epoch.hex()}


def node_beat(
    durable: Mapping[int, int],
    states: Mapping[int, str],
    efforts: Mapping[int, Effort | None] | None = None,
    answers: Mapping[int, int] | None = None,
) -> dict[str, Any]:
    """The node's heartbeat: its clock, durable indexes that changed, states that are not live, what it is at, and how
    far its answers to marks are.
    """
    at_work = {
        str(i): [effort.index, effort.ms, effort.steps, effort.cpu_ms]
        for i, effort in (efforts or {}).items()
        if effort
    }
    return {
        "t": "beat",
        "clock": clock_ms(),
        "durable": _indexes_out(durable),
        "states": {str(log_id): state for log_id, state in states.items()},
        "work": at_work,
        "answers": _indexes_out(answers or {}),
    }


def efforts_in(frame: Mapping[str, Any]) -> dict[int, Effort]:
    """The work of a node, out of its heartbeat."""
    return {int(log_id): Effort(*map(int, effort)) for log_id, effort in (frame.get("work") or {}).items()}


@dataclass(frozen=True, slots=True)
class Halted:
    """A node begins nothing more of a log: how far it is, whether it is at work, whether an entry cannot be applied."""

    applied: int
    is_busy: bool
    is_stuck: bool


def halted(log_id: int, stands: Halted) -> dict[str, Any]:
    """A node's answer to `halt`."""
    return {"t": "halted", "log": log_id, "at": stands.applied, "busy": stands.is_busy, "stuck": stands.is_stuck}


def halted_in(fields: Mapping[str, Any]) -> Halted:
    """The inverse of `halted`."""
    return Halted(int(fields["at"]), bool(fields["busy"]), bool(fields["stuck"]))


@dataclass(frozen=True, slots=True)
class Acks:
    """How entries that were sent ended on a node, up to `applied`: all or a part of those up to `upto`.

    `chain` is the log's hash at `upto`: it names the entries that are meant.
    """

    log_id: int
    applied: int
    upto: int
    chain: bytes
    outcomes: Sequence[Outcome]

    def encode(self) -> dict[str, Any]:
        """As a frame."""
        outcomes = [_outcome_out(outcome) for outcome in self.outcomes]
        fields = {"log": self.log_id, "applied": self.applied, "upto": self.upto, "chain": self.chain.hex()}
        return {"t": "acks", **fields, "o": outcomes}

    @staticmethod
    def decode(fields: Mapping[str, Any]) -> Acks:
        """The inverse."""
        log_id, applied, upto = int(fields["log"]), int(fields["applied"]), int(fields["upto"])
        return Acks(
            log_id, applied, upto, bytes.fromhex(fields["chain"]), [_outcome_in(*field) for field in fields["o"]]
        )


def stands(log_id: int, index: int, chain: bytes) -> dict[str, Any]:
    """Where a node stands in a log by now: otherwise than its hello says, by what came on the connection before."""
    return {"t": "stands", "log": log_id, "at": index, "chain": chain.hex()}


def parts(outcomes: Sequence[Outcome]) -> Iterator[Sequence[Outcome]]:
    """Outcomes in pieces that fit into a message each, whatever their RETURNING holds; one piece as a rule."""
    first = size_bytes = 0
    for at, outcome in enumerate(outcomes):
        if outcome.returning is not None:
            size_bytes += outcome.returning.size_bytes
            if size_bytes > _ACK_BYTES:
                yield outcomes[first : at + 1]
                first, size_bytes = at + 1, 0
    yield outcomes[first:]


def _outcome_out(outcome: Outcome) -> list[Any]:
    fields = [
        outcome.index,
        outcome.digest.hex(),
        outcome.sqlstate,
        outcome.key,
        outcome.params,
        outcome.rows,
        outcome.tables,
        outcome.verb,
        outcome.name,
        outcome.request_id,
        outcome.repeats,
    ]
    if outcome.returning is not None:
        relation = outcome.returning
        columns = [[c.name, c.origin, c.is_boolean] for c in relation.columns]
        fields.append([relation.name, columns, relation.rows])
    return fields


def _outcome_in(
    index: int,
    digest: str,
    sqlstate: str,
    key: str,
    params: dict[str, str | int],
    rows: int,
    tables: list[str],
    verb: str,
    name: str,
    request_id: str,
    repeats: int,
    returning: list[Any] | None = None,
) -> Outcome:
    relation = None if returning is None else _relation_in(index, *returning)
    digest_bytes = bytes.fromhex(digest)
    written = tuple(tables)
    return Outcome(
        index=index,
        sqlstate=sqlstate,
        key=key,
        params=params,
        rows=rows,
        tables=written,
        verb=verb,
        name=name,
        request_id=request_id,
        digest=digest_bytes,
        returning=relation,
        repeats=repeats,
    )


def _relation_in(index: int, name: str, columns: list[list[Any]], rows: list[list[Any]]) -> Relation:
    outputs = tuple(Output(*column) for column in columns)
    return Relation(
        name=name,
        columns=outputs,
        rows=[tuple(row) for row in rows],
        index=index,
        tables=(),
        repeatable=False,
        columns_json=encode_columns(outputs),
    )


def snapshot_fields(kind: str, info: SnapshotInfo) -> dict[str, Any]:
    """A `snapshot` (host to node) or `upload` (node to host) frame: what the chunks behind it are."""
    return {
        "t": kind,
        "log": info.log_id,
        "index": info.index,
        "chain": info.chain.hex(),
        "digest": info.digest.hex(),
        "size": info.size_bytes,
        "checksum": info.checksum.hex(),
    }


def snapshot_in(fields: Mapping[str, Any]) -> SnapshotInfo:
    """The inverse of `snapshot_fields`."""
    return SnapshotInfo(
        log_id=int(fields["log"]),
        index=int(fields["index"]),
        chain=bytes.fromhex(fields["chain"]),
        digest=bytes.fromhex(fields["digest"]),
        size_bytes=int(fields["size"]),
        checksum=bytes.fromhex(fields["checksum"]),
    )
