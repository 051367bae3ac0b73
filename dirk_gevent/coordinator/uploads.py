"""Snapshots on their way from a node into the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gevent.queue import Queue

from dirk_gevent.log.records import SnapshotInfo

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


class Uploads:
    """The snapshots that one node sends, at most one a log. Each is given to `take` when it begins."""

    def __init__(self, take: Callable[[Upload], object]) -> None:
        self._take = take
        self._uploads: dict[int, Upload] = {}

    def begin(self, info: SnapshotInfo) -> None:
        """A snapshot follows."""
        self.cut(info.log_id)
        self._uploads[info.log_id] = upload = Upload(info)
        self._take(upload)

    def piece(self, log_id: int, piece: bytes) -> None:
        """The next piece of it; dropped when none has begun. Blocks while too many wait."""
        if (upload := self._uploads.get(log_id)) is not None:
            upload.put(piece)

    def end(self, log_id: int) -> None:
        """That was all of it."""
        if (upload := self._uploads.pop(log_id, None)) is not None:
            upload.put(b"")

    def cut(self, log_id: int) -> None:
        """The rest of what came of a log will never come."""
        if (upload := self._uploads.pop(log_id, None)) is not None:
            upload.put(None)

    def cut_all(self) -> None:
        """The connection has ended."""
        for log_id in list(self._uploads):
            self.cut(log_id)
