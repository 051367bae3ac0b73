"""Items that an apply queue of a node works on, in the order in which the log's host sent them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dirk_gevent.log.skipped import is_skipped
from dirk_gevent.replication.precedence import Way
from dirk_gevent.replication.transfer import Missed


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded entries from index `first` on; `chain` is the log's hash before them, `chain_after` that behind them."""

    first: int
    chain: bytes
    entries: tuple[bytes, ...]
    chain_after: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """At exactly `index`, tell the content digest, and make and send the snapshot if `uploads`; `ask` is its number."""

    index: int
    uploads: bool
    way: Way = Way.BESIDE
    ask: int = 0


@dataclass(frozen=True, slots=True)
class Restore:
    """A snapshot file has arrived at `path`."""

    path: Path


@dataclass(frozen=True, slots=True)
class Fence:
    """This node's state of the log is wrong: keep it aside, begin anew."""


Item = Batch | Mark | Restore | Fence | Missed


def is_way_out(item: Item) -> bool:
    """True for an item that may get a blocked database on: it replaces the state, or a person had the entry skipped."""
    return isinstance(item, Fence | Restore) or (isinstance(item, Batch) and any(map(is_skipped, item.entries)))
