"""Entries that a person had skipped: they end with XX000 and change nothing, on every node, now and in any replay.

The log keeps the record beside the entry, whose bytes and chain hash stay as they are. What reads the log is told such
an entry as its bytes behind a mark; the mark travels with the bytes wherever they go (nodes, backups, replays), so that
nobody can take the one without the other: bytes behind a mark are no entry for `Entry.decode`.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from dirk_gevent.log.entry import SKIP_MARK
from dirk_gevent.log.records import Chunk


def is_skipped(told: bytes) -> bool:
    """True when an entry, as it is told, is marked as skipped."""
    return told.startswith(SKIP_MARK)


def own_bytes(told: bytes) -> bytes:
    """The entry's own bytes: what the chain hash is over."""
    return told.removeprefix(SKIP_MARK)


def marked(chunk: Chunk, skipped: Container[int]) -> Chunk:
    """The chunk as it is told: those of its entries marked whose index is in `skipped`."""
    entries = tuple(
        SKIP_MARK + encoded if index in skipped else encoded
        for index, encoded in enumerate(chunk.entries, chunk.first_index)
    )
    return replace(chunk, entries=entries)
