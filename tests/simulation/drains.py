"""Nodes that are drained and then stopped, and what must hold of it: nobody loses anything by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT
from dirk_gevent.protocol.metadata import with_metadata
from tests.simulation.clients import History
from tests.simulation.machines import PROXY_PORT
from tests.simulation.schedule import Breakage, Plan
from tests.simulation.world import World

_CONNECT_SECONDS = 2.0
#: What an answer is that broke off in the middle.
_BROKEN = "08006"


def is_drained(world: World, node: str) -> bool:
    """Have the proxy drain a node, as `dirk-admin drain` does; whether it says that the node may be stopped. Blocks."""
    sock: Any = world.network.connect(("127.0.0.1", PROXY_PORT), _CONNECT_SECONDS)
    metadata = {"follow": {"as": "admin", "do": "drain", "node": node}}
    sock.sendall(with_metadata(metadata, FOLLOW_STATEMENT))
    frames = FrameSocket(sock)
    while (frame := frames.receive()) is not None and frame["t"] != "end":
        continue
    frames.close()
    return frame is not None and frame["status"] == 0


def judge_drains(plan: Plan, history: History) -> Iterator[str]:
    """When nothing else broke: what clients of the proxy lost with a node that was stopped once it was drained."""
    nodes = [fault.target for fault in plan.faults]
    if not nodes or any(fault.kind is not Breakage.DRAIN for fault in plan.faults):
        return
    losses = [f"is lost with node {node}" for node in nodes]
    for trial in history.trials:
        if trial.sqlstate == _BROKEN or any(loss in trial.text for loss in losses):
            yield f"{trial.operation.name} lost its transaction with a drained node: {trial.text}"
    for one in history.attempts:
        answer = one.answer
        if answer is None or answer.sqlstate == _BROKEN or any(loss in answer.text for loss in losses):
            yield f"{one.operation.name} lost its answer with a drained node: {answer.text if answer else 'nothing'}"
