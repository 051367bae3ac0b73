"""An entry that processes died in: one that kills stops its database, kills from outside leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from dirk_gevent.engine.apply import suspects
from dirk_gevent.engine.apply.applier import Applier, Work, as_work
from dirk_gevent.engine.apply.crash_loop_guard import CrashLoopGuard
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import PoisonedEntry, StorageFault
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import SKIP_MARK, Entry
from dirk_parser.normalize.normalizer import split
from tests.cluster import ROOT
from tests.engine.plans import LogMaker, open_compiled, open_database

#: What a process that tries an entry out does when it comes to run it; written into its start-up.
_AT_THE_ENTRY = """
import os, signal, time
from dirk_gevent.engine.apply.executor import Executor
def run(*_):
    {what}
Executor.run = run
"""


def entries() -> tuple[Entry, Entry]:
    """A table, and two rows for it."""
    log = LogMaker(1)
    return log.statement(split("manamboara tabilao t (n ISA)")), log.statement(split("manampia ao@ t sanda (1), (2)"))


def apply(engine: Engine, entry: Entry) -> int:
    """Apply an entry to the database; the rows it changed."""
    return open_database(engine).apply(as_work([entry]))[0].rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a database at index 1 of `entries`."""
    engine = open_compiled(tmp_path / "data")
    apply(engine, entries()[0])
    engine.close()
    return open_database(engine).file.path


@pytest.fixture
def at_the_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have every Python process that begins from now on do something in the place of an entry."""

    def have(what: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(_AT_THE_ENTRY.format(what=what))
        monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")

    return have


def tried(path: Path) -> None:
    """Try the second entry out."""
    entry = entries()[1]
    suspects.try_out(path, entry, entry.encode())


def test_an_entry_that_ends_is_cleared_and_has_changed_nothing(path: Path) -> None:
    """The trial's outcome is nobody's: the file is as it was, and takes the entry afterwards."""
    tried(path)
    engine = open_compiled(path.parent)
    assert open_database(engine).applied_index == 1
    assert apply(engine, entries()[1]) == 2
    engine.close()


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE"])
def test_what_a_process_brings_on_itself_is_the_entrys(
    path: Path, at_the_entry: Callable[[str], None], name: str
) -> None:
    at_the_entry(f"os.kill(os.getpid(), signal.{name})")
    with pytest.raises(PoisonedEntry) as poisoned:
        tried(path)
    assert poisoned.value.index == 2 and name in str(poisoned.value)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGBUS"])
def test_what_comes_from_outside_is_not(path: Path, at_the_entry: Callable[[str], None], name: str) -> None:
    at_the_entry(f"os.kill(os.getpid(), signal.{name})")
    with pytest.raises(StorageFault, match=name):
        tried(path)


def test_a_kill_for_want_of_memory_is_the_entrys(
    path: Path, at_the_entry: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = iter((7, 8))
    monkeypatch.setattr(suspects, "_memory_kills", lambda: next(counted))
    at_the_entry("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(PoisonedEntry, match="memory"):
        tried(path)


def test_the_kernels_count_of_kills_is_read() -> None:
    assert suspects._memory_kills() >= 0
    assert suspects._counted(Path("/proc/vmstat")) >= 0


def test_an_entry_that_fails_does_not_kill(path: Path, at_the_entry: Callable[[str], None]) -> None:
    at_the_entry("raise MemoryError")
    tried(path)


def test_a_trial_ends_with_the_process_that_asked_for_it(
    path: Path, tmp_path: Path, at_the_entry: Callable[[str], None]
) -> None:
    """kill -9 of the node while an entry is tried out: nobody goes on writing into its file."""
    pid_file = tmp_path / "pid"
    at_the_entry(f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    code = f"from tests.engine.test_suspects import tried; from pathlib import Path; tried(Path({str(path)!r}))"
    with subprocess.Popen([sys.executable, "-P", "-c", code]) as parent:
        deadline = time.monotonic() + 30
        while not pid_file.exists() or not pid_file.read_text():
            assert time.monotonic() < deadline and parent.poll() is None
            time.sleep(0.02)
        parent.kill()
    child = int(pid_file.read_text())
    while _is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# -- deaths of the node -------------------------------------------------------------------------------------------


def die(engine: Engine) -> None:
    """What is left when a process is killed: the lock is gone, the mark that it ran is not."""
    assert engine.directory._lock is not None
    engine.directory._lock.release()
    engine.directory._lock = None


def again(engine: Engine) -> Engine:
    """The next process, after a death."""
    die(engine)
    return open_compiled(engine.directory.path)


def killed(*_: object) -> None:
    """The process is killed here."""
    raise KeyboardInterrupt


def killed_in(entry: Entry, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply an entry as far as a process comes that is killed in it."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Applier, "apply", killed)
        patch.setattr(CrashLoopGuard, "survived", lambda *_: None)
        apply(engine, entry)


def test_an_entry_that_kills_stops_its_database_until_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_the_entry: Callable[[str], None]
) -> None:
    """The process does not die once more; when the reason is gone the database goes on by itself."""
    engine = open_compiled(tmp_path / "data")
    first, second = entries()
    apply(engine, first)
    for _ in range(3):
        killed_in(second, engine, monkeypatch)
        engine = again(engine)
    at_the_entry("os.kill(os.getpid(), signal.SIGSEGV)")
    for _ in range(2):
        with pytest.raises(PoisonedEntry) as poisoned:
            apply(engine, second)
        assert (poisoned.value.index, open_database(engine).applied_index) == (2, 1)
        engine.close()
        engine = open_compiled(engine.directory.path)
    (tmp_path / "sitecustomize.py").unlink()
    assert apply(engine, second) == 2
    assert not engine.directory.marker(1).exists()
    engine.close()


@pytest.mark.parametrize("seed", range(5))
def test_kills_from_outside_however_many_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Of the node while the entry runs, while it is tried out, while it runs after that; of the trial alone."""
    chance, tries = Random(seed), []
    engine = open_compiled(tmp_path / "data")
    first, second = entries()
    apply(engine, first)

    def trial(*_: object) -> None:
        tries.append(chance.choice(("node", "trial", "nobody")))
        if tries[-1] == "node":
            raise KeyboardInterrupt
        if tries[-1] == "trial":
            raise StorageFault(OSError("killed from outside"))

    monkeypatch.setattr(suspects, "try_out", trial)
    for _ in range(20):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Applier, "apply", killed)
            patch.setattr(CrashLoopGuard, "survived", lambda *_: None)
            while True:
                with pytest.raises(StorageFault):
                    apply(engine, second)
        engine = again(engine)
    assert tries[-1] == "nobody" and tries.count("nobody") == 1, "what was cleared is not tried out again"
    assert apply(engine, second) == 2
    assert not engine.directory.marker(1).exists()
    engine.close()
    assert open_compiled(engine.directory.path).logs()[1].file.careful is None


def test_a_marker_of_what_is_behind_goes(tmp_path: Path) -> None:
    """A death between the commit and the marker's removal."""
    engine = open_compiled(tmp_path / "data")
    apply(engine, entries()[0])
    engine.directory.marker(1).write_text("1 2\n")
    engine = again(engine)
    assert not engine.directory.marker(1).exists()
    assert not careful(open_database(engine)).is_suspected(1)
    engine.close()


def test_a_state_that_is_replaced_takes_the_marker_with_it(tmp_path: Path) -> None:
    """The way out for an entry that kills: a state that lies past it."""
    engine = open_compiled(tmp_path / "data")
    for entry in entries():
        apply(engine, entry)
    open_database(engine).upkeep.snapshot(tmp_path / "state.zst")
    open_database(engine).set_aside("fenced")
    engine.directory.marker(1).write_text("2 2\n")
    engine = again(engine)
    assert careful(open_database(engine)).is_suspected(2)
    open_database(engine).restore(tmp_path / "state.zst")
    assert not engine.directory.marker(1).exists()
    assert not careful(open_database(engine)).is_suspected(2)
    engine.close()


@pytest.mark.parametrize("deaths", [0, 3])
def test_what_a_person_had_skipped_is_not_tried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    """Processes died in it, then it was skipped: it is not run at all. What comes behind it has a marker of its own."""
    engine = open_compiled(tmp_path / "data")
    first, second = entries()
    apply(engine, first)
    for _ in range(deaths):
        killed_in(second, engine, monkeypatch)
        engine = again(engine)
    engine = again(engine)
    assert careful(open_database(engine)).is_suspected(2) is (deaths == 3)
    monkeypatch.setattr(suspects, "try_out", lambda *_: pytest.fail("it was tried out"))
    log = LogMaker(1)
    log.index = 2
    behind = [log.statement(split("manampia ao@ t sanda (3)")) for _ in range(3)]
    run, named = Applier.apply, dict[int, str]()

    def noted(self: Applier, work: Sequence[Work], expected: bytes | None = None) -> list[Outcome]:
        marker = engine.directory.marker(1)
        named.update((item.entry.index, marker.read_text() if marker.exists() else "") for item in work)
        return run(self, work, expected)

    monkeypatch.setattr(Applier, "apply", noted)
    outcomes = open_database(engine).apply([Work.of(SKIP_MARK + second.encode()), *as_work(behind)])
    assert [outcome.sqlstate for outcome in outcomes] == ["XX000", "", "", ""]
    assert all(named[index].startswith("3-") for index in (3, 4, 5)), named
    assert not engine.directory.marker(1).exists()
    engine.close()


def careful(database: Database) -> CrashLoopGuard:
    """How it applies what comes first."""
    found = database.file.careful
    assert found is not None
    return found
