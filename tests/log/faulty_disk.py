"""A disk that fails on demand: an apsw VFS over the ordinary one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

NAME = "faulty"


class FaultyDisk(apsw.VFS):
    """Files whose fsync or write of the journal's WAL fails while it is told so."""

    def __init__(self) -> None:
        super().__init__(NAME, "")
        self.sync_error: Exception | None = None
        self.write_error: Exception | None = None
        self.failures = 0

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _FaultyFile(self, name, flags)

    def fail(self, error: Exception | None) -> None:
        """Raises the error, if any, and counts it."""
        if error is not None:
            self.failures += 1
            raise error

    @contextmanager
    def failing_sync(self) -> Iterator[None]:
        """No fsync succeeds."""
        self.sync_error = apsw.IOError("fsync failed")
        yield
        self.sync_error = None

    @contextmanager
    def failing_write(self) -> Iterator[None]:
        """No write finds room."""
        self.write_error = apsw.FullError("no room")
        yield
        self.write_error = None


class _FaultyFile(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.fail(self._disk.sync_error)
        super().xSync(flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        self._disk.fail(self._disk.write_error)
        super().xWrite(data, offset)
