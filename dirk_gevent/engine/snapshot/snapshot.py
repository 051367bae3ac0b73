"""Snapshots: one database at one index as one compressed, checked file, made while writes go on.

File: one JSON line (the header), then the SQLite image under zstd. The header carries the image's checksum, so a
file is whole or refused.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote

import apsw
import orjson
import zstandard

from dirk_gevent.base.files import put_in_place
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.compiler import CompiledSchema
from dirk_gevent.engine.errors.failures import DATA_ERRORS
from dirk_gevent.engine.errors.faults import SnapshotDamaged, StorageFault
from dirk_gevent.engine.files.data_directory import remove_file
from dirk_gevent.engine.files.file_format import check_format, later_release
from dirk_gevent.engine.functions import EntryContext, register
from dirk_gevent.engine.snapshot.content_digest import DIGEST_BYTES, content_digest
from dirk_gevent.engine.wal.wal import Overtaken, Wal
from dirk_gevent.log.entry import HASH_BYTES
from dirk_gevent.loop import throttle
from dirk_gevent.loop.throttle import IncrementalFsyncFile, Throttle
from dirk_gevent.sqlite.journal_mode import set_journal_mode

FORMAT = 1
_CHUNK_BYTES = 1 << 20
_LEVEL = 3
_HEADER_BYTES = 4096
_CHECKSUM_BYTES = 32
#: The fields of a header that are hashes, in hex, and how long each is.
_HASHES = {"chain": HASH_BYTES, "digest": DIGEST_BYTES, "checksum": _CHECKSUM_BYTES}
_HEX = re.compile("[0-9a-f]*")
#: How long whoever ends a pin's transaction waits each time for what runs in it.
_YIELD_SECONDS = 0.005
#: What an image raises that is no whole database of DirkDB.
_DAMAGE: tuple[type[Exception], ...] = (*DATA_ERRORS, apsw.CorruptError, apsw.NotADBError)
State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """The facts in a snapshot's header. `chain`, `digest` (of the content) and `checksum` (of the image) are hex.

    `image_bytes` is the size of the SQLite file inside; `file_bytes` of the snapshot file (0 inside the file).
    """

    log_id: int
    name: str
    index: int
    chain: str
    digest: str
    image_bytes: int
    checksum: str
    file_bytes: int = 0

    @staticmethod
    def read(path: Path) -> SnapshotHeader:
        """The header of a snapshot file; raises SnapshotDamaged, OSError."""
        with path.open("rb") as file:
            info = _read_header(file)
        return _with_size(info, path)


class PinnedState:
    """A read transaction at exactly index `index`, for a digest or a snapshot of it at leisure on a slow thread.

    It holds back the WAL's reset while it is open: close it; making a snapshot ends it as soon as the pages are copied.
    When `wal` is full its state is overtaken: whatever is asked of it then raises Overtaken. One that `is_first` is
    not: the entries wait for it, and it takes no rests.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        meta: stored_records.FileMeta,
        schema: CompiledSchema,
        wal: Wal | None = None,
        is_first: bool = False,
    ) -> None:
        self.index = meta.applied_index
        self.chain = meta.chain
        self.schema = schema
        self.is_first = is_first
        self._meta = meta
        self._connection = connection
        self._wal = wal
        # Held while it works: the writer's thread ends a transaction in which nothing runs.
        self._lock = threading.Lock()
        self._is_over = False

    def content_digest(self) -> bytes:
        """Hash of what the database says at this index; raises StorageFault, Overtaken."""
        with self._at_work("content digest"):
            return content_digest(self._connection)

    def digest_of_copy(self, image: Path) -> bytes:
        """As `content_digest`, of a copy at `image`, and end: the state is needed for as long as copying takes."""
        try:
            with self._at_work("content digest"):
                self._copy(image, rests=False)
            self.close()
            return _digest_of(image)
        except (apsw.Error, OSError) as error:
            raise StorageFault(error, "content digest") from error
        finally:
            with suppress(OSError):
                throttle.remove(image)

    def snapshot(self, path: Path) -> SnapshotHeader:
        """Write a snapshot file at `path` (through a temporary file beside it, fsynced), and end.

        Raises StorageFault, Overtaken.
        """
        image, partial = path.with_name(path.name + ".image.partial"), path.with_name(path.name + ".partial")
        try:
            with self._at_work(f"snapshot of {self._meta.name}"):
                self._copy(image, rests=not self.is_first)
            self.close()
            info = SnapshotHeader(
                log_id=self._meta.log_id,
                name=self._meta.name,
                index=self.index,
                chain=self.chain.hex(),
                digest=_digest_of(image).hex(),
                image_bytes=image.stat().st_size,
                checksum="",
            )
            info = _compress(image, partial, info)
            put_in_place(partial, path)
            return _with_size(info, path)
        except (apsw.Error, OSError) as error:
            raise StorageFault(error, f"snapshot of {self._meta.name}") from error
        finally:
            with suppress(OSError):
                throttle.remove(image)
                remove_file(image)
                partial.unlink(missing_ok=True)

    def hurry(self) -> None:
        """Nothing can be done without a loss."""

    def overtake(self, _at_any_price: bool) -> None:
        """End the read transaction (any thread): at once when nothing runs in it, else as soon as it can be stopped.

        Its state can be taken anew: nothing is lost by it.
        """
        self._is_over = True
        with suppress(apsw.ConnectionClosedError):
            self._connection.interrupt()
        if self._lock.acquire(timeout=_YIELD_SECONDS):
            try:
                self._end()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the read transaction. Safe to call twice; work in another thread is waited for."""
        with self._lock:
            self._is_over = True
            self._end()

    def _end(self) -> None:
        self._connection.close(True)
        if self._wal is not None:
            self._wal.leave(self)

    @contextmanager
    def _at_work(self, what: str) -> Iterator[None]:
        with self._lock:
            try:
                self._check()
                yield
            except apsw.Error as error:
                self._check()
                raise StorageFault(error, what) from error
            finally:
                if self._is_over:
                    self._end()

    def _check(self) -> None:
        if self._is_over:
            raise Overtaken(self._meta.name)

    def _copy(self, image: Path, rests: bool) -> None:
        """Nobody needs the image after a power cut: it is synced so that not all of it goes to the disk at once."""
        image.unlink(missing_ok=True)
        source, target, pace = self._connection, apsw.Connection(str(image)), Throttle()
        try:
            target.execute("PRAGMA synchronous = OFF")
            page_bytes: int = source.pragma("page_size")
            with image.open("rb") as written, target.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(throttle.STEP_BYTES // page_bytes)
                    if not backup.done:
                        self._check()
                        os.fdatasync(written.fileno())
                        if rests:
                            pace.worked(throttle.STEP_BYTES)
        finally:
            target.close(True)


def unpack(snapshot: Path, target: Path) -> SnapshotHeader:
    """Write a snapshot's image to `target` (fsynced) after checking it; raises SnapshotDamaged, StorageFault."""
    try:
        with snapshot.open("rb") as source, target.open("wb") as image:
            info = _read_header(source)
            checksum, written, pace = blake2b(digest_size=_CHECKSUM_BYTES), IncrementalFsyncFile(image), Throttle()
            size_bytes = 0
            for chunk in zstandard.ZstdDecompressor().read_to_iter(source, read_size=_CHUNK_BYTES):
                checksum.update(chunk)
                size_bytes += len(chunk)
                written.write(chunk)
                pace.worked(len(chunk))
            if (size_bytes, checksum.hexdigest()) != (info.image_bytes, info.checksum):
                raise SnapshotDamaged(f"{snapshot.name}: the size or the checksum is wrong")
            written.finish()
        return info
    except zstandard.ZstdError as error:
        raise SnapshotDamaged(f"{snapshot.name}: {error}") from error
    except OSError as error:
        raise StorageFault(error, "snapshot") from error


def check_pieces(pieces: Iterator[bytes]) -> SnapshotHeader:
    """Read a snapshot file that comes in pieces to its end and return its header; raises SnapshotDamaged."""
    head = b""
    while b"\n" not in head and len(head) < _HEADER_BYTES and (piece := next(pieces, b"")):
        head += piece
    line, _, rest = head.partition(b"\n")
    info = _read_header(BytesIO(line + b"\n"))
    checksum, image = blake2b(digest_size=_CHECKSUM_BYTES), zstandard.ZstdDecompressor().decompressobj()
    size_bytes = 0
    try:
        for piece in chain((rest,), pieces):
            chunk = image.decompress(piece)
            checksum.update(chunk)
            size_bytes += len(chunk)
    except zstandard.ZstdError as error:
        raise SnapshotDamaged(str(error)) from error
    if (size_bytes, checksum.hexdigest()) != (info.image_bytes, info.checksum):
        raise SnapshotDamaged("the size or the checksum is wrong")
    return info


def adopt_image(
    image: Path, info: SnapshotHeader, heard_head: int, name: str, state_in: Callable[[apsw.Connection], State | None]
) -> State:
    """Make an unpacked image this node's own, and tell what `state_in` finds in it. It must stand where `info` says.

    What the node heard of the log stays, its state is live. The image leaves WAL mode for the moment, so that all of it
    is in the one file that is renamed. Raises SnapshotDamaged, StorageFault.
    """
    try:
        connection = apsw.Connection(str(image), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            check_format(connection, image.name)
            set_journal_mode(connection, "delete")
            meta = stored_records.read_meta(connection)
            if meta is None:
                raise SnapshotDamaged(f"{image.name} is no database of DirkDB")
            if (meta.log_id, meta.applied_index, meta.chain.hex()) != (info.log_id, info.index, info.chain):
                raise SnapshotDamaged(f"{image.name} is of log {meta.log_id} at index {meta.applied_index}")
            meta = _replaced(meta, heard_head=max(heard_head, meta.applied_index), name=name, state="live")
            stored_records.write_meta(connection, meta)
            state = state_in(connection)
            assert state is not None
            set_journal_mode(connection, "wal")
            return state
        finally:
            connection.close(True)
    except _DAMAGE as error:
        raise SnapshotDamaged(f"{image.name}: {error}") from error
    except apsw.Error as error:
        raise StorageFault(error, "restore") from error


def _replaced(meta: stored_records.FileMeta, **fields: Any) -> stored_records.FileMeta:
    return stored_records.FileMeta(**{**asdict(meta), **fields})


def _digest_of(image: Path) -> bytes:
    """The content digest of a whole file that nobody changes. (Opened as any other it would be given a WAL.)

    Raises apsw errors, OSError; an image that the disk has spoilt says nothing of the database's own file.
    """
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    try:
        connection = apsw.Connection(f"file:{quote(str(image))}?immutable=1", flags=flags)
        try:
            register(connection, EntryContext())
            return content_digest(connection)
        finally:
            connection.close(True)
    except _DAMAGE as error:
        raise OSError(errno.EIO, f"the copy is damaged: {error}", str(image)) from error


def _compress(image: Path, target: Path, info: SnapshotHeader) -> SnapshotHeader:
    """Write the snapshot file, durably; `info` with the image's checksum, which goes into the header at the end."""
    checksum, pace = blake2b(digest_size=_CHECKSUM_BYTES), Throttle()
    with image.open("rb") as source, target.open("wb") as file:
        written = IncrementalFsyncFile(file)
        written.write(_header(replace(info, checksum=bytes(_CHECKSUM_BYTES).hex())))
        compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=info.image_bytes)
        while chunk := source.read(_CHUNK_BYTES):
            checksum.update(chunk)
            written.write(compressor.compress(chunk))
            pace.worked(len(chunk))
        written.write(compressor.flush())
        info = replace(info, checksum=checksum.hexdigest())
        file.seek(0)
        file.write(_header(info))
        written.finish()
    return info


def _header(info: SnapshotHeader) -> bytes:
    return orjson.dumps({"format": FORMAT, **asdict(info)}) + b"\n"


def _read_header(file: IO[bytes]) -> SnapshotHeader:
    """A snapshot's header; raises SnapshotDamaged.

    No checksum covers it. Its name and its digest are checked for their form alone: nobody who reads a file relies on
    them. A node may know a database under an earlier name, and releases may compute digests differently.
    """
    try:
        fields = orjson.loads(file.readline(_HEADER_BYTES))
        if (version := fields.pop("format")) != FORMAT:
            is_later = isinstance(version, int) and version > FORMAT
            raise SnapshotDamaged(later_release(version, FORMAT) if is_later else "the snapshot's format is not known")
        _check_fields(fields)
        return SnapshotHeader(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotDamaged(f"no snapshot: {error}") from error


def _check_fields(fields: Mapping[str, object]) -> None:
    """Raise ValueError for a field that is of another type or another range than its own."""
    for name in ("log_id", "index", "image_bytes", "file_bytes"):
        value = fields[name]
        if type(value) is not int or value < 0:
            raise ValueError(f"its {name} is no count")
    for name, size_bytes in _HASHES.items():
        value = fields[name]
        if not isinstance(value, str) or len(value) != 2 * size_bytes or not _HEX.fullmatch(value):
            raise ValueError(f"its {name} is no hash")
    if not isinstance(fields["name"], str) or not fields["name"]:
        raise ValueError("it names no database")
    if fields["file_bytes"]:
        raise ValueError("its file_bytes is not 0")


def _with_size(info: SnapshotHeader, path: Path) -> SnapshotHeader:
    return replace(info, file_bytes=path.stat().st_size)
