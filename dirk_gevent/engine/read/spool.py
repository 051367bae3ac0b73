"""Where the rest of a long answer waits for its client, once its transaction has ended."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dirk_gevent.engine.results import EncodedPage


class Spool:
    """Pages in a temporary file without a name in `directory`, read back in order. Raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - lives as long as the stream
        self._waiting: list[tuple[int, int]] = []
        self._next = 0

    @property
    def empty(self) -> bool:
        """True when every page has been taken."""
        return self._next >= len(self._waiting)

    def add(self, pages: list[EncodedPage]) -> None:
        """Write pages at the end."""
        for page in pages:
            self._file.write(page.rows_json)
            self._waiting.append((len(page.rows_json), page.rows))

    def take(self, pages: int) -> list[EncodedPage]:
        """The next pages, at most `pages`."""
        if self._next == 0:
            self._file.seek(0)
        sizes = self._waiting[self._next : self._next + pages]
        self._next += len(sizes)
        return [EncodedPage(self._file.read(size), rows) for size, rows in sizes]

    def close(self) -> None:
        """Give the disk space back."""
        with suppress(OSError):
            # What could not be written is of no use to anybody.
            self._file.close()
