"""A snapshot's file in pieces, between the log's host and a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dirk_gevent.replication.frame_types import CHUNK_BYTES
from dirk_gevent.replication.transfer import IncomingSnapshots, send_pieces


def test_all_of_a_file_is_sent_in_bounded_pieces() -> None:
    content = bytes(range(256)) * (CHUNK_BYTES * 3 // 256) + b"rest"
    asked: list[int] = []
    sent: list[tuple[dict[str, Any], bytes]] = []

    def read(most_bytes: int) -> bytes:
        asked.append(most_bytes)
        begun = sum(len(piece) for _, piece in sent)
        return content[begun : begun + most_bytes]

    send_pieces(lambda frame, piece: sent.append((frame, piece)), 5, read)
    assert b"".join(piece for _, piece in sent) == content
    assert set(asked) == {CHUNK_BYTES}
    assert all(frame == {"t": "chunk", "log": 5} for frame, _ in sent)


def test_what_is_whole_is_given_away_and_what_is_not_is_gone(tmp_path: Path) -> None:
    incoming = IncomingSnapshots(tmp_path)
    for log_id in (1, 2):
        incoming.begin(log_id)
    incoming.add(1, b"who")
    incoming.add(2, b"half")
    incoming.add(1, b"le")
    whole = incoming.end(1)
    incoming.drop_all()
    assert list(tmp_path.iterdir()) == [whole]
    assert whole.read_bytes() == b"whole"


def test_one_that_begins_again_forgets_what_came(tmp_path: Path) -> None:
    incoming = IncomingSnapshots(tmp_path)
    for piece in (b"first", b"second"):
        incoming.begin(1)
        incoming.add(1, piece)
    whole = incoming.end(1)
    assert list(tmp_path.iterdir()) == [whole]
    assert whole.read_bytes() == b"second"


def test_a_piece_of_what_has_not_begun_is_refused(tmp_path: Path) -> None:
    incoming = IncomingSnapshots(tmp_path)
    with pytest.raises(KeyError):
        incoming.add(1, b"lost")
    with pytest.raises(KeyError):
        incoming.end(1)
    assert list(tmp_path.iterdir()) == []
