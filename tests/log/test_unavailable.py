"""A log whose directory cannot be used says so, whatever in it cannot be, and holds nothing of it open."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from dirk_gevent.config.settings import LogSettings
from dirk_gevent.coordinator.divergence.registry import CONFLICTS_FILE, DivergenceRegistry
from dirk_gevent.log.directory import lock_directory
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_parser.errors import SqlError


def test_a_journal_that_stays_out_of_wal_mode_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite answers that, and no error. Nothing is left open, and the lock is free."""

    def stays(connection: apsw.Connection, mode: str) -> None:
        raise apsw.IOError(f"stays out of {mode}")

    before = len(apsw.connections())
    with monkeypatch.context() as patched:
        patched.setattr("dirk_gevent.log.embedded.journal_file.set_journal_mode", stays)
        with pytest.raises(SqlError, match="log_unavailable"):
            EmbeddedLog(LogSettings(directory=tmp_path))
    assert len(apsw.connections()) == before
    EmbeddedLog(LogSettings(directory=tmp_path)).close()


@pytest.mark.parametrize("name", ["lock", "snapshots", "journal.sqlite"])
def test_whatever_cannot_be_used_is_said(tmp_path: Path, name: str) -> None:
    """A directory where a file should be, and the other way round."""
    wrong = tmp_path / name
    if name == "snapshots":
        wrong.write_text("")
    else:
        wrong.mkdir()
    with pytest.raises(SqlError, match="log_unavailable"):
        EmbeddedLog(LogSettings(directory=tmp_path))
    # The lock is given back, where it could be taken.
    if name != "lock":
        lock_directory(tmp_path).release()


def test_conflicts_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / CONFLICTS_FILE).mkdir()
    with pytest.raises(SqlError, match="log_unavailable"):
        DivergenceRegistry(tmp_path, lambda *_: None)
