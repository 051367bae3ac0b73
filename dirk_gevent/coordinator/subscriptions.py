"""Who follows the log: nodes their entries, caches their headers, a person's program its task; and who may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gevent import socket

from dirk_gevent.coordinator.cache_link import SILENCE_SECONDS, CacheLink, CacheLinks
from dirk_gevent.coordinator.divergence.registry import Cause, ConflictSubject, Status
from dirk_gevent.coordinator.link_parts import LinkParts
from dirk_gevent.coordinator.namesakes import Namesakes
from dirk_gevent.coordinator.node_link import NodeLink
from dirk_gevent.engine.build import build_fingerprint
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.messages.error_text import sentence
from dirk_gevent.replication.frame_types import Hello
from dirk_parser.errors import SqlError

#: So much of what a refused node calls its build is shown.
_SHOWN_BUILD = 80


#: Serves a program of a person: its connection, and the metadata's `follow`.
Admin = Callable[[FrameSocket, Mapping[str, Any]], None]


class NodeArrivals(Protocol):
    """Those who are told which nodes follow."""

    def node_came(self, hello: Hello) -> None:
        """A node follows now."""

    def node_lost(self, node: str, reason: str) -> None:
        """A node does not follow any more."""


class Subscriptions:
    """The subscriptions of one coordinator."""

    def __init__(self, parts: LinkParts, caches: CacheLinks, arrivals: NodeArrivals, admin: Admin) -> None:
        self._parts = parts
        self._state = parts.state
        self._logger = parts.state.logger
        self._caches = caches
        self._arrivals = arrivals
        self._admin = admin
        self._namesakes = Namesakes(parts.state.cluster)
        #: Why a program was refused last as each node, with its process: said once.
        self._refused: dict[str, tuple[str | None, str]] = {}

    def follow(self, sock: socket.socket, fields: object) -> None:
        """Serve a subscription on `sock` until it ends; `fields` are the metadata's `follow`."""
        frames = FrameSocket(sock)
        try:
            if not isinstance(fields, dict):
                raise TypeError("follow is not an object")
            if fields.get("as") == "cache":
                sock.settimeout(SILENCE_SECONDS)
                outcomes, heads = self._state.outcomes, self._state.log.reads.heads()
                released = {log_id: outcomes.of(log_id).released for log_id in heads}
                self._caches.serve(CacheLink(frames, self._state.log.time_ms), released)
            elif fields.get("as") == "admin":
                self._admin(frames, fields)
            else:
                self._serve_node(sock, frames, Hello.decode(fields))
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._logger.debug("subscription_ended", reason=str(error))
        except SqlError as error:
            # The log can't be read or written now: who follows comes again.
            self._logger.error("subscription_failed", reason=sentence(error.key, "en", error.params))
        finally:
            frames.close()

    def close(self) -> None:
        """End all subscriptions."""
        for link in list(self._state.links.values()):
            link.close()
        self._caches.close()

    def _serve_node(self, sock: socket.socket, frames: FrameSocket, hello: Hello) -> None:
        other = self._namesakes.other(hello)
        reason = "node_runs_twice" if other is not None else self._refusal(hello)
        if reason is not None:
            self._refuse(frames, hello, reason, other or {})
            return
        self._refused.pop(hello.node, None)
        self._namesakes.came(hello, sock)
        self._parts.fences.check_owner(hello)
        self._parts.evidence.came(hello)
        previous = self._state.links.pop(hello.node, None)
        if previous is not None:
            previous.close()
        link = self._state.links[hello.node] = NodeLink(self._parts, frames, hello)
        try:
            self._arrivals.node_came(hello)
            link.run()
        finally:
            if self._state.links.get(hello.node) is link:
                del self._state.links[hello.node]
                self._arrivals.node_lost(hello.node, "the connection ended")

    def _refuse(self, frames: FrameSocket, hello: Hello, reason: str, other: Mapping[str, str]) -> None:
        facts = {"node": hello.node, "build": hello.build[:_SHOWN_BUILD], "own": build_fingerprint(), **other}
        text = sentence(reason, "en", facts)
        if self._refused.get(hello.node) != (reason, hello.process):
            self._refused[hello.node] = reason, hello.process
            self._logger.error("node_refused", target=hello.node, reason=text)
        frames.send({"t": "refuse", "log": None, "key": reason, "text": text})

    def _refusal(self, hello: Hello) -> str | None:
        view = self._state.cluster.nodes.get(hello.node)
        if view is None:
            return "node_unknown"
        if hello.build != build_fingerprint():
            return "build_differs"
        if None in view.databases.evicted:
            return "node_evicted"
        log = self._state.log
        geneses = {log.genesis, *(predecessor.genesis for predecessor in log.predecessors)}
        if hello.genesis in geneses or (hello.genesis is None and self._is_blank_or_ours(hello)):
            return None
        self._note_other_log(hello)
        return "log_unknown_to_node"

    def _note_other_log(self, hello: Hello) -> None:
        """A log that holds nothing beside a node that has something: a person decides before the first write."""
        log = self._state.log
        if not self._state.registry.find(hello.node, None, Status.UNDECIDED):
            index = max((standing.applied for standing in hello.standings.values()), default=0)
            digests = (hello.genesis or b"", log.genesis)
            self._state.registry.add(
                ConflictSubject(hello.node, "", None, index), Cause.OTHER_LOG, Status.UNDECIDED, digests
            )
        if not self._state.head_index(SYSTEM_LOG_ID):
            self._state.blocks.block(None, SqlError("log_unknown_to_node", node=hello.node))

    def _is_blank_or_ours(self, hello: Hello) -> bool:
        """True when a node that does not say which log it followed has nothing, or a state of this very log."""
        system = hello.standings.get(SYSTEM_LOG_ID)
        if system is None or system.applied == 0:
            return True
        return self._state.log.reads.chain_at(SYSTEM_LOG_ID, system.applied) == system.chain
