"""Faults of the machine at every system call of every call of the engine.

They stay with the database whose file fails, end when the machine's trouble ends, and leave no file and no descriptor.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from dirk_gevent.engine.apply.applier import Applier
from dirk_gevent.engine.apply.database_writer import DatabaseWriter
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.database_file import DatabaseFile
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import Overrun, SnapshotDamaged, StorageFault
from dirk_gevent.engine.read.reads import Reads
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.engine.transaction.open_transaction import Transaction
from dirk_gevent.engine.wal import checkpoints
from dirk_gevent.engine.wal.file_upkeep import FileUpkeep
from dirk_gevent.log.entry import Entry, LoggedStatement
from tests.engine.faulty_machine import FAULTS, Fault, FaultyMachine
from tests.engine.plans import START_MS, LogMaker, StandInCompiler, TestLimits, normalized, open_engine, rows_of, work

pytestmark = pytest.mark.usefixtures("unwatched")

#: Where the victim's file names begin; what is made of it outside (snapshots) is called so, too.
_MARK = "db-00000001"
_LAST = 7
_ROWS = 400
_LIMITS = TestLimits(page_rows=20)


@dataclass
class World:
    """A node with two databases: the first has the fault, the second must notice nothing."""

    directory: Path
    engine: Engine
    entries: list[Entry]
    neighbour: LogMaker

    @property
    def victim(self) -> Database:
        """The database whose file fails."""
        return self.engine.logs()[1]

    @property
    def shot(self) -> Path:
        """Where snapshots of it go."""
        return self.directory / f"{_MARK}-shot"


def history() -> list[Entry]:
    """The victim's entries."""
    log = LogMaker(1)
    texts = ["create table t (a, b)", "insert into t values (1, 'x')", f"insert into t values (2, '{'y' * 9000}')"]
    made = [log.sql(text) for text in texts]
    rows = ", ".join(f"({n}, '{'z' * 100}')" for n in range(_ROWS))
    made += [log.sql(f"insert into t values {rows}"), log.sql("create table u (a)")]
    made += [log.sql("insert into u values (5)"), log.sql("update t set b = 'w' where a = 7")]
    return made


# --- the calls -------------------------------------------------------------------------------------------------


def _transaction(world: World) -> Transaction:
    return Transaction(world.victim.base_state(), 0, 1 << 20)


def _change(world: World) -> None:
    transaction, statement = _transaction(world), LoggedStatement(normalized("insert into t values (9, 'q')"), (), 1, 1)
    world.victim.writer.change_in(transaction, transaction.written_as("", statement))
    world.victim.writer.forget_changes(transaction)


def _read_in(world: World) -> None:
    answer = world.victim.writer.read_in(
        _transaction(world), LoggedStatement(normalized("select a, b from t"), (), 1, 1)
    )
    answer.close()  # type: ignore[union-attr]


def _stream(world: World) -> None:
    stream = world.victim.reads.stream(normalized("select a, b from t"), (), START_MS)
    try:
        while not stream.finished:
            stream.fetch(1)
    finally:
        stream.close()


def _spool(world: World) -> None:
    stream = world.victim.reads.stream(normalized("select a, b from t"), (), START_MS)
    try:
        stream.fetch(1)
        stream.spool()
        while not stream.finished:
            stream.fetch(1)
    finally:
        stream.close()


def _read(world: World) -> None:
    for _ in range(2):
        rows_of(world.victim, "select a from t where a = 7")


def _reads_between_entries(world: World) -> None:
    _read(world)
    world.victim.apply(work(world.entries[5]))
    _read(world)
    world.engine.end_idle_reads()
    world.engine.end_idle_reads()


def _reopen(world: World) -> None:
    world.engine.close()
    world.engine.open()


def _crowd(world: World) -> None:
    """The neighbour will need the victim's place among the open databases, and its WAL emptied."""
    pools = world.engine._shared
    pools.readers._most = pools.writers._most = 1
    world.victim.apply(work(world.entries[5]))
    _read(world)


def _begin_wal_anew(world: World) -> None:
    """The writer empties the WAL before its next transaction, beside the hub's reader."""
    _read(world)
    world.victim.file.wal.is_wanted_empty = True
    world.victim.apply(work(world.entries[5]))
    _read(world)


def _drop(world: World) -> None:
    system = LogMaker(0)
    system.index = world.engine.system.applied_index
    world.engine.apply_system(work(system.database("drop_database", "victim", 1)))


CALLS: dict[str, Callable[[World], object]] = {
    "open and close": _reopen,
    "apply": lambda world: world.victim.apply(work(*world.entries[4:6])),
    "apply anew": lambda world: (world.victim.set_aside("fenced"), world.victim.apply(work(*world.entries))),
    "read": _read,
    "read between entries": _reads_between_entries,
    "stream": _stream,
    "spool": _spool,
    "change in a transaction": _change,
    "read in a transaction": _read_in,
    "recorded": lambda world: world.victim.reads.recorded(world.entries[1].request_id),
    "probe": lambda world: world.victim.writer.probe(),
    "forget heard": lambda world: world.victim.forget_heard(),
    "content digest": lambda world: world.victim.upkeep.content_digest(),
    "snapshot": lambda world: world.victim.upkeep.snapshot(world.directory / "data" / f"{_MARK}-made"),
    "restore": lambda world: world.victim.restore(world.shot),
    "set aside": lambda world: world.victim.set_aside("fenced"),
    "checkpoint": lambda world: world.victim.upkeep.checkpoint(),
    "begin the WAL anew": _begin_wal_anew,
    "make room": lambda world: world.victim.writer.close_if_idle(),
    "crowd": _crowd,
    "drop": _drop,
}


def test_every_call_of_a_database_is_in_the_table() -> None:
    """A new one needs a line here."""
    known = {
        Database: {
            "applied_index", "apply", "base_state", "close", "drop", "forget_heard", "name", "position", "restore",
            "set_aside", "set_heard",
        },
        DatabaseFile: {
            "begin", "begin_empty", "forget_markers", "heard_head", "is_dropped", "let_go", "load", "make", "put",
            "retire_reader", "state_at", "state_in",
        },
        Reads: {
            "close", "depends_on", "keep_reader", "log_id", "prepare", "read", "recorded", "rest_reader",
            "run_prepared", "stream",
        },
        DatabaseWriter: {
            "change_in", "close", "close_at_end", "close_if_idle", "discarding", "effort", "empty_wal",
            "end_speculation", "forget_changes", "log_id", "probe", "read_in", "rested", "take", "used",
        },
        FileUpkeep: {"checkpoint", "content_digest", "pin", "snapshot", "wants_checkpoint"},
    }  # fmt: skip
    for part, names in known.items():
        assert {name for name in dir(part) if not name.startswith("_")} == names


# --- one case --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry], int, bytes]:
    """A node's directory that is copied for each case; the entries, the neighbour's index, what all must lead to."""
    directory, entries = tmp_path_factory.mktemp("template"), history()
    engine = open_engine(directory / "data")
    system, neighbour = LogMaker(0), LogMaker(2)
    engine.apply_system(work(*(system.database("create_database", name) for name in ("victim", "neighbour"))))
    engine.logs()[1].apply(work(*entries[:5]))
    engine.logs()[1].upkeep.snapshot(directory / f"{_MARK}-shot")
    engine.logs()[2].apply(work(neighbour.sql("create table n (a)")))
    engine.close()
    scratch = open_engine(directory / "expected")
    scratch.apply_system(work(LogMaker(0).database("create_database", "victim")))
    scratch.logs()[1].apply(work(*entries))
    digest = scratch.logs()[1].upkeep.content_digest()[1]
    scratch.close()
    return directory, entries, neighbour.index, digest


@pytest.fixture(scope="module")
def machine() -> Iterator[FaultyMachine]:
    """The machine whose calls fail."""
    made = FaultyMachine(_MARK)
    with made.installed(), pytest.MonkeyPatch.context() as patch:
        # Every WAL is emptied by whoever closes its writer.
        patch.setattr(checkpoints, "SLOW_TO_OPEN_BYTES", 0)
        yield made


def _use_neighbour(world: World) -> None:
    made = world.neighbour.sql("insert into n values (1)")
    neighbour = world.engine.logs()[2]
    assert [outcome.sqlstate for outcome in neighbour.apply(work(made))] == [""]
    assert len(neighbour.reads.read(normalized("select count(*) from n"), (), START_MS).rows) == 1


def run(
    machine: FaultyMachine, template: tuple[Path, list[Entry], int, bytes], place: Path, call: str, fault: Fault, n: int
) -> int:
    """One case: `call` while the machine fails from its `n`-th call on. How many of its calls failed."""
    source, entries, index, digest = template
    shutil.copytree(source / "data", place / "data")
    shutil.copy(source / f"{_MARK}-shot", place)
    world = World(place, Engine(place / "data", "m1", _LIMITS, StandInCompiler()), entries, LogMaker(2))
    world.neighbour.index = index
    world.engine.open()
    if call != "open and close":
        _read(world)
    with machine.failing(fault, n):
        with suppress(StorageFault, SnapshotDamaged, Overrun):
            CALLS[call](world)
        is_open = world.engine.directory._lock is not None
        if is_open:
            _use_neighbour(world)
        failed = machine.failed
    if not is_open or call == "open and close":
        world.engine = _opened_anew(world)
    _heal(world, call, digest)
    if fault.name in ("IOERR", "FULL", "CORRUPT"):
        _assert_no_file_left(world, call)
    world.engine.close()
    _assert_no_descriptor_left(place)
    world.engine = _opened_anew(world)
    _assert_no_file_left(world, call)
    world.engine.close()
    shutil.rmtree(place)
    return failed


def _opened_anew(world: World) -> Engine:
    if world.engine.directory._lock is not None:
        try:
            world.engine.close()
        except StorageFault:
            world.engine.directory.unlock()
    return open_engine(world.directory / "data", _LIMITS)


def _heal(world: World, call: str, digest: bytes) -> None:
    """What a lane does once the machine is well: entries again, a fence for damage; all is then as it must be."""
    if call == "drop":
        world.engine.reload_databases()
        assert world.engine.of_log(1) is None
        return
    for _ in range(2):
        try:
            world.victim.apply(work(*world.entries))
            if world.victim.upkeep.content_digest()[1] == digest:
                break
        except StorageFault as fault:
            assert fault.is_damage, fault
        world.victim.set_aside("fenced")
    assert world.victim.applied_index == _LAST
    assert world.victim.upkeep.content_digest()[1] == digest
    assert rows_of(world.victim, "select a from u") == [(5,)]


def _assert_no_file_left(world: World, call: str) -> None:
    names = {path.name for path in (world.directory / "data").iterdir()}
    allowed = {"dirk.lock", "dirk.running", "dirk.sqlite", "system.sqlite", "db-00000002.sqlite", f"{_MARK}-made"}
    allowed |= set() if call == "drop" else {f"{_MARK}.sqlite"}
    left = {name for name in names - allowed if not name.startswith("kept-")}
    assert not {name for name in left if name.rpartition("-")[0] not in allowed}, (call, left)
    made = {path.name for path in world.directory.iterdir()} - {"data", f"{_MARK}-shot"}
    assert not made, (call, made)


def _assert_no_descriptor_left(place: Path) -> None:
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            targets.append(str(descriptor.readlink()))
    assert not [target for target in targets if target.startswith(str(place))]


@pytest.mark.parametrize("call", CALLS)
def test_a_fault_stays_in_its_database_and_heals(
    machine: FaultyMachine, template: tuple[Path, list[Entry], int, bytes], memory_path: Path, call: str
) -> None:
    """Two faults a call, each at one of the machine's first calls; the seed is the call's name."""
    rng = random.Random(call)
    for fault in rng.sample(FAULTS, 2):
        run(machine, template, memory_path / "case", call, fault, rng.choice((1, 1, 2, 3, 5, 9)))


@pytest.mark.parametrize("call", ["crowd", "read between entries", "apply", "restore"])
def test_the_first_errors_of_the_disk_stay_and_heal(
    machine: FaultyMachine, template: tuple[Path, list[Entry], int, bytes], memory_path: Path, call: str
) -> None:
    """At each of the first calls: where a neighbour makes room, a read begins its transaction, a file is replaced."""
    for n in range(1, 26, 2):
        run(machine, template, memory_path / "case", call, FAULTS[0], n)


@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[2]], ids=lambda fault: fault.name)
def test_a_node_starts_without_a_database_that_cannot_be_read(
    machine: FaultyMachine, template: tuple[Path, list[Entry], int, bytes], memory_path: Path, fault: Fault
) -> None:
    """Nothing of it is answered or overwritten meanwhile; the first entry that comes afterwards finds its place."""
    source, entries, index, digest = template
    shutil.copytree(source / "data", memory_path / "data")
    with machine.failing(fault, 1):
        engine = open_engine(memory_path / "data")
        world = World(memory_path, engine, entries, LogMaker(2))
        world.neighbour.index = index
        _use_neighbour(world)
        assert (world.victim.status.state, world.victim.file.is_loaded) == (DatabaseState.STALLED, False)
        for use in (lambda: rows_of(world.victim, "select a from u"), lambda: world.victim.apply(work(*entries))):
            with pytest.raises(StorageFault):
                use()
    with pytest.raises(StorageFault):
        rows_of(world.victim, "select a from u")
    world.victim.apply(work(*entries))
    assert (world.victim.applied_index, world.victim.upkeep.content_digest()[1]) == (_LAST, digest)
    assert rows_of(world.victim, "select a from u") == [(5,)]
    engine.close()


def test_a_connection_whose_rollback_failed_is_not_used_again(
    engine: Engine, database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.apply(work(log.sql("create table t (a)")))
    entry = work(log.sql("insert into t values (1)"))

    def failing(*_: object) -> None:
        raise apsw.IOError("no")

    with monkeypatch.context() as patch:
        patch.setattr(Applier, "_record", failing)
        patch.setattr(Applier, "_roll_back", failing)
        with pytest.raises(StorageFault):
            database.apply(entry)
    assert database.apply(entry)[0].rows == 1
    assert rows_of(database, "select a from t") == [(1,)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_at_any_call_of_the_machine_stays_and_heals(
    machine: FaultyMachine, template: tuple[Path, list[Entry], int, bytes], memory_path: Path, call: str, fault: Fault
) -> None:
    """At every one of the first, then ever fewer of them."""
    n = 1
    while run(machine, template, memory_path / "case", call, fault, n):
        n += 1 + n // 8
