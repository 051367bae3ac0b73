"""A node's answers to marks: the content digest of a database at an index, and a snapshot if one was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gevent.lock import Semaphore

from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.snapshot.snapshot import PinnedState
from dirk_gevent.engine.wal.wal import Overtaken
from dirk_gevent.log.embedded.snapshot_files import file_checksum
from dirk_gevent.log.records import SnapshotInfo
from dirk_gevent.node.answer_work import AnswerWork
from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.queue_items import Mark
from dirk_gevent.node.sender import Sender
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.transfer import upload


class MarkAnswers:
    """The answers of one database. Every mark gets one: the round of the log's host waits for it.

    `note_damage` is told of a fault met on the way.
    """

    def __init__(self, context: ApplyContext, log_id: int, note_damage: Callable[[StorageFault], bool]) -> None:
        self._context = context
        self._log_id = log_id
        self._note_damage = note_damage
        #: One at a time: the same may be asked again over the next connection.
        self._answering = Semaphore(1)

    def refuse(self, mark: Mark, sender: Sender, **why: bool) -> None:
        """The round need not wait for this node: it is not at the mark's index, or can't come there."""
        sender({"t": "undone", "log": self._log_id, "index": mark.index, "ask": mark.ask, **why})

    def fail(self, mark: Mark, fault: StorageFault, sender: Sender) -> None:
        """The disk is full or fails: the round need not wait for this node."""
        self._context.logger.error("snapshot_failed", log=self._log_id, index=mark.index, reason=str(fault))
        self.refuse(mark, sender)

    def give(self, pin: PinnedState, mark: Mark, sender: Sender) -> None:
        """Answer a mark from a pinned state, over the connection it came on, and end the pin: a greenlet's top."""
        try:
            with self._answering, self._context.answers.of(self._log_id) as work:
                if sender.is_open:
                    self._give(pin, mark, sender, work)
        except Overtaken:
            self._context.logger.info("snapshot_overtaken", log=self._log_id, index=pin.index)
            self.refuse(mark, sender, overtaken=True)
        except StorageFault as fault:
            self.fail(mark, fault, sender)
            self._note_damage(fault)
        except Exception as error:
            self._context.logger.exception("snapshot_failed", error, log=self._log_id, index=pin.index)
            self.refuse(mark, sender)
        finally:
            pin.close()

    def _give(self, pin: PinnedState, mark: Mark, sender: Sender, work: AnswerWork) -> None:
        context, path, took_ms = self._context, self._context.engine.directory.outgoing(self._log_id), 0
        try:
            if mark.uploads:
                snapshot = context.slow.call(work.timed, pin.snapshot, path)
                digest = bytes.fromhex(snapshot.digest)
                size_bytes, checksum = context.slow.call(work.timed, file_checksum, path)
                info = SnapshotInfo(
                    self._log_id, pin.index, pin.chain, digest, size_bytes=size_bytes, checksum=checksum
                )
                fields = {**frame_types.snapshot_fields("upload", info), "ask": mark.ask}
                upload(_counted(sender, work), path, fields)
            else:
                digest, took_ms = context.slow.call(work.timed, _timed_digest, pin, path if mark.way else None)
        finally:
            path.unlink(missing_ok=True)
        fields = {"log": self._log_id, "index": pin.index, "ask": mark.ask}
        sender({"t": "digest", **fields, "digest": digest.hex(), "ms": took_ms})


def _counted(send: Callable[..., None], work: AnswerWork) -> Callable[..., None]:
    """`send`, after which one piece more has gone out."""

    def one(*words: Any) -> None:
        send(*words)
        work.sent()

    return one


def _timed_digest(pin: PinnedState, copy: Path | None) -> tuple[bytes, int]:
    """The content digest, through a `copy` if that is told, and how many ms it took (native thread)."""
    began = time.monotonic()
    digest = pin.content_digest() if copy is None else pin.digest_of_copy(copy)
    return digest, round((time.monotonic() - began) * 1000)
