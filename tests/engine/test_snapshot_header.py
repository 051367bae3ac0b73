"""The header of a snapshot, which no checksum covers: what is damaged in it is refused, or nobody relies on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import SnapshotDamaged
from dirk_gevent.engine.snapshot.snapshot import SnapshotHeader, check_pieces, unpack
from tests.engine.plans import LogMaker, open_database, open_engine, work

pytestmark = pytest.mark.usefixtures("unwatched")

#: Values that a field never has.
WRONG: dict[str, tuple[object, ...]] = {
    "format": (0, 2, "1", None),
    "log_id": (-1, 1.0, True, "1", None, 2**70),
    "name": ("", 7, None, ["t"]),
    "index": (-1, 2.5, False, "31", None, 2**70),
    "chain": ("", "0" * 31, "0" * 33, "0" * 31 + " ", "A" * 32, "g" * 32, "\u0660" * 32, 0, None),
    "digest": ("", "0" * 63, "0" * 65, "F" * 64, "0" * 63 + "\n", 0, None),
    "image_bytes": (-1, 4096.0, "4096", None),
    "checksum": ("", "0" * 63, "Z" * 64, 0, None),
    "file_bytes": (1, -1, "0", None),
}


@dataclass(frozen=True)
class Shot:
    """A snapshot of a small database: its file, what its header holds, and its image."""

    database: Database
    content: bytes
    info: SnapshotHeader
    image: bytes
    folder: Path

    def unpacked(self, content: bytes) -> SnapshotHeader:
        """What a changed file holds beside the image, which is the one it was; raises SnapshotDamaged."""
        path, image = self.folder / "changed", self.folder / "image"
        path.write_bytes(content)
        info = unpack(path, image)
        assert image.read_bytes() == self.image
        assert info == check_pieces(iter([content[:100], content[100:]]))
        assert info == replace(SnapshotHeader.read(path), file_bytes=0)
        return info


@pytest.fixture
def shot(memory_path: Path, log: LogMaker) -> Iterator[Shot]:
    engine = open_engine(memory_path / "data")
    database = open_database(engine)
    database.apply(work(log.sql("create table t (a)"), *(log.sql("insert into t values (?1)", n) for n in range(30))))
    path = memory_path / "shot"
    info = replace(database.upkeep.snapshot(path), file_bytes=0)
    unpack(path, memory_path / "image")
    yield Shot(database, path.read_bytes(), info, (memory_path / "image").read_bytes(), memory_path)
    engine.close()


def flipped(content: bytes) -> Iterator[bytes]:
    """A snapshot's file with each bit of its header changed."""
    for at in range(content.index(b"\n") + 1):
        for bit in range(8):
            yield content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def with_fields(content: bytes, changed: Mapping[str, object], without: str = "") -> bytes:
    """A snapshot's file with other fields in its header."""
    line, _, image = content.partition(b"\n")
    fields = {name: value for name, value in {**json.loads(line), **changed}.items() if name != without}
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n" + image


def check_refused(shot: Shot, content: bytes) -> None:
    """Nobody reads a changed file, and nothing but SnapshotDamaged is raised."""
    path = shot.folder / "changed"
    path.write_bytes(content)
    with pytest.raises(SnapshotDamaged):
        SnapshotHeader.read(path)
    with pytest.raises(SnapshotDamaged):
        unpack(path, shot.folder / "image")
    with pytest.raises(SnapshotDamaged):
        check_pieces(iter([content]))
    with pytest.raises(SnapshotDamaged):
        shot.database.restore(path)


def test_no_bit_of_a_header_changes_what_is_restored(shot: Shot) -> None:
    """The size and the checksum are held against the image; the log, the index and the hash against what it says."""
    before, restored = shot.database.upkeep.content_digest(), 0
    for content in flipped(shot.content):
        try:
            info = shot.unpacked(content)
        except SnapshotDamaged:
            continue
        assert replace(info, log_id=1, name="t", index=31, chain=shot.info.chain, digest=shot.info.digest) == shot.info
        is_apart = replace(info, name=shot.info.name, digest=shot.info.digest) != shot.info
        try:
            shot.database.restore(shot.folder / "changed")
        except SnapshotDamaged:
            assert is_apart
        else:
            restored += 1
            assert not is_apart
    assert restored, "names and digests take part in nothing"
    assert (shot.database.upkeep.content_digest(), shot.database.position.chain.hex()) == (before, shot.info.chain)


@pytest.mark.parametrize("field", WRONG)
def test_a_field_of_another_type_or_range_is_refused(shot: Shot, field: str) -> None:
    for value in WRONG[field]:
        check_refused(shot, with_fields(shot.content, {field: value}))
    check_refused(shot, with_fields(shot.content, {}, without=field))


def test_a_header_of_other_fields_or_none_is_refused(shot: Shot) -> None:
    assert with_fields(shot.content, {}) == shot.content
    check_refused(shot, with_fields(shot.content, {"more": 1}))
    image = shot.content.partition(b"\n")[2]
    for line in (b"", b"[]", b"7", b"null", b'"format"', b'{"format":1', b"\xff", b"[" * 4000, b" " * 5000):
        check_refused(shot, line + b"\n" + image)
    check_refused(shot, b"")


def test_a_size_that_the_image_does_not_have_is_refused(shot: Shot) -> None:
    for size_bytes in (0, shot.info.image_bytes - 1, shot.info.image_bytes + 1, 2**62):
        with pytest.raises(SnapshotDamaged, match="size or the checksum"):
            shot.unpacked(with_fields(shot.content, {"image_bytes": size_bytes}))
