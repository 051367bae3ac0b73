"""The process killed at random instants: what was acknowledged is there, in order, and the chain holds."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from tests.log.test_contract import entries
from tests.seeds import chosen_seed

_ROOT = Path(__file__).parents[2]
_ROUNDS = 6


def run_and_kill(directory: Path, acknowledgements: int) -> list[tuple[int, int, str]]:
    """Starts the appending process, kills it after so many acknowledgements; all that it had printed by then."""
    command = [sys.executable, str(Path(__file__).with_name("appending.py")), str(directory)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledgements)]
        process.kill()
        lines += process.stdout.readlines()
    found = [line.split() for line in lines if line.endswith("\n")]
    return [(int(log_id), int(index), request_id) for log_id, index, request_id in found]


def test_every_acknowledged_entry_survives_kills(tmp_path: Path) -> None:
    chance = random.Random(chosen_seed())
    acknowledged: list[tuple[int, int, str]] = []
    for _ in range(_ROUNDS):
        acknowledged += run_and_kill(tmp_path / "log", chance.randrange(1, 400))
        log = EmbeddedLog(LogSettings(directory=tmp_path / "log"))
        base = log.reads.find("base")
        base_id = 1 if base is None else base.log_id
        places = {(SYSTEM_LOG_ID, entry.index): entry.request_id for entry in entries(log, SYSTEM_LOG_ID)}
        places |= {(base_id, entry.index): entry.request_id for entry in entries(log, base_id)}
        log.close()
        for log_id, index, request_id in acknowledged:
            assert places[log_id, index] == request_id
        assert len(set(places.values())) == len(places)
