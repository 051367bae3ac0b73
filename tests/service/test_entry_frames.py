"""Entries as frames: made once for all nodes that ask for the same, and never for others."""

from __future__ import annotations

from dataclasses import replace

from gevent import socket

from dirk_gevent.coordinator.entry_frames import EntryFrames
from dirk_gevent.log.records import Chunk
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.protocol.frames import split_entries


def test_nodes_that_ask_for_the_same_share_a_frame_and_others_do_not() -> None:
    frames = EntryFrames()
    chunk = Chunk(1, 5, (b'["one"]', b'["two"]'), b"\x01" * 16, b"\x09" * 16)
    shared = frames.of(chunk, b"e")
    assert frames.of(replace(chunk, entries=(b'["one"]', b'["two"]')), b"e") is shared
    for other in (
        replace(chunk, entries=chunk.entries[:1]),
        replace(chunk, entries=(b'["one"]', b'["2"]')),
        replace(chunk, log_id=2),
        replace(chunk, chain_before=b"\x02" * 16),
    ):
        assert frames.of(other, b"e").encoded != shared.encoded
    assert frames.of(chunk, b"f").encoded != shared.encoded


def test_a_frame_reads_as_its_entries() -> None:
    here, there = socket.socketpair()
    chunk = Chunk(3, 7, (b"[" + b"1" * 5000 + b"]", b'["two"]'), b"\x01" * 16, b"\x09" * 16)
    frame = EntryFrames().of(chunk, b"e")
    FrameSocket(here).send_frame(frame.encoded)
    received = FrameSocket(there).receive()
    assert received is not None
    assert (received["t"], received["log"], received["first"]) == ("entries", 3, 7)
    assert bytes.fromhex(received["chain"]) == chunk.chain_before
    assert tuple(split_entries(received["body"])) == chunk.entries
    assert frame.body_bytes == len(received["body"])
    here.close()
    there.close()
