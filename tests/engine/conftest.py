"""An engine with one database on hand-written plans."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from tests.engine.plans import LogMaker, open_database, open_engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An open engine."""
    found = open_engine(tmp_path / "data")
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
