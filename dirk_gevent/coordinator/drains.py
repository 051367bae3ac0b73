"""Nodes that a person drains: remembered in a file beside the journal, until they are stopped and come back.

A drain is of the process that runs: one that connects again, or that a proxy finds after its own restart, is still
drained; one that was started anew serves by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from dirk_gevent.base.files import write_durably
from dirk_gevent.coordinator.cluster import Cluster
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.replication.frame_types import Hello

#: Name of the file in the log's directory.
DRAINS_FILE = "drained.json"


class Drains:
    """The drained nodes of one host, each with the process that was drained; the cluster's view follows it.

    `failed` is told of an error of the disk; the drain is then remembered in memory, and written with the next.
    """

    def __init__(self, cluster: Cluster, directory: Path, failed: Callable[[str, BaseException], None]) -> None:
        self._nodes = cluster.nodes
        self._path = directory / DRAINS_FILE
        self._failed = failed
        self._threads = NativeThreads(1)
        self._drained = {node: process for node, process in _read(self._path).items() if node in self._nodes}
        for node, process in self._drained.items():
            view = self._nodes[node]
            view.is_drained, view.process = True, process

    def drain(self, node: str) -> None:
        """Send the node nothing new. Blocks until it is remembered."""
        view = self._nodes[node]
        view.is_drained = True
        self._drained[node] = view.process
        self._save()

    def is_drained(self, node: str) -> bool:
        """True when the node is sent nothing new."""
        return self._nodes[node].is_drained

    def undrain(self, node: str) -> None:
        """The node serves again. Blocks until it is remembered."""
        self._nodes[node].is_drained = False
        if self._drained.pop(node, None) is not None:
            self._save()

    def came(self, hello: Hello) -> None:
        """A node follows now: what was said of the process before it does not hold for another one."""
        view = self._nodes[hello.node]
        if not hello.process or hello.process != view.process:
            view.process = hello.process
            view.pins.clear()
            self.undrain(hello.node)

    def _save(self) -> None:
        try:
            self._threads.call(write_durably, self._path, orjson.dumps(self._drained))
        except OSError as error:
            self._failed("drains_not_written", error)


def _read(path: Path) -> dict[str, str]:
    """The file's drains. None for a file that can't be read: a drain is asked for again, a start is not refused."""
    try:
        drained = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(node): str(process) for node, process in drained.items()} if isinstance(drained, dict) else {}
