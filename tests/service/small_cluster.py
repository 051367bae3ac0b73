"""A whole cluster in one process, whose nodes get the log's entries, and whose word reaches its host, as a test says.

Proxy, nodes and cache are the real ones behind their real sockets. What the test plays is the follower: `deliver` has
a node apply entries, `tell` tells the log's host how they ended. So a node lags, or runs ahead of its word, for as long
as a test wants.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import orjson
from gevent import socket
from gevent.event import Event

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.cache.options import CacheOptions
from dirk_gevent.cache.server import CacheService
from dirk_gevent.cache.store import now
from dirk_gevent.config import loader, settings
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import DROP_DATABASE, SYSTEM_LOG_ID, Draft, Entry, LoggedStatement
from dirk_gevent.node.log_client import LogClient
from dirk_gevent.node.progress import Progress
from dirk_gevent.node.server import NodeHandler
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.proxy.server import ProxyHandler
from dirk_gevent.server.service import Service
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.cluster import HOST, free_port
from tests.service.fake_node import until

NODES = ("m1", "m2")
PARTS = ("proxy", "cache", *NODES)
_ALL_BYTES = 1 << 24
_BEAT_SECONDS = 0.2


class SmallNode:
    """A node that has what the test gave it. `untold` are the outcomes that the log's host has not heard."""

    def __init__(self, settings: settings.Config, name: str) -> None:
        self.name = name
        instance, lines = settings.instance(name), logger("node", name)
        self.engine = Engine(instance.data_directory, name, settings.limits)
        self.engine.open()
        self.progress = Progress(self.engine)
        self.progress.welcomed({})
        self.unreported: dict[int, list[Outcome]] = defaultdict(list)
        self.forward = LogClient(settings, name, None, lines)
        handler = NodeHandler(settings, self.engine, self.progress, self.forward)
        self.service = Service(instance.host, instance.port, handler, settings.limits, lines, handler.quick)
        self.service.start()

    def applied(self, log_id: int) -> int:
        """How far it is in a log; -1 in one that is not known here."""
        database = self.engine.of_log(log_id)
        return database.applied_index if database is not None else -1

    def stop(self) -> None:
        """End it."""
        self.service.stop()
        self.engine.close()


class SmallCluster:
    """Two masters, a proxy and a cache; a read waits `wait_ms` for a state. `limits`: others than the usual ones."""

    def __init__(self, directory: Path, wait_ms: int, limits: Mapping[str, int] | None = None) -> None:
        self.ports = {part: free_port() for part in PARTS}
        self.settings = self._config(directory, {"waitMs": wait_ms, **(limits or {})})
        lines = logger("proxy")
        self.log = EmbeddedLog(self.settings.log)
        self.host = Coordinator(self.settings, self.log, lines)
        self._handler = ProxyHandler(self.settings, self.host.requests, lines)
        self.proxy = Service(HOST, self.ports["proxy"], self._handler, self.settings.limits, lines)
        self.proxy.start()
        self.nodes = {name: SmallNode(self.settings, name) for name in NODES}
        for name in NODES:
            self.host.state.cluster.beat(name)
        self._beating = gevent.spawn(self._beat)
        options = CacheOptions(HOST, self.ports["proxy"], port=self.ports["cache"], ttl_seconds=60.0)
        self.cache = CacheService(options, logger("cache"))
        self.cache.start()
        until(lambda: self.cache.store.horizon(SYSTEM_LOG_ID).head >= 0 and self.cache.store.lease_until > 0)
        self._changes: list[gevent.Greenlet[..., Any]] = []
        #: Cleared, the cache hears of no write and no drop.
        self.is_cache_hearing = Event()
        self.is_cache_hearing.set()
        (link,) = self.host._subscriptions._caches._links
        frames, send = link._frames, link._frames.send

        def gated(*words: Any) -> None:
            self.is_cache_hearing.wait()
            send(*words)

        frames.send = gated  # type: ignore[method-assign]

    def _beat(self) -> None:
        """Nobody is taken for silent, however long a test runs."""
        while True:
            gevent.sleep(_BEAT_SECONDS)
            for name, node in self.nodes.items():
                self.host.state.cluster.beat(name)
                node.forward.heard.now()
            self.cache.store.upstream_heard.now()
            self.cache._follower._heard_at = now()

    def _config(self, directory: Path, limits: Mapping[str, int]) -> settings.Config:
        written = {
            "configVersion": 2,
            "language": "en",
            "loadBalancer": {"listenHost": HOST, "listenPort": self.ports["proxy"]},
            "instances": [
                {"id": one, "role": "MASTER", "host": HOST, "port": self.ports[one], "dataDirectory": one}
                for one in NODES
            ],
            "log": {"directory": "log"},
            "limits": dict(limits),
        }
        path = directory / "config.json"
        path.write_text(json.dumps(written))
        return loader.load(path)

    def turn_to(self, name: str) -> None:
        """Have this node answer the proxy's next reads, among those that are equally far."""
        self._handler._router._turn = NODES.index(name)

    # -- the log ----------------------------------------------------------------------------------------------

    def head(self, log_id: int) -> int:
        """Where a log ends."""
        return self.host.state.head_index(log_id)

    def log_of(self, name: str) -> int | None:
        """The log of the database that has the name at the log's head."""
        info = self.log.reads.find(name)
        return info.log_id if info is not None else None

    def append(self, log_id: int, text: str) -> int:
        """Append a write that no node has yet; its index."""
        draft = Draft(new_request_id(int(time.time() * 1000)), (LoggedStatement(split(text)),))
        return self.log.appends.append(log_id, draft).entry.index

    def change(self, verb: str, name: str) -> int:
        """CREATE or DROP a database as the proxy does; the entry's index. Whether a master has it is not waited for."""
        before = self.head(SYSTEM_LOG_ID)
        appends = self.host.operations.appends
        work = appends.create_database if verb == "create" else appends.drop_database
        self._changes.append(gevent.spawn(_quietly, work, name, new_request_id(int(time.time() * 1000)), False))
        until(lambda: self.head(SYSTEM_LOG_ID) > before)
        return before + 1

    def deliver(self, name: str, log_id: int, upto: int | None = None) -> None:
        """Have a node apply a log up to an index, or all of it; what a DROP speaks of comes first."""
        node = self.nodes[name]
        if node.applied(log_id) < 0:
            return
        chunk = self.log.reads.read(log_id, node.applied(log_id), _ALL_BYTES)
        for encoded in chunk.entries:
            entry = Entry.decode(encoded)
            if upto is not None and entry.index > upto:
                break
            if log_id == SYSTEM_LOG_ID:
                if entry.change is not None and entry.change.verb == DROP_DATABASE:
                    self.deliver(name, entry.change.log_id)
                outcomes = node.engine.apply_system([Work(entry, encoded)])
            else:
                outcomes = node.engine.logs()[log_id].apply([Work(entry, encoded)])
            node.unreported[log_id] += outcomes
            node.progress.applied(log_id)

    def tell(self, name: str, log_id: int) -> None:
        """The node's word of all that it has applied of a log reaches the log's host."""
        node = self.nodes[name]
        outcomes = node.unreported.pop(log_id, [])
        if outcomes:
            self.host.reports.outcomes_came(name, log_id, outcomes)
            self.host.reports.applied(name, log_id, outcomes[-1].index)

    def level(self, *log_ids: int) -> None:
        """All nodes have all of these logs, and have said so, and the cache has heard of it."""
        for log_id in log_ids:
            for name in NODES:
                self.deliver(name, log_id)
                self.tell(name, log_id)
            until(lambda log_id=log_id: self.cache.store.horizon(log_id).head == self.head(log_id))  # type: ignore[misc]

    def stop(self) -> None:
        """End everything."""
        self.is_cache_hearing.set()
        gevent.killall([self._beating, *self._changes])
        self.cache.stop()
        self.host.reports.is_stopping = True
        self.proxy.stop()
        for node in self.nodes.values():
            node.stop()
        self.host.stop()
        self.log.close()


def _quietly(work: Any, *arguments: object) -> None:
    with suppress(SqlError):
        work(*arguments)


class SmallClient:
    """One connection to a part."""

    def __init__(self, cluster: SmallCluster, part: str) -> None:
        self.part = part
        self._socket = socket.create_connection((HOST, cluster.ports[part]))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, text: str, **fields: Any) -> Answered:
        """Ask with these metadata; without any as an old client does."""
        comment = f"/*dirk {json.dumps(fields)}*/" if fields else ""
        self._socket.sendall(f"{comment}{text};".encode())
        data = b""
        with gevent.Timeout(10):
            while not data.endswith(answer_bytes.END):
                more = self._socket.recv(1 << 16)
                assert more, "the connection ended"
                data += more
        return Answered(data)

    def close(self) -> None:
        """End the session."""
        self._socket.close()


class Answered:
    """One answer: `meta` is empty for those that did not ask, `rows` None for what is no relation."""

    def __init__(self, data: bytes) -> None:
        meta, body = answer_bytes.split_meta(data)
        self.meta: dict[str, Any] = meta or {}
        lines = body.split(b"\n")
        self.rows = orjson.loads(lines[1])["rows"] if lines[0].startswith(b"RELATION") else None
        said = body.decode()
        self.sqlstate = said.rpartition("(")[2][:5] if "Hadisoana" in said else ""
