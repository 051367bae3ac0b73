"""The disk of the tests does what it says: what was synced survives its power cut, what was not may be lost."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from tests.cluster import ROOT, clean_environ
from tests.disk.undo import cut

_PREAMBLE = """
import os, sys
from pathlib import Path
import apsw
from tests.disk.shim import Disk, install
from tests.disk.undo import UndoNotes
root = Path(sys.argv[1])
disk = Disk(root, UndoNotes(Path(sys.argv[2])))
shim = install(disk)
def connect(synchronous):
    connection = apsw.Connection(str(root / "a.sqlite"))
    for pragma in ("journal_mode=WAL", "wal_autocheckpoint=0", f"synchronous={synchronous}"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection
"""


class Machine:
    """A directory, and the notes beside it."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.root.mkdir()
        self._notes = directory / "undo"

    def run(self, code: str) -> str:
        """Run `code` on the disk in a process that is killed afterwards; what it printed."""
        whole = _PREAMBLE + code + "\nsys.stdout.flush(); os.kill(os.getpid(), 9)\n"
        words = [sys.executable, "-P", "-c", whole, str(self.root), str(self._notes)]
        found = subprocess.run(words, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False)
        assert found.returncode == -9, found.stderr
        return found.stdout

    def cut(self, chance: random.Random | None = None) -> None:
        """The power cut."""
        cut(self._notes, self.root, chance)

    def rows(self) -> list[int]:
        """What the table `t` of the SQLite file holds."""
        connection = apsw.Connection(str(self.root / "a.sqlite"))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT a FROM t ORDER BY rowid").fetchall()
        connection.close()
        return [int(str(row[0])) for row in rows]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty one."""
    return Machine(tmp_path)


_INSERTS = """
first = connect("FULL")
first.execute("CREATE TABLE t (a)")
for number in range(10):
    first.execute("INSERT INTO t VALUES (?)", (number,))
second = connect("OFF")
second.execute("INSERT INTO t VALUES (10)")
print(first.execute("SELECT count(*) FROM t").fetchall()[0][0])
"""


def test_sqlite_keeps_what_it_synced_and_loses_the_rest(machine: Machine) -> None:
    """Another connection sees what is not synced yet; after the cut it is gone, and what FULL committed is there."""
    assert machine.run(_INSERTS) == "11\n"
    machine.cut()
    assert machine.rows() == list(range(10))


def test_a_kill_without_a_cut_loses_nothing(machine: Machine) -> None:
    machine.run(_INSERTS)
    assert machine.rows() == list(range(11))


@pytest.mark.parametrize("seed", range(2, 5))
def test_torn_writes_leave_a_beginning(machine: Machine, seed: int) -> None:
    """With NORMAL nothing is synced before a checkpoint: any beginning may survive, never a hole."""
    machine.run('a = connect("NORMAL")\na.execute("CREATE TABLE t (a)")\na.wal_checkpoint()\n' + _MANY)
    machine.cut(random.Random(seed))
    found = machine.rows()
    assert found == list(range(len(found)))


_MANY = 'for number in range(30): a.execute("INSERT INTO t VALUES (?)", (number,))\n'


def test_files_and_names_need_a_sync_each(machine: Machine) -> None:
    """A file's bytes last with its own sync, its name with its directory's."""
    machine.run("""
def write(name, sync):
    with (root / name).open("wb") as file:
        file.write(b"content")
        file.flush()
        if sync: os.fsync(file.fileno())
write("a", True); write("b", False)
descriptor = os.open(root, os.O_RDONLY); os.fsync(descriptor)
write("c", True)
(root / "a").rename(root / "d")
(root / "b").unlink()
print(sorted(path.name for path in root.iterdir()))
""")
    machine.cut()
    assert {path.name: path.read_bytes() for path in machine.root.iterdir()} == {"a": b"content", "b": b""}


def test_a_sync_that_failed_is_not_made_good_by_the_next(machine: Machine) -> None:
    """As on Linux: the pages count as written. Only what is written again reaches the disk."""
    machine.run("""
file = (root / "a").open("wb", buffering=0)
descriptor = os.open(root, os.O_RDONLY); os.fsync(descriptor)
file.write(b"1111")
disk.fails_sync = True
try: os.fsync(file.fileno())
except OSError as error: print(error.errno)
disk.fails_sync = False
file.write(b"2222")
os.fsync(file.fileno())
""")
    machine.cut()
    assert (machine.root / "a").read_bytes() == b"\0\0\0\x002222"


def test_a_full_disk_says_so(machine: Machine) -> None:
    """To SQLite, to Python, and to whoever asks how much is free."""
    said = machine.run("""
one = connect("FULL")
disk.is_full = True
for work in (lambda: one.execute("CREATE TABLE t (a)"), lambda: (root / "a").write_bytes(b"x")):
    try: work()
    except (apsw.FullError, OSError) as error: print(type(error).__name__)
print(os.statvfs(root).f_bavail)
""")
    assert said.split() == ["FullError", "OSError", "0"]
