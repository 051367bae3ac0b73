"""Troubles that are no answer to a statement: the machine's, a foreign history, a poisoned entry, a read too long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


class StorageFault(Exception):
    """The machine failed (disk full, I/O, memory, a damaged file): nothing of the attempt was applied.

    `cause` is the error underneath. The node keeps the database at its applied index and tries again later.
    """

    def __init__(self, cause: BaseException, what: str = "") -> None:
        super().__init__(f"{what}: {cause}" if what else str(cause))
        self.cause = cause

    @property
    def is_full(self) -> bool:
        """True when the disk (or its quota) has no room left."""
        return isinstance(self.cause, apsw.FullError) or getattr(self.cause, "errno", None) == 28

    @property
    def is_damage(self) -> bool:
        """True when the file itself is wrong, or gone from a directory that is there: trying again does not help."""
        return isinstance(self.cause, (apsw.CorruptError, apsw.NotADBError, LostFile))


class LostFile(OSError):
    """A database's file is gone though its directory is there: somebody has removed it."""


class PoisonedEntry(Exception):
    """Entry `index` of log `log_id` kills every process that runs it; `how` is a signal's name, or want of memory."""

    def __init__(self, log_id: int, index: int, how: str) -> None:
        super().__init__(f"entry {index} of log {log_id} kills whoever runs it: {how}")
        self.log_id = log_id
        self.index = index


class ForeignHistory(Exception):
    """The chain hash at `index` is not the one the log names: another history under the same log id."""

    def __init__(self, log_id: int, index: int) -> None:
        super().__init__(f"log {log_id} has another history at index {index}")
        self.log_id = log_id
        self.index = index


class EntriesAltered(ForeignHistory):
    """Entries that came from the log, `index` and those behind it, are not those that its hashes stand for."""

    def __init__(self, log_id: int, first: int) -> None:
        super().__init__(log_id, first)
        self.args = (f"entries of log {log_id} from {first} on do not match the log's hashes",)


class OutOfOrder(Exception):
    """A batch leaves a gap: `expected` is the next index this database can apply, `given` what came."""

    def __init__(self, log_id: int, expected: int, given: int) -> None:
        super().__init__(f"log {log_id}: entry {given} came where {expected} was due")
        self.expected = expected
        self.given = given


class Overrun(Exception):
    """A read that is too long for the hub: run it again with `Reads.stream` on a reader thread."""


class Held(Overrun):
    """The machine, not the query, took the hub's time: the disk was slow, or the processor another's. The next read of
    its template may be short again.
    """


class SnapshotDamaged(Exception):
    """A snapshot file whose header or checksum is wrong; nothing was replaced by it."""


class DirectoryInUse(Exception):
    """Another process holds the data directory `path`; `process` says which, when that is known."""

    def __init__(self, path: str, process: str = "") -> None:
        super().__init__(f"{path} is in use by another process{f' (process {process})' if process else ''}")
        self.path = path


@contextmanager
def storage_faults(what: str) -> Iterator[None]:
    """apsw's and the system's errors in the block become StorageFault; `what` says what was tried."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise StorageFault(error, what) from error
