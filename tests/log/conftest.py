"""Logs to test: every implementation of the contract opens, closes and opens again in the same place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.contract import Log
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import Draft, LoggedStatement
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from tests.log.faulty_disk import FaultyDisk

#: What the tests' drafts carry as the time of their request ids.
NOW_MS = 1_790_000_000_000


def patient(directory: Path) -> LogSettings:
    """Those of a log whose appends wait as long as it takes: a busy machine refuses none."""
    return LogSettings(directory=directory, max_wait_ms=600_000)


IMPLEMENTATIONS: dict[str, Callable[[Path], Log]] = {
    "embedded": lambda path: EmbeddedLog(patient(path), clock=lambda: NOW_MS),
}


class Place:
    """Where one test keeps its log; `open` ends the log before, as a restart would."""

    def __init__(self, path: Path, make: Callable[[Path], Log]) -> None:
        self._path = path
        self._make = make
        self._log: Log | None = None

    def open(self) -> Log:
        """The log of this place, opened anew."""
        self.close()
        self._log = self._make(self._path)
        return self._log

    def close(self) -> None:
        """Ends the open log."""
        log, self._log = self._log, None
        if log is not None:
            log.close()


@pytest.fixture
def settings(tmp_path: Path) -> LogSettings:
    """Those of a log of its own."""
    return patient(tmp_path / "log")


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """A disk that fails when it is told to."""
    found = FaultyDisk()
    yield found
    found.unregister()


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place for one log of each implementation."""
    found = Place(tmp_path / "log", IMPLEMENTATIONS[request.param])
    yield found
    found.close()


@pytest.fixture
def log(place: Place) -> Log:
    """An empty log of each implementation."""
    return place.open()


@pytest.fixture
def new_id() -> Callable[[], str]:
    """Makes request ids of the tests' present."""
    return lambda: new_request_id(NOW_MS)


@pytest.fixture
def draft() -> Callable[..., Draft]:
    """Makes drafts of one insert."""

    def make(number: int = 1, text: str = "a", request_id: str | None = None) -> Draft:
        normalized = NormalizedStatement("manampia ao t sanda (?, ?)", (number, text), (str(number), f"'{text}'"))
        return Draft(request_id or new_request_id(NOW_MS), (LoggedStatement(normalized),), step_limit=1000)

    return make
