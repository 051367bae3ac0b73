"""A node's work on disk, to be stopped anywhere: apply, snapshots, a state put aside, databases made and dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.snapshot.snapshot import SnapshotHeader
from dirk_gevent.log.entry import NO_CHAIN, Entry, chain
from dirk_gevent.loop import throttle
from tests.crash.points import Ack, Scenario
from tests.engine.plans import LogMaker, open_engine, rows_of, work

_ENTRIES = 12
_COUNT = "select count(*) as n from dirk_meta"
#: Of a large file, so that these small ones are written in several.
_STEP_BYTES = 16 * 1024
#: Which history a made entry belongs to is in its rows.
_OURS, _OTHER = 1, 2


@contextmanager
def opened(root: Path) -> Iterator[Engine]:
    """The engine under `root`."""
    engine = open_engine(root / "node")
    try:
        yield engine
    finally:
        engine.close()


def history(which: int, count: int = _ENTRIES) -> list[Work]:
    """A log's first entries, the same in every process: a table, then rows (index, history), some wide."""
    log = LogMaker(1)
    made = [log.sql("create table u (a, b, c)")]
    made += [
        log.sql("insert into u values (?, ?, ?)", index, which, "x" * (index * 1777 % 9000))
        for index in range(2, count + 1)
    ]
    return work(*(_named(entry, which) for entry in made))


def _named(entry: Entry, which: int) -> Entry:
    request_id = f"{entry.time_ms:013d}-{which:04x}{entry.index:016x}"
    return replace(entry, request_id=request_id)


def system(*changes: tuple[str, int]) -> list[Work]:
    """The system log's entries: create or drop, and the log."""
    log = LogMaker(0)
    made = [log.database(verb, f"t{log_id}", log_id) for verb, log_id in changes]
    return work(*(_named(entry, 0) for entry in made))


def chain_at(entries: list[Work], index: int) -> bytes:
    """The log's hash at an index."""
    found = NO_CHAIN
    for item in entries[:index]:
        found = chain(found, item.encoded)
    return found


def the_database(engine: Engine) -> Database:
    """The database of log 1, made if the system log's entry was lost."""
    engine.apply_system(system(("create_database", 1)))
    return engine.logs()[1]


def check_state(database: Database, *which: int) -> int:
    """The database is a prefix of one of these histories, whole and once, and goes on; the index it was at."""
    index = database.applied_index
    fits = [one for one in which if chain_at(history(one), index) == database.position.chain]
    assert fits, f"no history has this hash at {index}"
    if index:
        found = rows_of(database, "select a, b from u")
        assert found == [(at, fits[0]) for at in range(2, index + 1)], f"at {index}: {found}"
    database.apply(history(fits[0]))
    expected = [(at, fits[0]) for at in range(2, _ENTRIES + 1)]
    assert rows_of(database, "select a, b from u") == expected
    integrity = database.upkeep.pin()
    assert integrity._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    integrity.close()
    return index


def check_files(root: Path, engine: Engine) -> None:
    """No file is there that belongs to nothing."""
    for path in (root / "node").iterdir():
        stem = path.name.partition(".")[0]
        assert path.suffix != ".partial", f"{path.name} was left behind"
        assert not stem.startswith("db-") or int(stem[3:]) in engine.logs(), f"{path.name} is an orphan"


class Apply:
    """Entries in batches, checkpoints between: what a node acknowledges, and what it calls durable."""

    def prepare(self, root: Path) -> None:
        """Nothing: the files' making is part of it."""

    def act(self, root: Path, ack: Ack) -> None:
        """Apply and checkpoint."""
        engine = open_engine(root / "node")
        database = the_database(engine)
        entries = history(_OURS)
        for first, last in ((0, 1), (1, 5), (5, 6), (6, 11)):
            database.apply(entries[first:last], chain_at(entries, last))
            ack("applied", last)
            if last in (5, 6):
                ack("durable", database.upkeep.checkpoint())
        engine.close()
        ack("durable", 11)

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """A prefix of the log, never behind what was called durable."""
        with opened(root) as engine:
            index = check_state(the_database(engine), _OURS)
            durable = max((at for what, at in acks if what == "durable"), default=0)
            assert index >= durable, f"at {index}, but {durable} was durable"
            check_files(root, engine)


class SnapshotWrite:
    """A snapshot of a database made, as for the log."""

    def prepare(self, root: Path) -> None:
        """Entries."""
        with opened(root) as engine:
            the_database(engine).apply(history(_OURS)[:9])

    def act(self, root: Path, ack: Ack) -> None:
        """Make one, apply, make another over it."""
        throttle.STEP_BYTES = _STEP_BYTES
        with opened(root) as engine:
            database = engine.logs()[1]
            for last in (9, 11):
                database.apply(history(_OURS)[:last])
                ack("made", database.upkeep.snapshot(root / "made.zst").index)

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """The file is whole, at an index that is not behind what was acknowledged, or was never there."""
        with opened(root) as engine:
            if acks:
                made = SnapshotHeader.read(root / "made.zst")
                assert made.index >= acks[-1][1]
            if (root / "made.zst").exists():
                engine.logs()[1].restore(root / "made.zst")
            check_state(engine.logs()[1], _OURS)
            check_files(root, engine)


class SnapshotReceive:
    """A snapshot takes the place of an older state, after a fence of another history too."""

    def prepare(self, root: Path) -> None:
        """A snapshot at 9; a node at 3 of the same log."""
        with opened(root / "source") as engine:
            the_database(engine).apply(history(_OURS)[:9])
            engine.logs()[1].upkeep.snapshot(root / "given.zst")
        with opened(root) as engine:
            the_database(engine).apply(history(_OURS)[:3])

    def act(self, root: Path, ack: Ack) -> None:
        """Become what it says, then go on."""
        throttle.STEP_BYTES = _STEP_BYTES
        engine = open_engine(root / "node")
        database = engine.logs()[1]
        rows_of(database, "select a, b from u")
        database.restore(root / "given.zst")
        ack("restored", 9)
        database.apply(history(_OURS)[:10])
        engine.close()

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """The old state, none at all, or the new one; the new one for ever once it was acknowledged."""
        with opened(root) as engine:
            index = check_state(engine.logs()[1], _OURS)
            assert index in ((9, 10) if acks else (0, 3, 9)), f"at {index}"
            check_files(root, engine)


class SetAside:
    """A wrong history is put aside and the right one begins, WAL and file each."""

    def prepare(self, root: Path) -> None:
        """A node that followed another history, partly past its last checkpoint."""
        with opened(root) as engine:
            the_database(engine).apply(history(_OTHER)[:4])

    def act(self, root: Path, ack: Ack) -> None:
        """More of the wrong history, then aside with it, then the right one."""
        engine = open_engine(root / "node")
        database = engine.logs()[1]
        for last in (6, 8):
            database.apply(history(_OTHER)[:last])
        database.set_aside("fenced")
        ack("aside", 0)
        database.apply(history(_OURS)[:3])
        database.upkeep.checkpoint()
        ack("durable", 3)
        engine.close()

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """One history or the other, never both in one file."""
        with opened(root) as engine:
            index = check_state(engine.logs()[1], *((_OURS,) if ["durable", 3] in acks else (_OTHER, _OURS)))
            assert ["durable", 3] not in acks or index >= 3
            check_files(root, engine)


class Databases:
    """Databases made and dropped as the system log says."""

    def prepare(self, root: Path) -> None:
        """One database with rows."""
        with opened(root) as engine:
            the_database(engine).apply(history(_OURS)[:5])

    _CHANGES = (
        ("create_database", 1),
        ("create_database", 2),
        ("drop_database", 1),
        ("create_database", 4),
        ("drop_database", 2),
    )

    def act(self, root: Path, ack: Ack) -> None:
        """Make and drop; each has a file by then."""
        engine = open_engine(root / "node")
        entries = system(*self._CHANGES)
        for last in range(2, len(entries) + 1):
            engine.apply_system(entries[:last])
            ack("enacted", last)
            for database in engine.logs().values():
                rows_of(database, _COUNT)
                database.upkeep.checkpoint()
        engine.close()

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """What is known is what the system log says at its index, and after the rest of it what that says."""
        with opened(root) as engine:
            for applied in (engine.system.applied_index, len(self._CHANGES)):
                engine.apply_system(system(*self._CHANGES)[:applied])
                standing: set[int] = set()
                for verb, log_id in self._CHANGES[:applied]:
                    standing = standing | {log_id} if verb == "create_database" else standing - {log_id}
                assert set(engine.logs()) == standing | {0}
                check_files(root, engine)


NODE_SCENARIOS: dict[str, Scenario] = {
    "apply": Apply(),
    "snapshot_write": SnapshotWrite(),
    "snapshot_receive": SnapshotReceive(),
    "set_aside": SetAside(),
    "databases": Databases(),
}
