"""A snapshot on its way from a node into the log."""

from __future__ import annotations

from collections.abc import Iterator

from gevent.queue import Queue

from dirk_gevent.log.contract import SnapshotInfo

_UPLOAD_CHUNKS = 64


class Upload:
    """A snapshot on its way in. When nobody takes its chunks any more (it was refused) they are dropped."""

    def __init__(self, info: SnapshotInfo) -> None:
        self.info = info
        self._chunks: Queue[bytes | None] = Queue(_UPLOAD_CHUNKS)
        self._is_over = False

    def put(self, chunk: bytes | None) -> None:
        """The next chunk; b"" is the end, None says that the rest will never come. Blocks while too many wait."""
        if not self._is_over:
            self._chunks.put(chunk)

    def chunks(self) -> Iterator[bytes]:
        """All chunks; ConnectionError when the node went away before the last."""
        while chunk := self._chunks.get():
            yield chunk
        if chunk is None:
            raise ConnectionError("the upload was cut")

    def end(self) -> None:
        """Nobody takes chunks any more: let go of those that wait, and of whoever waits to put one."""
        self._is_over = True
        while not self._chunks.empty():
            self._chunks.get_nowait()
