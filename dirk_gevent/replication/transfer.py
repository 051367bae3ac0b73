"""Snapshots on their way between the log's host and a node: entries that are checked, and snapshot files in pieces,
paced, and slowly enough to the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import gevent

from dirk_gevent.engine.errors.faults import EntriesAltered
from dirk_gevent.log.records import chain_through
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.loop.throttle import IncrementalFsyncFile, Throttle
from dirk_gevent.replication.frame_types import CHUNK_BYTES


def send_pieces(send: Callable[[dict[str, Any], bytes], None], log_id: int, read: Callable[[int], bytes]) -> None:
    """Send all that `read` gives as `chunk` frames of a log. Blocks this greenlet alone; raises what the two raise."""
    pace = Throttle(gevent.sleep)
    while piece := read(CHUNK_BYTES):
        send({"t": "chunk", "log": log_id}, piece)
        pace.worked(len(piece))


def send_file(
    send: Callable[..., None], fields: dict[str, Any], read: Callable[[int], bytes], end: dict[str, Any]
) -> None:
    """Send a snapshot file that `read` gives between the frames `fields`, which says what it is, and `end`. Blocks and
    raises as `send_pieces`.
    """
    send(fields)
    send_pieces(send, fields["log"], read)
    send(end)


def and_then(read: Callable[[int], bytes], at_end: Callable[[], None]) -> Callable[[int], bytes]:
    """`read`, which calls `at_end` when there is no more."""

    def one(size_bytes: int) -> bytes:
        if not (piece := read(size_bytes)):
            at_end()
        return piece

    return one


def upload(send: Callable[..., None], path: Path, fields: dict[str, Any]) -> None:
    """Send a snapshot file at `path` to the log. Blocks this greenlet alone. Raises OSError."""
    with path.open("rb") as file:
        send_file(send, fields, file.read, {"t": "upload_end", "log": fields["log"]})


@dataclass(frozen=True, slots=True)
class Missed:
    """The disk did not take a snapshot that came: it has to be sent again."""

    cause: OSError


def check_entries(log_id: int, first: int, entries: Sequence[bytes], hashes: tuple[bytes, bytes]) -> None:
    """Check encoded entries from index `first` on against the log's hashes before and behind them.

    To be done before anything of them is read: bytes that are not the log's may be no entries at all. Raises
    EntriesAltered.
    """
    before, after = hashes
    if chain_through(before, entries) != after:
        raise EntriesAltered(log_id, first)


class IncomingSnapshots:
    """The snapshots that a node is being sent, at most one a log, each in a temporary file in `directory`.

    What is whole belongs to whoever was given it. `begin`, `add` and `end` raise OSError.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._thread = NativeThreads(1)
        self._arriving: dict[int, _Arriving] = {}
        self._begun = 0
        #: Logs of whose snapshot the disk did not take a piece: the rest of it is passed over.
        self._missed: set[int] = set()

    def take(self, frame: dict[str, Any]) -> Path | Missed | None:
        """Take a frame of a snapshot: the whole file, the disk's refusal, or nothing yet. KeyError as `add`.

        A disk that refuses is this log's trouble: the connection, and the other logs on it, have nothing to do with it.
        """
        kind, log_id = frame["t"], int(frame["log"])
        if kind != "snapshot" and log_id in self._missed:
            return None
        self._missed.discard(log_id)
        try:
            if kind == "snapshot":
                self.begin(log_id)
            elif kind == "chunk":
                self.add(log_id, frame["body"])
            else:
                return self.end(log_id)
        except OSError as error:
            self._missed.add(log_id)
            self._drop(log_id)
            return Missed(error)
        return None

    def begin(self, log_id: int) -> None:
        """A snapshot of this log follows; what came of one before is dropped."""
        self._drop(log_id)
        # A name of its own: the one before may still be on its way into the database.
        self._begun += 1
        path = self._directory / f"incoming-{log_id}-{self._begun}.partial"
        self._arriving[log_id] = _Arriving(path, path.open("wb"))

    def add(self, log_id: int, piece: bytes) -> None:
        """The next piece of it; KeyError when none has begun. Blocks this greenlet alone."""
        self._thread.call(self._arriving[log_id].steady.write, piece)

    def end(self, log_id: int) -> Path:
        """The file, which is whole; KeyError when none has begun. Nothing of it need survive a power cut."""
        arriving = self._arriving[log_id]
        arriving.file.close()
        del self._arriving[log_id]
        return arriving.path

    def drop_all(self) -> None:
        """The rest will not come: leave nothing of those that are not whole."""
        for log_id in list(self._arriving):
            self._drop(log_id)

    def _drop(self, log_id: int) -> None:
        arriving = self._arriving.pop(log_id, None)
        if arriving is not None:
            with suppress(OSError):
                arriving.path.unlink(missing_ok=True)
            with suppress(OSError):
                # What is still to be written is of no use to anybody.
                arriving.file.close()


class _Arriving:
    """One file that is not whole yet."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.steady = IncrementalFsyncFile(file)
