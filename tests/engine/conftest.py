"""An engine with one database on hand-written plans."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.read import reads
from dirk_gevent.engine.read.watchdog import Watchdog
from tests.engine.plans import LogMaker, open_compiled, open_database, open_engine


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A directory in memory, where the machine has one: for tests of many files, which no power cut is part of."""
    with tempfile.TemporaryDirectory(prefix="dirk-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as made:
        yield Path(made)


@pytest.fixture
def no_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    """No read is interrupted for the time it takes: on a busy machine that hangs on others."""
    monkeypatch.setattr(Watchdog, "start", lambda _: None)


@pytest.fixture
def unwatched(no_watchdog: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one kept from the hub for the time that the one before it took."""
    monkeypatch.setattr(reads, "_SHORT_SECONDS", float("inf"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An open engine."""
    found = open_engine(tmp_path / "data")
    yield found
    found.close()


@pytest.fixture
def compiled_engine(tmp_path: Path) -> Iterator[Engine]:
    """An open engine on the real compiler."""
    found = open_compiled(tmp_path / "data")
    yield found
    found.close()


@pytest.fixture
def database(engine: Engine) -> Database:
    """Its database of log 1."""
    return open_database(engine)


@pytest.fixture
def log() -> LogMaker:
    """Makes the entries of log 1."""
    return LogMaker(1)
