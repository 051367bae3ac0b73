"""Entries of the log as the frames in which nodes get them, made once for all nodes that are equally far."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_gevent.log.records import Chunk
from dirk_gevent.protocol.frames import frame_bytes, frame_compressor, join_entries


@dataclass(frozen=True, slots=True)
class EntryFrame:
    """One frame as it is sent, and what its entries take without compression."""

    encoded: bytes
    body_bytes: int


class EntryFrames:
    """The last frame made is kept: nodes that are level ask for the same entries one after the other, and joining and
    compressing them is most of what sending costs here."""

    def __init__(self) -> None:
        self._compressor = frame_compressor()
        self._chunk: Chunk | None = None
        self._epoch = b""
        self._frame = EntryFrame(b"", 0)

    def of(self, chunk: Chunk, epoch: bytes) -> EntryFrame:
        """The frame of the entries of `chunk`, sent in an epoch of the log."""
        if chunk != self._chunk or epoch != self._epoch:
            header = {
                "t": "entries",
                "log": chunk.log_id,
                "first": chunk.first_index,
                "chain": chunk.chain_before.hex(),
                "after": chunk.chain_after.hex(),
                "epoch": epoch.hex(),
            }
            body = join_entries(chunk.entries)
            self._frame = EntryFrame(frame_bytes(header, body, self._compressor), len(body))
            self._chunk, self._epoch = chunk, epoch
        return self._frame
