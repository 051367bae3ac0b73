"""A backup's file: records, each under a checksum that covers all before it, so that nothing can be cut or altered.

A record is a JSON object and a body; on disk: u32 length, JSON, u32 length, body, 16 bytes of checksum (blake2b keyed
by that of the record before). Records: `points` (the databases, each with log, name, index, chain, time), for each of
them `snapshot` pieces (a node's snapshot file, compressed already) and `entries` (a line each, under zstd; `after` is
the chain hash behind them, which files of release 2.0.0 do not have), then `whole`.

The checksums say that the file is as it was written; whether what was written is what was once appended say the chain
hashes of the entries and the snapshot's own checksum (`BackupSource.verify`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import orjson
import zstandard

from dirk_gevent.base.files import put_in_place
from dirk_gevent.engine.errors.faults import SnapshotDamaged
from dirk_gevent.engine.snapshot.snapshot import check_pieces
from dirk_gevent.log.entry import NO_CHAIN, Entry, EntryDamagedError, chain
from dirk_gevent.log.records import EntriesGoneError
from dirk_gevent.log.skipped import own_bytes
from dirk_gevent.loop.throttle import IncrementalFsyncFile
from dirk_gevent.protocol.frames import split_entries
from dirk_parser.names import key

_ANY_MAGIC = b"DIRKDB-BACKUP-"
#: How a backup begins. Its number rises with the rules of entries: 2.0.0, 2.1.0 (both 1) and 2.2.0 (2) would replay
#: these by their own.
MAGIC = _ANY_MAGIC + b"3\n"
_EARLIER_MAGICS = (_ANY_MAGIC + b"1\n", _ANY_MAGIC + b"2\n")
_LATER = "a later release of DirkDB wrote it: use the dirk-admin of that one"
_CHECKSUM_BYTES = 16
_MOST_BYTES = 1 << 30
_LEVEL = 3


class BackupDamaged(Exception):  # noqa: N818 (it is the outcome's name, not a fault)
    """The file is not a whole backup: `str()` is a sentence that says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where one database is in a backup; `chain` is the history's hash there, `time_ms` the log's time (Unix)."""

    name: str
    log_id: int
    index: int
    chain: bytes
    time_ms: int


class BackupWriter:
    """Writes a backup beside its name and gives it the name when it is whole and on the disk; raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._file = self._partial.open("wb")
        self._steady = IncrementalFsyncFile(self._file)
        self._steady.write(MAGIC)
        self._last = bytes(_CHECKSUM_BYTES)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)

    def add(self, fields: Mapping[str, Any], body: bytes = b"") -> None:
        """The next record."""
        if fields["t"] == "entries":
            body = self._compressor.compress(body)
        encoded = orjson.dumps(fields)
        self._last = _checksum(self._last, encoded, body)
        head = struct.pack(">I", len(encoded)) + encoded + struct.pack(">I", len(body))
        self._steady.write(head + body + self._last)

    def finish(self) -> int:
        """The file is whole: read it back, and give it its name; its size in bytes. Raises BackupDamaged too."""
        self._steady.finish()
        size_bytes = self._file.tell()
        self._file.close()
        with closing(Backup(self._partial)) as written:
            for point in written.points:
                written.source(point).verify()
        put_in_place(self._partial, self._path)
        return size_bytes

    def abandon(self) -> None:
        """Leave nothing of a file that is not whole; nothing happens to one that is."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One record of a database: where its body lies, and which entries it holds (none for a piece of a snapshot).

    `after` is the chain hash behind them; b"" when the record does not say.
    """

    offset: int
    size_bytes: int
    first: int = 0
    count: int = 0
    after: bytes = b""


@dataclass(slots=True)
class _Contents:
    """The records of one database. `snapshot_index` is 0 without a snapshot."""

    snapshot_index: int = 0
    snapshot: list[_Piece] = field(default_factory=list)
    entries: list[_Piece] = field(default_factory=list)


class Backup:
    """A backup's file, read through and found whole. Raises BackupDamaged, OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken_ms = 0
        self.points: list[Point] = []
        self._contents: dict[int, _Contents] = {}
        self._file = path.open("rb")
        try:
            self._read_through()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def point(self, name: str) -> Point | None:
        """The database of that name, as names compare."""
        return next((point for point in self.points if key(point.name) == key(name)), None)

    def source(self, point: Point) -> BackupSource:
        """One database, for a replay."""
        return BackupSource(self._file, self._contents.get(point.log_id, _Contents()), point, self.path)

    def _read_through(self) -> None:
        begins = self._file.read(len(MAGIC))
        if begins not in (MAGIC, *_EARLIER_MAGICS):
            is_other = begins.startswith(_ANY_MAGIC)
            raise BackupDamaged(f"{self.path}: {_LATER}" if is_other else f"{self.path} is no backup of DirkDB")
        last = bytes(_CHECKSUM_BYTES)
        is_whole = False
        while not is_whole:
            start = self._file.tell()
            encoded = self._part(start)
            offset = self._file.tell() + 4
            body = self._part(start)
            checksum = self._file.read(_CHECKSUM_BYTES)
            if len(checksum) < _CHECKSUM_BYTES:
                raise self._cut(start)
            last = _checksum(last, encoded, body)
            if checksum != last:
                raise BackupDamaged(f"{self.path} was altered: the record at byte {start} does not match its checksum")
            try:
                is_whole = self._note(orjson.loads(encoded), _Piece(offset, len(body)))
            except (ValueError, KeyError, TypeError) as error:
                raise BackupDamaged(f"{self.path}: the record at byte {start} is none of a backup's") from error
        if self._file.read(1):
            raise BackupDamaged(f"{self.path} was altered: something follows its end")

    def _part(self, start: int) -> bytes:
        length = self._file.read(4)
        size = struct.unpack(">I", length)[0] if len(length) == 4 else 0
        if size > _MOST_BYTES:
            raise BackupDamaged(f"{self.path} was altered: the record at byte {start} does not match its checksum")
        part = self._file.read(size)
        if len(length) < 4 or len(part) < size:
            raise self._cut(start)
        return part

    def _cut(self, start: int) -> BackupDamaged:
        return BackupDamaged(f"{self.path} is torn: it ends inside the record at byte {start}, before the backup's end")

    def _note(self, fields: dict[str, Any], piece: _Piece) -> bool:
        """Remember what a record is; whether it is the last."""
        kind = fields["t"]
        if kind == "points":
            self.taken_ms = fields["ms"]
            self.points = [
                Point(
                    database["name"],
                    database["log"],
                    database["index"],
                    bytes.fromhex(database["chain"]),
                    database["ms"],
                )
                for database in fields["databases"]
            ]
        elif kind in ("snapshot", "entries"):
            contents = self._contents.setdefault(fields["log"], _Contents())
            if kind == "snapshot":
                contents.snapshot_index = fields["index"]
                contents.snapshot.append(piece)
            else:
                after = bytes.fromhex(fields.get("after", ""))
                contents.entries.append(replace(piece, first=fields["first"], count=fields["count"], after=after))
        return bool(kind == "whole")


class BackupSource:
    """One database of a backup as the source of a replay (`dirk_gevent.coordinator.admin.replay.ReplaySource`)."""

    def __init__(self, file: IO[bytes], contents: _Contents, point: Point, path: Path) -> None:
        self._file = file
        self._contents = contents
        self._point = point
        self._path = path

    @property
    def least(self) -> int:
        """The first index whose state can be made from it."""
        return self._contents.snapshot_index

    def snapshot(self, index: int) -> tuple[int, Iterator[bytes]] | None:
        """See `ReplaySource.snapshot`."""
        held = self._contents
        if not held.snapshot:
            return None
        if held.snapshot_index > index:
            raise EntriesGoneError(self._point.log_id, held.snapshot_index)
        return held.snapshot_index, (self._body(piece) for piece in held.snapshot)

    def entries(self, after: int, upto: int) -> Iterator[Sequence[bytes]]:
        """See `ReplaySource.entries`."""
        for piece in self._contents.entries:
            last = piece.first + piece.count - 1
            if last <= after or piece.first > upto:
                continue
            entries = self._entries(piece)
            yield entries[max(0, after + 1 - piece.first) : upto + 1 - piece.first]
            after = min(last, upto)

    def index_at(self, time_ms: int) -> int | None:
        """The last index whose log time is not after `time_ms`; `least` when no entry's is, None when that is 0.

        How old the snapshot at `least` is, says what it holds alone.
        """
        if time_ms < self.first_ms() and not self.least:
            return None
        index = self.least
        for piece in self._contents.entries:
            for offset, encoded in enumerate(self._entries(piece)):
                if _entry(self, encoded, piece.first + offset).time_ms > time_ms:
                    return index
                index = piece.first + offset
        return index

    def first_ms(self) -> int:
        """The log time (Unix) of the first entry held; that of the end where none is."""
        first = next(iter(self._contents.entries), None)
        return self._point.time_ms if first is None else _entry(self, self._entries(first)[0], first.first).time_ms

    def verify(self, upto: int | None = None) -> None:
        """Check that the snapshot and the entries, up to an index or all, are what was once stored and appended.

        Raises BackupDamaged: its sentence says what is not.
        """
        upto = self._point.index if upto is None else upto
        index, reached, is_proven = self.least, self._begin(), self.least == self._point.index
        for piece in self._contents.entries:
            if is_proven and piece.first > upto:
                return
            if piece.first != index + 1:
                raise self.damaged(f"the entries from {index + 1} on are missing")
            for encoded in self._entries(piece):
                index += 1
                _entry(self, encoded, index)
                reached = chain(reached, own_bytes(encoded))
            if piece.after and reached != piece.after:
                raise self.damaged(f"the entries from {piece.first} to {index} are not what was appended")
            is_proven = bool(piece.after)
        if (index, reached) != (self._point.index, self._point.chain):
            raise self.damaged(f"what it holds does not lead to its end at index {self._point.index}")

    def damaged(self, reason: str) -> BackupDamaged:
        """The error for what was stored already, but is not what it should be."""
        return BackupDamaged(f"{self._path}: {self._point.name} in it is damaged: {reason}")

    def _begin(self) -> bytes:
        """The chain hash in front of the first entry."""
        held = self._contents
        if not held.snapshot:
            return NO_CHAIN
        try:
            info = check_pieces(self._body(piece) for piece in held.snapshot)
        except SnapshotDamaged as error:
            raise self.damaged(f"the snapshot at index {held.snapshot_index}: {error}") from error
        if (info.log_id, info.index) != (self._point.log_id, held.snapshot_index):
            raise self.damaged(f"the snapshot is of log {info.log_id} at index {info.index}")
        return bytes.fromhex(info.chain)

    def _entries(self, piece: _Piece) -> list[bytes]:
        try:
            entries = split_entries(zstandard.ZstdDecompressor().decompress(self._body(piece)))
        except (zstandard.ZstdError, ValueError) as error:
            raise self.damaged(f"the entries from {piece.first} on: {error}") from error
        if len(entries) != piece.count:
            raise self.damaged(f"the entries from {piece.first} on are {len(entries)}, not {piece.count}")
        return entries

    def _body(self, piece: _Piece) -> bytes:
        self._file.seek(piece.offset)
        return self._file.read(piece.size_bytes)


def _entry(source: BackupSource, encoded: bytes, index: int) -> Entry:
    """An entry of a backup, which must be the one at `index`."""
    try:
        entry = Entry.decode(own_bytes(encoded))
    except EntryDamagedError as error:
        raise source.damaged(f"entry {index}: {error}") from error
    if entry.index != index:
        raise source.damaged(f"entry {entry.index} stands where entry {index} should be")
    return entry


def _checksum(before: bytes, encoded: bytes, body: bytes) -> bytes:
    digest = blake2b(encoded, digest_size=_CHECKSUM_BYTES, key=before)
    digest.update(body)
    return digest.digest()
