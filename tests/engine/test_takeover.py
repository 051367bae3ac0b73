"""A directory of the release before becomes one of this, and none that the release before could damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.faults import StorageFault
from dirk_gevent.engine.takeover import FORMAT, FORMER_FILE, SYSTEM_FILE, take_over
from tests.engine.plans import LogMaker, TestLimits, open_compiled, open_database


def files(directory: Path) -> dict[str, bytes]:
    """All files, by path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A directory as 2.0.0 leaves it: its system database, with a WAL, under the former name."""
    (tmp_path / FORMER_FILE).write_bytes(b"main")
    (tmp_path / f"{FORMER_FILE}-wal").write_bytes(b"wal")
    (tmp_path / f"{FORMER_FILE}-shm").write_bytes(b"shm")
    return tmp_path


def test_the_system_database_moves_with_its_wal(former: Path) -> None:
    take_over(former)
    take_over(former)
    assert (former / SYSTEM_FILE).read_bytes() == b"main"
    assert (former / f"{SYSTEM_FILE}-wal").read_bytes() == b"wal"
    assert (former / FORMER_FILE).is_dir() and not (former / f"{FORMER_FILE}-shm").exists()


def test_a_death_at_any_step_is_made_good_by_the_next_start(former: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call that changes the directory is the last one of a process once."""
    survived = False
    for last in range(20):
        left = [last]
        for name in ("rename", "mkdir", "write_text", "unlink"):
            monkeypatch.setattr(Path, name, _dying(getattr(Path, name), left))
        try:
            take_over(former)
            survived = True
        except KeyboardInterrupt:
            pass
        finally:
            monkeypatch.undo()
    assert survived
    assert (former / SYSTEM_FILE).read_bytes() == b"main"
    assert (former / f"{SYSTEM_FILE}-wal").read_bytes() == b"wal"
    assert (former / FORMER_FILE / "format").read_text() == f"{FORMAT}\n"


def _dying(call, left: list[int]):  # type: ignore[no-untyped-def]
    def instead(*arguments: object, **named: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return call(*arguments, **named)

    return instead


def test_what_a_later_release_wrote_is_refused_untouched(tmp_path: Path, log: LogMaker) -> None:
    engine = open_compiled(tmp_path)
    open_database(engine)
    engine.close()
    (tmp_path / FORMER_FILE / "format").write_text(f"{FORMAT + 1}\n")
    before = files(tmp_path)
    with pytest.raises(StorageFault, match="a later release of DirkDB wrote it"):
        Engine(tmp_path, "m1", TestLimits()).open()
    assert files(tmp_path) == before
