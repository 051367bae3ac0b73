"""A state that the log takes while its disk fails: whether it was taken is found out, and the log goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import gevent
import pytest

from dirk_gevent.config.settings import LogSettings
from dirk_gevent.coordinator.admin import restore
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.engine.snapshot.reissue import LogPosition
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import Draft
from dirk_gevent.log.records import SnapshotInfo
from dirk_parser.errors import SqlError
from tests.log.conftest import NOW_MS
from tests.log.faulty_disk import NAME, FaultyDisk
from tests.log.test_contract import create, error_of
from tests.service.conftest import host as host
from tests.service.conftest import new_host as new_host


def test_a_log_whose_state_came_through_a_fault_has_its_snapshot(
    tmp_path: Path, disk: FaultyDisk, draft: Callable[..., Draft]
) -> None:
    """Else nodes have nothing to begin with before the process is started again."""
    log = EmbeddedLog(LogSettings(directory=tmp_path / "log"), clock=lambda: NOW_MS, vfs=NAME)
    log_id = create(log, "a")
    log.appends.append(log_id, draft())
    with disk.failing_sync():
        info = SnapshotInfo(log_id, 2, b"c" * 16, b"digest")
        assert error_of(log.snapshots.adopt, info, [b"state"]) == "log_unavailable"
        seen = disk.failures
        with gevent.Timeout(10):
            # It is tried to be read again meanwhile, which leaves the WAL as it is.
            while disk.failures == seen:
                gevent.sleep(0.01)
    with gevent.Timeout(10):
        while log.appends.is_in_doubt:
            gevent.sleep(0.01)
    latest = log.snapshots.latest(log_id)
    assert (log.reads.oldest(log_id) > 1) == (latest is not None)
    log.appends.append(log_id, draft())
    log.close()


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_restore_finds_out_whether_its_state_was_taken(
    host: Coordinator, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    """It was: then caches are told, and the restore ends as any. It was not: nothing is changed."""
    info, adopt = host.state.find("t"), host.state.log.snapshots.adopt

    def failing(info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        if is_taken:
            adopt(info, chunks)
        raise SqlError("log_unavailable", reason="disk I/O error")

    def deliver(_: LogPosition) -> restore.Delivery:
        return b"digest", iter([b"state"])

    monkeypatch.setattr(host.state.log.snapshots, "adopt", failing)
    if is_taken:
        assert restore._adopt(host.operations, info, deliver, None) == 1
        assert host.state.outcomes.of(info.log_id).released == 1
    else:
        with pytest.raises(SqlError):
            restore._adopt(host.operations, info, deliver, None)
        assert host.state.outcomes.of(info.log_id).released == 0
    host.state.blocks.check(info.log_id)
