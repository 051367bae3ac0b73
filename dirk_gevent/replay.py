"""A scratch replay: what one database must be at an index, from the log alone.

It settles a disagreement of two masters where no third can outvote one of them. It runs on a native thread, in a
directory of its own, and touches no node.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dirk_gevent.config import Limits
from dirk_gevent.engine.apply import Work
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.contract import Log
from dirk_gevent.log.entry import Entry

_READ_BYTES = 4 * 1024 * 1024
_BATCH_ENTRIES = 512


@dataclass(frozen=True, slots=True)
class Material:
    """What a replay needs: the snapshot's compressed bytes (None: from the beginning) and the entries after it."""

    log_id: int
    index: int
    snapshot: bytes | None
    entries: tuple[bytes, ...]
    limits: Limits


def material(log: Log, log_id: int, index: int, limits: Limits) -> Material:
    """Collect it from the log. Blocks; raises EntriesGoneError when the log no longer reaches back."""
    snapshot = None
    after = 0
    info = next((s for s in reversed(log.snapshots(log_id)) if s.confirmed and s.index <= index), None)
    if info is not None:
        reader = log.open_snapshot(log_id, info.index)
        try:
            snapshot = b"".join(iter(lambda: reader.read(_READ_BYTES), b""))
        finally:
            reader.close()
        after = info.index
    entries: list[bytes] = []
    while after + len(entries) < index:
        chunk = log.read(log_id, after + len(entries), _READ_BYTES)
        entries += chunk.entries[: index - after - len(entries)]
    return Material(log_id, index, snapshot, tuple(entries), limits)


def digests_at(material: Material, scratch: Path) -> set[bytes]:
    """The digests that are right at the index: of the entry's outcome, and of the whole content."""
    engine = Engine(scratch, "replay", material.limits)
    engine.open()
    try:
        engine.create(material.log_id, "replay")
        database = engine.by_log(material.log_id)
        if material.snapshot is not None:
            path = scratch / "snapshot.zst"
            path.write_bytes(material.snapshot)
            database.restore(path)
        right: set[bytes] = set()
        work = [Work(Entry.decode(encoded), encoded) for encoded in material.entries]
        for start in range(0, len(work), _BATCH_ENTRIES):
            for outcome in database.apply(work[start : start + _BATCH_ENTRIES]):
                if outcome.index == material.index:
                    right.add(outcome.digest)
        right.add(database.content_digest()[1])
        return right
    finally:
        engine.close()
