"""A new log from one node's databases: for when the log's disk was lost, or the log is older than the nodes.

Nothing is deleted. The old journal and its snapshots move to a folder beside the new ones, and until the last rename
the log directory holds no journal that a proxy could mistake for the new one.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import apsw

from dirk_gevent.base.files import FileLock, sync_directory
from dirk_gevent.config.settings import Config
from dirk_gevent.coordinator.admin.inspect_nodes import NodeFiles, node_files
from dirk_gevent.coordinator.admin.rebuilt_requests import known_requests
from dirk_gevent.coordinator.divergence.registry import shut_out
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import DirectoryInUse, StorageFault
from dirk_gevent.engine.files.data_directory import DirectoryNotes
from dirk_gevent.log.directory import lock_directory
from dirk_gevent.log.embedded.journal_file import JOURNAL_FILE, read_identity, write_rebuilt
from dirk_gevent.log.embedded.journal_rows import FoundSnapshot, LogRow, RequestRow
from dirk_gevent.log.embedded.snapshot_files import SNAPSHOT_FOLDER, file_checksum, snapshot_file
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.log.records import Head, Predecessor, SnapshotInfo
from dirk_gevent.messages.error_text import sentence
from dirk_parser.errors import SqlError

_WORK_FOLDER = "rebuilding"


class RebuildRefused(Exception):  # noqa: N818 (it is the outcome's name, not a fault)
    """The rebuild cannot be done as things are; `str()` is a plain sentence. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A finished rebuild: how many databases the log has, and where the old log was put (None: there was none)."""

    databases: int
    kept: Path | None


def rebuild(config: Config, chosen: NodeFiles, nodes: tuple[NodeFiles, ...]) -> Rebuilt:
    """Makes the log anew from the files of `chosen`, which must not run, nor the proxy; raises RebuildRefused.

    `nodes` are all nodes that could be read: any log that one of them follows becomes a predecessor.
    """
    check(config, chosen)
    directory = config.log.directory
    lock = _locked(directory)
    try:
        before = _identity(directory)
        work = _fresh_work_folder(directory)
        logs, snapshots, requests = _copy(config, chosen, work)
        write_rebuilt(work, _predecessors(before, nodes, logs), logs, snapshots, requests)
        kept = _swap(directory, work)
    except DirectoryInUse as error:
        raise RebuildRefused(f"{chosen.node} is running: stop it first, its files must not change now") from error
    except (OSError, StorageFault, apsw.Error) as error:
        raise RebuildRefused(f"the rebuild could not be finished: {error}") from error
    finally:
        lock.release()
    return Rebuilt(len(logs) - 1, kept)


def check(config: Config, chosen: NodeFiles) -> None:
    """Raises RebuildRefused for files that are no whole, trusted copy."""
    if not chosen.directory.is_dir():
        raise RebuildRefused(
            f"{chosen.node} cannot be used: {chosen.directory} is not on this machine; "
            "stop it, copy its directory there from its own machine, and type this again"
        )
    if chosen.problems:
        raise RebuildRefused(f"{chosen.node} cannot be used: {chosen.problems[0]}")
    if SYSTEM_LOG_ID not in chosen.databases or chosen.genesis is None:
        raise RebuildRefused(f"{chosen.node} cannot be used: it has never followed a log")
    # What is known against its state from before it was renamed is known under its old id.
    owner = DirectoryNotes(chosen.directory).owner() or chosen.node
    fenced = [state for node in {chosen.node, owner} for state in shut_out(config.log.directory, node)]
    for database, reason in fenced:
        raise RebuildRefused(f"{chosen.node} cannot be used: its database {database} was shut out ({reason})")


def _locked(directory: Path) -> FileLock:
    try:
        return lock_directory(directory)
    except SqlError as error:
        raise RebuildRefused(sentence(error.key, "en", error.params)) from error
    except OSError as error:
        raise RebuildRefused(f"the log's directory cannot be used: {error}") from error


def _identity(directory: Path) -> tuple[bytes, tuple[Predecessor, ...]]:
    """Genesis and predecessors of the journal that is there; nothing when there is none or it cannot be read.

    One of a later release is whole, and refused.
    """
    try:
        return read_identity(directory)
    except SqlError as error:
        if error.key != "later_release":
            return b"", ()
        raise RebuildRefused(f"{sentence(error.key, 'en', error.params)}; nothing was changed") from error
    except apsw.Error:
        return b"", ()


def _predecessors(
    before: tuple[bytes, tuple[Predecessor, ...]], nodes: tuple[NodeFiles, ...], logs: list[LogRow]
) -> tuple[Predecessor, ...]:
    old_genesis, older = before
    indexes = {row.log_id: row.base.index for row in logs}
    geneses = {predecessor.genesis for predecessor in older}
    followed = dict.fromkeys([old_genesis, *(node.genesis for node in nodes)])
    new = [Predecessor(genesis, indexes) for genesis in followed if genesis and genesis not in geneses]
    return (*older, *new)


def _fresh_work_folder(directory: Path) -> Path:
    """An empty folder for the new log, without what an earlier try left in it."""
    work = directory / _WORK_FOLDER
    if work.exists():
        shutil.rmtree(work)
    (work / SNAPSHOT_FOLDER).mkdir(parents=True)
    return work


def _copy(
    config: Config, chosen: NodeFiles, work: Path
) -> tuple[list[LogRow], list[FoundSnapshot], list[RequestRow]]:
    """A snapshot of each database of the node, the log that begins behind it, and the requests that made or dropped
    databases.
    """
    engine = Engine(chosen.directory, chosen.node, config.limits)
    engine.open()
    try:
        # Read again now that nothing can change them: a node that ended late may have come further.
        metas = node_files(chosen.node, chosen.directory).databases
        logs: list[LogRow] = []
        snapshots: list[FoundSnapshot] = []
        for log_id, database in sorted(engine.logs().items()):
            meta = metas.get(log_id)
            if meta is None or not meta.applied_index:
                logs.append(LogRow(log_id, database.name, metas[SYSTEM_LOG_ID].time_ms))
                continue
            logs.append(LogRow(log_id, meta.name, meta.time_ms, Head(meta.applied_index, meta.chain, meta.time_ms)))
            snapshots.append(_snapshot(database, meta, work / SNAPSHOT_FOLDER))
        return logs, snapshots, known_requests(engine.system.file.path)
    finally:
        engine.close()


def _snapshot(database: Database, meta: stored_records.FileMeta, folder: Path) -> FoundSnapshot:
    path = snapshot_file(folder, meta.log_id, meta.applied_index)
    snapshot = database.upkeep.snapshot(path)
    size_bytes, checksum = file_checksum(path)
    info = SnapshotInfo(
        log_id=snapshot.log_id,
        index=snapshot.index,
        chain=meta.chain,
        digest=bytes.fromhex(snapshot.digest),
        size_bytes=size_bytes,
        checksum=checksum,
        confirmed=True,
    )
    return FoundSnapshot(info, 0)


def _swap(directory: Path, work: Path) -> Path | None:
    """Moves the old log aside and the new one into its place; the journal last, so that half a swap is no log."""
    old = [path for path in directory.iterdir() if path.name.startswith((JOURNAL_FILE, SNAPSHOT_FOLDER))]
    kept = None
    if old:
        kept = directory / time.strftime("replaced-%Y%m%dT%H%M%SZ", time.gmtime())
        kept.mkdir()
        # The journal goes first and the files that belong to it after it: a proxy never finds a part.
        for path in sorted(old):
            path.rename(kept / path.name)
        sync_directory(kept)
    for name in (SNAPSHOT_FOLDER, JOURNAL_FILE):
        (work / name).rename(directory / name)
        sync_directory(directory)
    shutil.rmtree(work)
    return kept
