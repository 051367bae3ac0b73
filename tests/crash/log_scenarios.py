"""The log's work on disk, to be stopped anywhere: append, create and drop, snapshot, truncation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded import journal
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog, clock_ms
from dirk_gevent.log.entry import SYSTEM_LOG_ID, Draft, Entry, LoggedStatement, chain
from dirk_gevent.log.records import SnapshotInfo
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from tests.crash.points import Ack, Scenario

#: Entries that one step of a truncation takes here, so that one truncation has several.
_STEP_ENTRIES = 4
_CONTENT = [b"snapshot " * 500, b"end"]


@contextmanager
def opened(root: Path) -> Iterator[EmbeddedLog]:
    """The log under `root`."""
    log = EmbeddedLog(LogSettings(directory=root / "log"))
    try:
        yield log
    finally:
        log.close()


def draft(number: int) -> Draft:
    """A write of some size; some take several pages."""
    normalized = NormalizedStatement("manampia ao t sanda (?, ?)", (number, "x" * (number * 911 % 6000)))
    return Draft(new_request_id(clock_ms()), (LoggedStatement(normalized),))


def append(log: EmbeddedLog, log_id: int, number: int, ack: Ack) -> None:
    """Append and acknowledge: log id, index, request id."""
    made = draft(number)
    ack("entry", log_id, log.appends.append(log_id, made).entry.index, made.request_id)


def entries(log: EmbeddedLog, log_id: int) -> list[Entry]:
    """All entries that the log holds, the chain checked on the way."""
    found: list[Entry] = []
    after = log.reads.oldest(log_id) - 1
    while (chunk := log.reads.read(log_id, after, 1 << 20)).entries:
        before = chunk.chain_before
        for encoded in chunk.entries:
            after += 1
            before = chain(before, encoded)
            assert before == log.reads.chain_at(log_id, after), f"the chain breaks at {after}"
            found.append(Entry.decode(encoded))
            assert found[-1].index == after
    assert after == log.reads.head(log_id).index
    return found


def check_entries(log: EmbeddedLog, acks: list[list[Any]]) -> None:
    """What was acknowledged is there at its index, nothing is there twice, and the log takes more."""
    for info in log.reads.databases():
        found = entries(log, info.log_id)
        at = {entry.index: entry.request_id for entry in found}
        assert len(set(at.values())) == len(at), "a request has two entries"
        for _, log_id, index, request_id in (ack for ack in acks if ack[0] == "entry"):
            if log_id == info.log_id and index >= log.reads.oldest(info.log_id):
                assert at.get(index) == request_id, f"entry {index} was acknowledged"
        head = log.reads.head(info.log_id).index
        assert log.appends.append(info.log_id, draft(1)).entry.index == head + 1


def check_no_orphans(root: Path, log: EmbeddedLog) -> None:
    """Each snapshot file that the journal names is whole; any other may be what a later journal of this log names."""
    held = [info for one in log.reads.databases() for info in log.snapshots.all(one.log_id)]
    named = {f"{info.log_id}-{info.index}.zst": info for info in held}
    found = {path.name for path in (root / "log" / "snapshots").iterdir()}
    assert found >= set(named), f"{set(named) - found} missing"
    for name in found - set(named):
        log_id, index = map(int, name.removesuffix(".zst").split("-"))
        confirmed = (info.index for info in log.snapshots.all(log_id) if info.confirmed)
        assert index > max(confirmed, default=0), f"{name} is of no use to anybody"
    for info in named.values():
        reader = log.snapshots.open(info.log_id, info.index)
        assert reader.read(1 << 20) == b"".join(_CONTENT)
        reader.close()


class Append:
    """A log made, single appends, a group that shares a commit, a checkpoint between, more appends."""

    def prepare(self, root: Path) -> None:
        """Nothing: the journal's own making is part of it."""

    def act(self, root: Path, ack: Ack) -> None:
        """Append."""
        with opened(root) as log:
            made = log.appends.create_database("t", new_request_id(clock_ms())).change
            assert made is not None
            ack("database", made.log_id)
            for number in range(3):
                append(log, made.log_id, number, ack)
            gevent.joinall([gevent.spawn(append, log, made.log_id, number, ack) for number in range(3, 8)])
            log._threads.checkpoint_now()
            for number in range(8, 10):
                append(log, made.log_id, number, ack)

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """The acknowledged entries, in their places."""
        with opened(root) as log:
            if ["database", 1] in acks:
                assert log.reads.find("t") is not None
            check_entries(log, acks)


class CreateAndDrop:
    """Databases made and dropped, a name used again."""

    def prepare(self, root: Path) -> None:
        """One database with an entry."""
        with opened(root) as log:
            log.appends.create_database("first", new_request_id(clock_ms()))
            log.appends.append(1, draft(1))

    def act(self, root: Path, ack: Ack) -> None:
        """Make, write, drop, make again, and forget what was dropped."""
        with opened(root) as log:
            for name in ("second", "third", "second"):
                made = log.appends.create_database(name, new_request_id(clock_ms())).change
                assert made is not None
                ack("made", name, made.log_id)
                append(log, made.log_id, 5, ack)
                if name == "second":
                    log.appends.drop_database(name, new_request_id(clock_ms()))
                    ack("dropped", name, made.log_id)
                    log.snapshots.forget(made.log_id)

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """The databases are those of the system log's entries, and no acknowledgement is missing among these."""
        with opened(root) as log:
            changes = [entry.change for entry in entries(log, SYSTEM_LOG_ID)]
            standing: dict[int, str] = {}
            told: list[list[Any]] = []
            for change in changes:
                assert change is not None
                made = change.verb == "create_database"
                told.append(["made" if made else "dropped", change.name, change.log_id])
                if made:
                    standing[change.log_id] = change.name
                else:
                    del standing[change.log_id]
            assert {info.log_id: info.name for info in log.reads.databases()} == standing
            missing = [ack for ack in acks if ack[0] != "entry" and ack not in told]
            assert not missing, f"acknowledged and gone: {missing}"
            check_entries(log, acks)


class Snapshot:
    """A snapshot stored, confirmed, replaced by a newer one that a second copy confirms."""

    def prepare(self, root: Path) -> None:
        """A database with entries."""
        with opened(root) as log:
            log.appends.create_database("t", new_request_id(clock_ms()))
            for number in range(10):
                log.appends.append(1, draft(number))

    def act(self, root: Path, ack: Ack) -> None:
        """Store, confirm, append, store, confirm."""
        with opened(root) as log:
            for _ in range(2):
                index = log.reads.head(1).index
                _store(log, index)
                ack("stored", index)
                log.snapshots.confirm(1, index, b"digest")
                ack("confirmed", index)
                append(log, 1, 3, ack)

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """What was acknowledged is held or replaced by a newer one; files and journal agree."""
        with opened(root) as log:
            latest = log.snapshots.latest(1)
            for what, index, *_ in (ack for ack in acks if ack[0] != "entry"):
                held = {info.index: info for info in log.snapshots.all(1)}
                assert max(held, default=0) >= index, f"{what} {index}"
                if what == "confirmed":
                    assert latest is not None and latest.index >= index, f"{what} {index}"
                    assert index not in held or held[index].confirmed
            check_no_orphans(root, log)
            check_entries(log, acks)


class Truncate:
    """Entries forgotten behind a confirmed snapshot, in several steps, while others are appended."""

    def prepare(self, root: Path) -> None:
        """Entries, and a snapshot that is confirmed."""
        with opened(root) as log:
            log.appends.create_database("t", new_request_id(clock_ms()))
            for number in range(14):
                log.appends.append(1, draft(number))
            _store(log, 12)
            log.snapshots.confirm(1, 12, b"digest")

    def act(self, root: Path, ack: Ack) -> None:
        """Truncate, append, truncate beyond what is allowed."""
        vars(journal)["STEP_ENTRIES"] = _STEP_ENTRIES
        with opened(root) as log:
            ack("oldest", log.snapshots.truncate(1, 6))
            append(log, 1, 14, ack)
            ack("oldest", log.snapshots.truncate(1, 40))
            append(log, 1, 15, ack)
            log._threads.checkpoint_now()

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """Snapshot and entries are the whole history."""
        with opened(root) as log:
            told = max((ack[1] for ack in acks if ack[0] == "oldest"), default=1)
            latest = log.snapshots.latest(1)
            assert latest is not None and latest.index == 12
            assert told <= log.reads.oldest(1) <= latest.index + 1
            check_no_orphans(root, log)
            check_entries(log, acks)


def _store(log: EmbeddedLog, index: int) -> None:
    chained = log.reads.chain_at(1, index)
    assert chained is not None
    log.snapshots.store(SnapshotInfo(1, index, chained, b"digest"), _CONTENT)


LOG_SCENARIOS: dict[str, Scenario] = {
    "append": Append(),
    "create_drop_log": CreateAndDrop(),
    "snapshot_store": Snapshot(),
    "truncate": Truncate(),
}
