"""The journal as it is read back: each entry against its chain hash, whoever asks, and all of it again and again.

What never left memory (`Tail`) needs no such look.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gevent.event import Event

from dirk_gevent.base import logger
from dirk_gevent.log.embedded.found_damage import FoundDamage
from dirk_gevent.log.embedded.journal_file import ALTERED, MISSING
from dirk_gevent.log.embedded.journal_threads import JournalThreads
from dirk_gevent.log.embedded.log_state import LogState, State
from dirk_gevent.log.embedded.retention import Retention
from dirk_gevent.log.embedded.tail import Tail
from dirk_gevent.log.records import Chunk, EntriesGoneError, Head, LogDamagedError
from dirk_gevent.log.skipped import marked
from dirk_parser.errors import SqlError

#: The scrub reads so much at a time, and rests so many times as long as that took (and at least so long).
_PIECE_BYTES = 256 * 1024
_REST_DURATIONS = 19.0
_LEAST_REST_SECONDS = 0.02
#: So many entries of what cannot be read at all are passed over at a time.
_UNREADABLE_ENTRIES = 64
#: From the end of one scrub to the beginning of the next.
SCRUB_PAUSE_SECONDS = 600.0


class CheckedJournal:
    """Reads of one journal. `state` gives the log's current state, which a reopening replaces."""

    def __init__(
        self, threads: JournalThreads, state: Callable[[], State], retention: Retention, damage: FoundDamage
    ) -> None:
        self._threads = threads
        self._state = state
        self._retention = retention
        self._damage = damage
        self._logger = logger.logger("log")
        self._stopping = Event()

    def read(self, tail: Tail, log_id: int, after_index: int, max_bytes: int) -> Chunk:
        """Entries as `contract.Log.read` gives them, from memory where they are there; ValueError beyond the head."""
        log = self._state().logs.get(log_id)
        if log is None:
            raise EntriesGoneError(log_id, after_index + 2)
        head, base = log.head, log.row.base
        if after_index > head.index:
            raise ValueError(f"log {log_id} ends at {head.index}, before {after_index}")
        if after_index == head.index:
            return Chunk(log_id, after_index + 1, (), head.chain, head.chain)
        if after_index < base.index:
            raise EntriesGoneError(log_id, base.index + 1)
        chunk = tail.read(log_id, after_index, max_bytes)
        if chunk is None:
            chunk = self.chunk(log_id, after_index, max_bytes)
        return marked(chunk, log.skips) if log.skips else chunk

    def chunk(self, log_id: int, after_index: int, max_bytes: int) -> Chunk:
        """Entries after `after_index` as `contract.Log.read` gives them, at least one. *Blocks.*"""
        log = self._state().log(log_id)
        base, upto = log.row.base, log.head.index
        read = partial(self._threads.reader.chunk, log_id, after_index, base=base, upto=upto, max_bytes=max_bytes)
        try:
            return self._threads.read(read)
        except EntriesGoneError:
            self._check_held(log_id, after_index)
            raise
        except LogDamagedError as error:
            self._damage.note(log_id, error.index, error.reason)
            raise

    def chain_at(self, log_id: int, index: int) -> bytes | None:
        """The chain hash at an index from a log's base to its head; None when it is in doubt. *Blocks.*"""
        log, damage = self._state().log(log_id), self._damage.of(log_id)
        if index == log.head.index and not (damage is not None and damage.end_in_doubt):
            return log.head.chain
        base = log.row.base
        if index == base.index:
            # Entry base + 1 damaged may mean that it is the hash before it which is wrong.
            return None if damage is not None and damage.first <= base.index + 1 else base.chain
        try:
            return self._threads.read(self._threads.reader.chain_at, log_id, index, base)
        except LogDamagedError as error:
            self._damage.note(log_id, error.index, error.reason)
            return None

    def index_at(self, log_id: int, time_ms: int) -> int:
        """See `contract.Log.index_at`."""
        base = self._state().log(log_id).row.base
        index = self._threads.read(self._threads.reader.index_at, log_id, time_ms)
        # What lies before the base may not have been deleted yet.
        if index is not None and index >= base.index:
            return index
        if base.index and base.time_ms > time_ms:
            raise EntriesGoneError(log_id, base.index + 1)
        return base.index

    def vouch(self, log_id: int, index: int, chain: bytes) -> None:
        """See `contract.Log.vouch`."""
        log, other = self._state().logs.get(log_id), self._damage.other_chain(log_id)
        if log is None or other is None or index != log.head.index:
            return
        if chain == log.head.chain:
            self._damage.settled(log_id)
        elif chain == other:
            self._threads.alter(self._threads.journal.mend_chain, log_id, index, chain)
            log.head = replace(log.head, chain=chain)
            self._damage.settled(log_id, mended=index)
            self._logger.info("log_mended", log=log_id, index=index)

    def scrub(self) -> None:
        """Read everything slowly, over and over, until `stop`. *Blocks.*"""
        while not self._stopping.is_set():
            for log_id in sorted(self._state().logs):
                try:
                    self._scrub_log(log_id)
                except SqlError as error:
                    # The journal is being opened again, or the log is gone: the next scrub reads it.
                    self._logger.debug("scrub_waits", log=log_id, reason=str(error))
                except Exception as error:
                    self._logger.exception("scrub_failed", error, log=log_id)
            self._stopping.wait(SCRUB_PAUSE_SECONDS)

    def stop(self) -> None:
        """End `scrub` after the piece that it reads now."""
        self._stopping.set()

    def _scrub_log(self, log_id: int) -> None:
        log = self._open(log_id)
        if log is None:
            return
        for info in self._retention.all(log_id):
            self._retention.check(info, self._rest)
        after, upto = log.row.base.index, log.head.index
        while after < upto and not self._stopping.is_set() and (log := self._open(log_id)) is not None:
            began = time.monotonic()
            after = self._scrub_piece(log_id, max(after, log.row.base.index), log)
            self._rest(time.monotonic() - began)
        if after >= upto:
            self._damage.scrubbed(log_id)

    def _scrub_piece(self, log_id: int, after: int, log: LogState) -> int:
        """Check the entries behind `after`; how far that went, damage included."""
        base, head = log.row.base, log.head
        read = partial(self._threads.scrubber.chunk, log_id, after, base=base, upto=head.index, max_bytes=_PIECE_BYTES)
        try:
            return self._threads.scrub(read).last_index
        except EntriesGoneError:
            self._check_missing(log_id, after, base)
            return self._next_held(log_id, after + 1, head)
        except LogDamagedError as error:
            if self._is_held(log_id, after):
                self._damage.note(log_id, error.index, error.reason)
            # A page of the file that cannot be read holds many entries.
            return error.index if error.reason == ALTERED else min(head.index, error.index + _UNREADABLE_ENTRIES)

    def _next_held(self, log_id: int, after: int, head: Head) -> int:
        try:
            following = self._threads.scrub(self._threads.scrubber.next_held, log_id, after)
        except LogDamagedError:
            following = after + _UNREADABLE_ENTRIES
        return head.index if following is None else min(head.index, following)

    def _check_missing(self, log_id: int, after: int, base: Head) -> None:
        if after >= base.index and self._is_held(log_id, after):
            self._damage.note(log_id, after + 1, MISSING)

    def _check_held(self, log_id: int, after_index: int) -> None:
        """Raises LogDamagedError when the entry behind `after_index` should be there, but is not."""
        if self._is_held(log_id, after_index):
            self._damage.note(log_id, after_index + 1, MISSING)
            raise LogDamagedError(log_id, after_index + 1, MISSING)

    def _is_held(self, log_id: int, after_index: int) -> bool:
        """True when the log still claims to hold what follows an index: nothing has truncated or dropped it
        meanwhile."""
        log = self._open(log_id)
        return log is not None and log.row.base.index <= after_index < log.head.index

    def _open(self, log_id: int) -> LogState | None:
        log = self._state().logs.get(log_id)
        return log if log is not None and log.is_open else None

    def _rest(self, worked_seconds: float) -> bool:
        """Leave disk and processor to others after a piece of work; whether the scrub goes on."""
        return not self._stopping.wait(max(_LEAST_REST_SECONDS, worked_seconds * _REST_DURATIONS))
