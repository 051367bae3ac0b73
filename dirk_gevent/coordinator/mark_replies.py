"""One node's replies to marks over one connection: digests, snapshots, and that it can give none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dirk_gevent.coordinator.divergence.digest_rounds import DigestRounds
from dirk_gevent.coordinator.send_window import SendWindow
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.coordinator.uploads import Upload, Uploads
from dirk_gevent.replication import frame_types


class MarkReplies:
    """Passes on what `node` replies to the last mark that `windows` say it was sent, by log id, and nothing else.

    `spawn` runs a function in a greenlet that ends with the connection.
    """

    def __init__(
        self,
        state: CoordinatorState,
        rounds: DigestRounds,
        node: str,
        windows: Mapping[int, SendWindow],
        spawn: Callable[..., object],
    ) -> None:
        self._state = state
        self._rounds = rounds
        self._node = node
        self._windows = windows
        self.uploads = Uploads(lambda upload: spawn(self._store, upload))

    def receive(self, kind: str, frame: dict[str, Any]) -> None:
        """A `digest`, `undone` or `upload` frame."""
        log_id, index = int(frame["log"]), int(frame["index"])
        window = self._windows.get(log_id)
        if kind == "upload":
            # The pieces that follow are of no other.
            self.uploads.cut(log_id)
        if window is None or int(frame["ask"]) != window.ask:
            self._state.logger.info("answer_refused", node=self._node, log=log_id, index=index, kind=kind)
        elif kind == "upload":
            self.uploads.begin(frame_types.snapshot_in(frame))
        elif kind == "undone":
            self._rounds.failed(self._node, log_id, index, bool(frame.get("overtaken")))
        else:
            digest, worked_seconds = bytes.fromhex(frame["digest"]), int(frame["ms"]) / 1000
            self._rounds.digest(self._node, log_id, index, digest, worked_seconds)

    def _store(self, upload: Upload) -> None:
        try:
            self._rounds.store(self._node, upload.info, upload.chunks())
        finally:
            upload.end()
