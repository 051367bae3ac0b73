"""Who is told that a program is there can stop it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import Cluster, wait_for
from tests.hooks import hooked

#: The program gets SIGTERM with the line that says so.
STOPPED = """
import os, signal
from dirk_gevent.base.logger import Logger
wrote, part, event = Logger.info, os.environ["STOPPED"], os.environ["AT"]
def info(self, said, **facts):
    wrote(self, said, **facts)
    if said == event and part in self._head:
        os.kill(os.getpid(), signal.SIGTERM)
Logger.info = info
"""


@pytest.mark.parametrize(
    ("part", "event", "others"),
    [
        ("proxy", "ready", []),
        ("m1", "listening", []),
        ("m1", "ready", ["proxy"]),
        ("cache", "ready", ["proxy", "m1"]),
    ],
)
def test_a_stop_as_soon_as_it_is_there(
    make_cluster: Callable[..., Cluster], tmp_path: Path, part: str, event: str, others: list[str]
) -> None:
    """It ends as it always does: its stop is logged, its exit status is 0, and the same directory starts again."""
    cluster = make_cluster(environ=hooked(tmp_path, STOPPED, STOPPED=part, AT=event))
    if others:
        cluster.start(*others)
    for _ in range(2):
        process = cluster.processes[part]
        process.start()
        wait_for(lambda process=process: not process.is_running(), 20, f"{part} to end")  # type: ignore[misc]
        assert (process.exit_status(), "event=stopped" in process.log()) == (0, True)
