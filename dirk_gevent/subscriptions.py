"""Who follows the log: nodes their entries, caches their headers, a person's program its task; and who may not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from gevent import socket

from dirk_gevent.base.logger import Logger
from dirk_gevent.cache_link import SILENCE_SECONDS, CacheLink
from dirk_gevent.conflicts import Cause, Status
from dirk_gevent.engine.build import build_fingerprint
from dirk_gevent.host_link import NodeLink
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.messages.error_text import sentence
from dirk_gevent.namesakes import Namesakes
from dirk_gevent.operations import serve_admin
from dirk_gevent.outcomes import Header
from dirk_gevent.replication import Hello
from parser.errors import SqlError

if TYPE_CHECKING:
    from dirk_gevent.host import LogHost

#: So much of what a refused node calls its build is shown.
_SHOWN_BUILD = 80


class Subscriptions:
    """The subscriptions of one host. `links` are the nodes that follow now, by id."""

    def __init__(self, host: LogHost, logger: Logger) -> None:
        self.links: dict[str, NodeLink] = {}
        self.caches: set[CacheLink] = set()
        self._host = host
        self._logger = logger
        self._namesakes = Namesakes(host.cluster)
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
                self._serve_cache(CacheLink(frames, self._host.log.time_ms))
            elif fields.get("as") == "admin":
                serve_admin(self._host, frames, fields)
            else:
                self._serve_node(sock, frames, Hello.decode(fields))
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._logger.debug("subscription_ended", reason=str(error))
        except SqlError as error:
            # The log can't be read or written now: who follows comes again.
            self._logger.error("subscription_failed", reason=sentence(error.key, "en", error.params))
        finally:
            frames.close()

    def headers(self, headers: Iterable[Header]) -> None:
        """Let headers out to the caches."""
        told = list(headers)
        if told:
            for cache in self.caches:
                cache.headers(told)

    def forget_cached(self, log_id: int, index: int) -> None:
        """Have the caches drop what they hold of a log; its headers go on after `index`."""
        for cache in self.caches:
            cache.dropped(log_id)
            cache.opened(log_id, index)

    def close(self) -> None:
        """End all subscriptions."""
        for link in list(self.links.values()):
            link.close()
        for cache in list(self.caches):
            cache.close()

    def _serve_cache(self, link: CacheLink) -> None:
        released = self._host.released()
        self.caches.add(link)
        try:
            link.run(released)
        finally:
            self.caches.discard(link)

    def _serve_node(self, sock: socket.socket, frames: FrameSocket, hello: Hello) -> None:
        other = self._namesakes.other(hello)
        reason = "node_runs_twice" if other is not None else self._refusal(hello)
        if reason is not None:
            self._refuse(frames, hello, reason, other or {})
            return
        self._refused.pop(hello.node, None)
        self._namesakes.came(hello, sock)
        self._host.fences.check_owner(hello)
        self._host.evidence.came(hello)
        previous = self.links.pop(hello.node, None)
        if previous is not None:
            previous.close()
        link = self.links[hello.node] = NodeLink(self._host, frames, hello)
        try:
            self._host.node_came(hello)
            link.run()
        finally:
            if self.links.get(hello.node) is link:
                del self.links[hello.node]
                self._host.node_lost(hello.node, "the connection ended")

    def _refuse(self, frames: FrameSocket, hello: Hello, reason: str, other: Mapping[str, str]) -> None:
        facts = {"node": hello.node, "build": hello.build[:_SHOWN_BUILD], "own": build_fingerprint(), **other}
        text = sentence(reason, "en", facts)
        if self._refused.get(hello.node) != (reason, hello.process):
            self._refused[hello.node] = reason, hello.process
            self._logger.error("node_refused", target=hello.node, reason=text)
        frames.send({"t": "refuse", "log": None, "key": reason, "text": text})

    def _refusal(self, hello: Hello) -> str | None:
        view = self._host.cluster.nodes.get(hello.node)
        if view is None:
            return "node_unknown"
        if hello.build != build_fingerprint():
            return "build_differs"
        if None in view.evicted:
            return "node_evicted"
        log = self._host.log
        known = {log.genesis, *(predecessor.genesis for predecessor in log.predecessors)}
        if hello.genesis in known or (hello.genesis is None and self._is_blank_or_ours(hello)):
            return None
        self._note_other_log(hello)
        return "log_unknown_to_node"

    def _note_other_log(self, hello: Hello) -> None:
        """A log that holds nothing beside a node that has something: a person decides before the first write."""
        host, log = self._host, self._host.log
        if not host.book.find(hello.node, None, Status.UNDECIDED):
            index = max((one.applied for one in hello.standings.values()), default=0)
            digests = (hello.genesis or b"", log.genesis)
            host.book.add((hello.node, "", None, index), Cause.OTHER_LOG, Status.UNDECIDED, digests)
        if not host.head_index(SYSTEM_LOG_ID):
            host.disputes.block(None, SqlError("log_unknown_to_node", node=hello.node))

    def _is_blank_or_ours(self, hello: Hello) -> bool:
        """Whether a node that does not say which log it followed has nothing, or a state of this very log."""
        system = hello.standings.get(SYSTEM_LOG_ID)
        if system is None or system.applied == 0:
            return True
        return self._host.log.chain_at(SYSTEM_LOG_ID, system.applied) == system.chain
