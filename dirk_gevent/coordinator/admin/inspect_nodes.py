"""The contents of the nodes' data directories, read from outside: for a person who must decide which node to trust.

Reading disturbs nobody: a node may run meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from dirk_gevent.config.settings import Config
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.files.file_format import check_format
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.replication.genesis import followed_log

#: `dirk.sqlite` is the system database's in a directory that no node of this release has taken over yet.
_FILES = re.compile(r"system\.sqlite|dirk\.sqlite|db-[0-9]{8,}\.sqlite")


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """One node's files on disk: its databases by log id, the genesis it follows, and what could not be read.

    `listed` are the names, by log id, of those that its system database lists: one that was never written to may have
    no file that says so. `problems` are sentences. A directory that is not there (another machine's, say) has no
    databases and one problem.
    """

    node: str
    directory: Path
    databases: Mapping[int, stored_records.FileMeta] = field(default_factory=dict)
    genesis: bytes | None = None
    problems: tuple[str, ...] = ()
    listed: Mapping[int, str] = field(default_factory=dict)

    @property
    def system_index(self) -> int:
        """How far this node is in the system database's log."""
        system = self.databases.get(SYSTEM_LOG_ID)
        return system.applied_index if system else 0


@dataclass(frozen=True, slots=True)
class Loss:
    """Entries of one database that `node` has applied and the chosen node has not."""

    node: str
    database: str
    log_id: int
    entries: int


def inspect_nodes(config: Config) -> tuple[NodeFiles, ...]:
    """Reads the data directory of every instance."""
    return tuple(node_files(instance.id, instance.data_directory) for instance in config.instances)


def node_files(node: str, directory: Path) -> NodeFiles:
    """Reads one node's data directory."""
    if not directory.is_dir():
        return NodeFiles(node, directory, problems=(f"{directory} is not on this machine",))
    databases: dict[int, stored_records.FileMeta] = {}
    listed: dict[int, str] = {}
    problems = []
    for path in sorted(path for path in directory.iterdir() if _FILES.fullmatch(path.name) and path.is_file()):
        try:
            meta, names = _read(path)
        except (apsw.Error, StorageFault) as error:
            problems.append(f"{path} cannot be read: {error}")
        else:
            if meta is not None:
                databases[meta.log_id] = meta
                listed |= names
    genesis = None
    with suppress(OSError):
        genesis = followed_log(directory)
    return NodeFiles(node, directory, databases, genesis, problems=tuple(problems), listed=listed)


def losses(chosen: NodeFiles, nodes: tuple[NodeFiles, ...]) -> list[Loss]:
    """Entries that other nodes have and `chosen` has not: what would be lost if the log began where `chosen` is.

    A database that is unknown to `chosen` counts only if it was made after what `chosen` has seen; an older one
    was dropped there.
    """
    lost = []
    for node in nodes:
        for log_id, meta in sorted(node.databases.items()):
            own = chosen.databases.get(log_id)
            if own is None and log_id <= chosen.system_index:
                continue
            missing = meta.applied_index - (own.applied_index if own else 0)
            if missing > 0:
                lost.append(Loss(node.node, meta.name, log_id, missing))
    return lost


def entries_lost(found: list[Loss]) -> int:
    """How many log entries `losses` make together: those that several nodes have count once."""
    most: dict[int, int] = {}
    for loss in found:
        most[loss.log_id] = max(most.get(loss.log_id, 0), loss.entries)
    return sum(most.values())


def _read(path: Path) -> tuple[stored_records.FileMeta | None, dict[int, str]]:
    """The facts in a file, and the databases that it lists, if it is the system database's."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        check_format(connection, path.name)
        meta = stored_records.read_meta(connection)
        if meta is None or meta.log_id != SYSTEM_LOG_ID:
            return meta, {}
        rows = (
            listed for listed in stored_records.read_catalog(connection) if listed.kind == stored_records.DATABASE_KIND
        )
        return meta, {int(row.source or 0): row.name for row in rows}
    finally:
        connection.close(True)
