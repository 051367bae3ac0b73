"""A node's heartbeat: where its databases are, and what they are at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dirk_gevent import replication
from dirk_gevent.engine.database import Database


def heartbeat(
    databases: Mapping[int, Database],
    told: dict[int, int],
    more_states: Mapping[int, str],
    answers: Mapping[int, int],
) -> dict[str, Any]:
    """The frame. `told` are the durable indexes that the host has heard of, kept up to date here; `answers`: how far
    the answers to marks are.
    """
    durable, states, efforts = {}, {}, {}
    for gone in told.keys() - databases.keys():
        del told[gone]
    for log_id, database in databases.items():
        if told.get(log_id) != (now := database.durable_index):
            told[log_id] = durable[log_id] = now
        if database.state != "live":
            states[log_id] = str(database.state)
        efforts[log_id] = database.effort()
    return replication.node_beat(durable, {**states, **more_states}, efforts, answers)
