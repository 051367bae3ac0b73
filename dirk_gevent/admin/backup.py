"""dirk-admin's backup, check, restore and dump: what lies in files of the person's own."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, TextIO

from dirk_gevent.admin.backup_file import Backup, BackupDamaged, BackupWriter, Point
from dirk_gevent.admin.proxy_link import AdminLink, TaskFailed, proxy_address, say
from dirk_gevent.admin.usage import UsageError, moment_ms
from dirk_gevent.base.printable import file_stem, moment
from dirk_gevent.base.startup import plain_reason
from dirk_gevent.config.settings import Config
from dirk_gevent.coordinator.admin.replay import Scratch
from dirk_gevent.coordinator.admin.restore import index_by_time
from dirk_gevent.driver.answers import Page
from dirk_gevent.driver.tcp_connection import Address, TcpConnection
from dirk_gevent.engine.dump.dump import dump_file
from dirk_gevent.engine.errors.faults import ForeignHistory, OutOfOrder, PoisonedEntry, SnapshotDamaged, StorageFault
from dirk_gevent.engine.snapshot.reissue import LogPosition
from dirk_gevent.log.records import EntriesGoneError
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.messages.error_text import sentence
from dirk_parser.errors import SqlError
from dirk_parser.names import key

_CHUNK_BYTES = 256 * 1024
_ANSWER_SECONDS = 10.0
#: What a replay ends in when the machine or what it is given is at fault.
_UNFIT = (ForeignHistory, OutOfOrder, PoisonedEntry, SnapshotDamaged, StorageFault)


def backup(settings: Config, file: Path, database: str | None) -> int:
    """Write a backup of all databases, or of one, to `file`; the exit status."""
    if file.exists():
        raise UsageError(f"{file} exists already: choose another name, a backup is never written over")
    fetched = _fetch(settings, file, database)
    print(f"{file}: {fetched.size_bytes} bytes, whole and on the disk.")
    fetched.check(f"{file} is all that the log holds, which is not all that was written")
    return 0


def check(file: Path) -> int:
    """Read a backup through and say what is in it; the exit status is 1 when something in it is damaged."""
    with _opened(file) as opened:
        damaged = 0
        print(f"{file} was taken at {moment(opened.taken_ms)}.")
        for point in opened.points:
            source = opened.source(point)
            try:
                source.verify()
            except BackupDamaged as error:
                damaged += 1
                say(str(error))
            else:
                newest = f"{point.index}, the last of {moment(point.time_ms)}"
                is_new = point.index == 0
                said = "nothing was written to it yet" if is_new else f"any index from {source.least} to {newest}"
                say(f"{point.name}: {said}")
        if damaged:
            raise TaskFailed(f"{file} is not whole: {damaged} of {len(opened.points)} databases in it are damaged")
        print(f"{file} is whole.")
    return 0


def restore_file(settings: Config, file: Path, options: dict[str, Any]) -> int:
    """Restore all databases of a backup, or one, as new ones or in place; the exit status."""
    name, target = options["--database"], options["--as"]
    with _opened(file) as opened:
        points = opened.points if name is None else [point for point in [opened.point(name)] if point is not None]
        if name is not None and not points:
            names = ", ".join(point.name for point in opened.points) or "nothing"
            raise UsageError(f"--database: {file} has no {name}; it has {names}")
        if name is None and (target or options["--in-place"] or options["--to-index"]):
            raise UsageError("--as, --in-place and --to-index are about one database: name it with --database")
        if not options["--in-place"]:
            _check_names(settings, [target or point.name for point in points])
        for point in points:
            index = _wanted_index(opened, point, options)
            _restore_one(
                settings=settings,
                found=opened,
                point=point,
                index=index,
                target=target or point.name,
                options=options,
            )
    return 0


def restore_from_log(settings: Config, options: dict[str, Any]) -> int:
    """Restore a database to an index or a moment that the log still holds; the exit status."""
    fields: dict[str, Any] = {"database": options["DATABASE"], "target": options["--as"]}
    if options["--to-index"] is not None:
        fields["index"] = int(options["--to-index"])
    else:
        fields["ms"] = moment_ms(options["--to-time"])
    link = AdminLink(settings, "restore", in_place=options["--in-place"], **fields)
    try:
        return link.finish(lambda frame: keep_before(link, frame))
    finally:
        link.close()


def dump(settings: Config, database: str, file: Path | None, table: str | None) -> int:
    """Write a database, or one table of it, as statements to `file`, or to the standard output; the exit status."""
    if file is not None and file.exists():
        raise UsageError(f"{file} exists already: choose another name")
    with tempfile.TemporaryDirectory(prefix="dirk-dump-") as name:
        taken = Path(name) / "taken"
        fetched = _fetch(settings, taken, database)
        with _opened(taken) as opened:
            (point,) = opened.points
            target = Path(name) / "dump.sql" if file is None else file
            with _made(settings, opened, point, point.index) as scratch:
                # The statements may be on their way to the standard output.
                _tell_older(point, scratch, sys.stderr)
                scratch.close()
                _dump(scratch.database.file.path, target, point, table)
            if file is None:
                with target.open(encoding="utf-8", newline="") as lines:
                    sys.stdout.writelines(lines)
    fetched.check("these statements are what the log holds, which is not all that was written")
    return 0


def _dump(database: Path, target: Path, point: Point, table: str | None) -> None:
    what = f"Database {point.name}" if table is None else f"Table {table} of database {point.name}"
    at = f"at index {point.index}, {moment(point.time_ms)}" if point.index else "to which nothing was written yet"
    try:
        dump_file(database, target, point.name, (f"{what} {at}.",), table)
    except SqlError as error:
        raise TaskFailed(sentence(error.key, "en", error.params)) from error


def keep_before(link: AdminLink, frame: dict[str, Any]) -> None:
    """Before a database is replaced, and while nothing is written to it: all that its log holds goes to a backup in
    this directory. Raises TaskFailed: then nothing was replaced.
    """
    if frame["t"] != "keep":
        raise TaskFailed(f"the proxy said {frame['t']}, which this program does not know; nothing was replaced")
    stem = f"{file_stem(frame['database'])}-before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    # Two restores may begin in one second, and a backup is never written over.
    suffixes = chain(("",), (f"-{number}" for number in count(2)))
    names = (f"{stem}{suffix}.dirkbackup" for suffix in suffixes)
    file = next(path for path in map(Path, names) if not path.exists())
    fetched = _receive(link, file)
    say(f"What {frame['database']} is now is kept in {file}.")
    fetched.check("nothing was replaced")
    link.send({"t": "kept"})


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A backup that was written. `lacking` are sentences about databases of which the log has less than was written."""

    size_bytes: int
    lacking: tuple[str, ...]

    def check(self, consequence: str) -> None:
        """Raises TaskFailed, which begins with `consequence`, when something is lacking."""
        if self.lacking:
            raise TaskFailed(f"{consequence}: {'; '.join(self.lacking)}")


def _fetch(settings: Config, file: Path, database: str | None) -> _Fetched:
    """Take a backup from the proxy into `file`."""
    link = AdminLink(settings, "backup", database=database)
    try:
        fetched = _receive(link, file)
        last = link.receive()
        if last["t"] != "end" or last["status"]:
            raise TaskFailed(str(last.get("text")))
        return fetched
    finally:
        link.close()


def _receive(link: AdminLink, file: Path) -> _Fetched:
    """Write the backup that comes on `link` into `file`, and read it back."""
    try:
        writer = BackupWriter(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    try:
        lacking: list[str] = []
        kind = ""
        while kind != "whole":
            frame = link.receive()
            kind = frame["t"]
            if kind == "end":
                raise TaskFailed(frame["text"])
            if kind == "lacking":
                lacking.append(frame["text"])
            else:
                writer.add(frame, frame.pop("body", b""))
        return _Fetched(writer.finish(), tuple(lacking))
    except BackupDamaged as error:
        raise TaskFailed(f"{file} was not made: {error}") from error
    except OSError as error:
        raise TaskFailed(f"{file} cannot be written: {error.strerror}") from error
    finally:
        writer.abandon()


def _check_names(settings: Config, wanted: list[str]) -> None:
    """Before the first of several databases is made: none of them exists."""
    connection = TcpConnection(Address(*proxy_address(settings)), _ANSWER_SECONDS)
    try:
        parts = list(connection.ask(b"asehoy ny tahiry;", asks_meta=False))
    except OSError as error:
        raise UsageError(f"the proxy does not answer: {plain_reason(error)}") from error
    finally:
        connection.close()
    taken = {key(str(row[0])) for part in parts if isinstance(part, Page) for row in part.rows}
    for name in wanted:
        if key(name) in taken:
            how = "restore one database at a time, under another name (--as) or in its place (--in-place)"
            raise TaskFailed(f"a database {name} exists: {how}; nothing was changed")


def _wanted_index(found: Backup, point: Point, options: dict[str, Any]) -> int:
    source = found.source(point)
    index = point.index
    if options["--to-index"] is not None:
        index = int(options["--to-index"])
    elif options["--to-time"] is not None:
        time_ms = moment_ms(options["--to-time"])
        found_index = source.index_at(time_ms)
        if found_index is None:
            first = moment(source.first_ms())
            raise UsageError(f"{found.path} has no state of {point.name} before {first}")
        index = found_index
    if not source.least <= index <= point.index:
        raise UsageError(f"{found.path} holds {point.name} from index {source.least} to {point.index}, not at {index}")
    return index


def _restore_one(
    settings: Config, found: Backup, point: Point, index: int, target: str, options: dict[str, Any]
) -> None:
    in_place = options["--in-place"]
    with _made(settings, found, point, index) as scratch:
        if options["--to-time"] is not None:
            _check_moment(found, point, scratch, moment_ms(options["--to-time"]))
        _tell_older(point, scratch, sys.stdout)
        link = AdminLink(settings, "receive", database=target, in_place=in_place)
        try:
            frame = link.receive()
            if frame["t"] == "keep":
                keep_before(link, frame)
                frame = link.receive()
            if frame["t"] == "place":
                _send(link, scratch, frame)
                link.finish()
            else:
                raise TaskFailed(frame["text"])
        finally:
            link.close()


def _check_moment(found: Backup, point: Point, scratch: Scratch, time_ms: int) -> None:
    """Say which index a moment was taken for. Raises UsageError when the first state held is a later one's."""
    reached_ms = scratch.database.position.time_ms
    if reached_ms > time_ms:
        raise UsageError(f"{found.path} has no state of {point.name} before {moment(reached_ms)}")
    say(f"{point.name}: {index_by_time(scratch.database.applied_index, time_ms)}")


def _tell_older(point: Point, scratch: Scratch, stream: TextIO) -> None:
    """Say when entries were run by other rules than they were appended under: the state may differ from what it was."""
    if remark := scratch.older_remark():
        say(f"{point.name}: {remark}", stream)


def _send(link: AdminLink, scratch: Scratch, frame: dict[str, Any]) -> None:
    position = LogPosition(frame["log"], frame["name"], frame["index"], bytes.fromhex(frame["chain"]), frame["ms"])
    with tempfile.TemporaryDirectory(prefix="dirk-restore-") as name:
        file = Path(name) / "state.zst"
        header = scratch.reissue(position, file)
        link.send({"t": "state", "digest": header.digest})
        with file.open("rb") as opened:
            while piece := opened.read(_CHUNK_BYTES):
                link.send({"t": "chunk"}, piece)
        link.send({"t": "chunk_end"})


@contextmanager
def _made(settings: Config, found: Backup, point: Point, index: int) -> Iterator[Scratch]:
    """The state of a database at an index, made anew out of a backup in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="dirk-restore-") as name:
        scratch = Scratch(Path(name), point.log_id, settings.limits, NativeThreads(1))
        try:
            found.source(point).verify(index)
            scratch.run(found.source(point), index)
            if index == point.index and scratch.database.position.chain != point.chain:
                raise TaskFailed(f"{found.path}: what it holds of {point.name} does not lead to its own end")
            yield scratch
        except (BackupDamaged, EntriesGoneError, OSError, *_UNFIT) as error:
            raise TaskFailed(f"{point.name} cannot be made anew: {error}") from error
        finally:
            scratch.close()


@contextmanager
def _opened(file: Path) -> Iterator[Backup]:
    try:
        opened = Backup(file)
    except BackupDamaged as error:
        raise TaskFailed(f"{error}; nothing was changed") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    try:
        yield opened
    except BackupDamaged as error:
        raise TaskFailed(f"{error}; nothing was changed") from error
    finally:
        opened.close()
