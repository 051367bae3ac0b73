"""How writes ended, as the masters tell it: first outcomes, agreement, and the headers that follow from them.

Pure bookkeeping of one log: no sockets, no clock. The host feeds acknowledgements in, and reads who may be
answered, which headers may go out, and where two masters said different things.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gevent.event import Event

from dirk_gevent.coordinator.known_outcomes import Known
from dirk_gevent.engine.results import Outcome

#: Entries of a log whose digests are kept for comparing masters; a master further behind is checked by the chain
#: hash alone.
KEPT_OUTCOMES = 20_000
#: Of so many the whole outcome is kept though nobody waits for it: while writes are being appended, their writers
#: may be about to; without any, few are kept.
WHOLE_OUTCOMES = 4096
WHOLE_AT_REST = 64
#: What RETURNING gave in the whole outcomes of one log may take so much.
WHOLE_BYTES = 64 * 1024 * 1024
#: Entries of all logs together whose digests are kept, some 100 MB: with many databases and a master that is away.
KEPT_IN_ALL = 200_000


@dataclass(frozen=True, slots=True)
class InvalidationNotice:
    """A cache's notice of entry `index`: the tables it wrote."""

    log_id: int
    index: int
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two masters ended entry `index` with different digests; `digests` by node."""

    log_id: int
    index: int
    digests: dict[str, bytes]


@dataclass(slots=True)
class Kept:
    """How many entries' digests the logs of one host keep together."""

    entries: int = 0


@dataclass(slots=True)
class _Record:
    """One entry: its `first` outcome (None once nobody can ask for it), the tables it wrote, what each master said.

    `others` are the outcomes that differ from the first, by digest: one of them may prove to be the right one.
    """

    first: Outcome | None
    digest: bytes
    tables: tuple[str, ...]
    digests: dict[str, bytes] = field(default_factory=dict)
    others: dict[bytes, Outcome] | None = None

    def take(self, outcome: Outcome) -> None:
        """Record this outcome as the first."""
        self.first, self.digest, self.tables = outcome, outcome.digest, outcome.tables

    def discard_reports(self, node: str) -> None:
        """Count nothing that `node` said; what only it said is unknown again."""
        self.digests.pop(node, None)
        left = next(iter(self.digests.values()), b"")
        if self.digest in self.digests.values():
            return
        self.first, self.digest, self.tables = None, left, ("*",)
        if self.others and left in self.others:
            self.take(self.others[left])


class LogOutcomes:
    """The outcomes of one log. `released` is the index up to which headers have gone out, without gaps."""

    def __init__(self, log_id: int, released: int, masters: int, kept: Kept | None = None) -> None:
        self.log_id = log_id
        self._kept = kept or Kept()
        self._whole_bytes = 0
        self.released = released
        #: What sessions begin with and strong reads need.
        self.known = Known(released)
        #: Writes on their way into the log, whose writers do not wait for an outcome yet.
        self.arriving = 0
        #: While masters disagree: the first index whose outcome nobody is told.
        self._disputed: int | None = None
        self._masters = masters
        self._records: dict[int, _Record] = {}
        #: Entries whose whole outcome is kept, each with what its RETURNING takes.
        self._whole: deque[tuple[int, int]] = deque()
        self._order: deque[int] = deque()
        self._waiting: dict[int, Event] = {}

    def report(self, node: str, outcome: Outcome) -> Disagreement | None:
        """Take a master's outcome; gives a Disagreement when another master's differs."""
        record = self._records.get(outcome.index)
        if record is None:
            record = self._records[outcome.index] = _Record(outcome, outcome.digest, outcome.tables)
            self._kept.entries += 1
            size_bytes = outcome.returning.size_bytes if outcome.returning is not None else 0
            self._whole.append((outcome.index, size_bytes))
            self._whole_bytes += size_bytes
            self._thin_out()
        elif not record.digest:
            record.take(outcome)
        record.digests[node] = outcome.digest
        self.known.told(outcome.index)
        waiting = self._waiting.get(outcome.index)
        if waiting is not None:
            waiting.set()
        if outcome.digest != record.digest:
            record.others = {**(record.others or {}), outcome.digest: outcome}
            return Disagreement(self.log_id, outcome.index, dict(record.digests))
        return None

    def dispute(self, index: int) -> None:
        """Masters disagree from `index` on: no outcome from there is told until `settle`."""
        self._disputed = index if self._disputed is None else min(index, self._disputed)

    def settle(self) -> None:
        """It is known who is right: what is known now may be told."""
        self._disputed = None
        for event in self._waiting.values():
            event.set()

    def discard_reports(self, node: str) -> None:
        """Count nothing that `node` has said so far: its state was shut out."""
        for record in self._records.values():
            record.discard_reports(node)

    def _thin_out(self) -> None:
        """Forget what nobody needs: whole outcomes past the newest, entries that all masters agree on."""
        most = WHOLE_OUTCOMES if self.arriving else WHOLE_AT_REST
        whole = self._whole
        while len(whole) > (1 if self._whole_bytes > WHOLE_BYTES else most) and whole[0][0] not in self._waiting:
            index, size_bytes = whole.popleft()
            self._whole_bytes -= size_bytes
            self._records[index].first = None
            self._order.append(index)
        while self._order and (len(self._order) > KEPT_OUTCOMES or self._may_go(self._order[0])):
            del self._records[self._order.popleft()]
            self._kept.entries -= 1

    def _may_go(self, index: int) -> bool:
        """True when an entry has been told to the caches, and by all masters or there is no room for it."""
        if index > self.released:
            return False
        return self._kept.entries > KEPT_IN_ALL or len(self._records[index].digests) >= self._masters

    def forget(self) -> None:
        """The log is gone."""
        self._kept.entries -= len(self._records)

    def release(self) -> list[InvalidationNotice]:
        """The headers that may go out now: all entries after `released` whose first outcome is known, in order."""
        headers = []
        while (record := self._records.get(self.released + 1)) is not None and record.digest:
            self.released += 1
            headers.append(InvalidationNotice(self.log_id, self.released, record.tables))
        return headers

    def is_told(self, index: int) -> bool:
        """True when any master that counts has told how entry `index` ended, as far as that is remembered."""
        record = self._records.get(index)
        return record is not None and bool(record.digests)

    def known_by(self, index: int, node: str) -> bool:
        """True when `node` has told its outcome of `index`."""
        record = self._records.get(index)
        return record is not None and node in record.digests

    def first(self, index: int) -> Outcome | None:
        """The first outcome of `index`, while it is kept and undisputed."""
        if self._disputed is not None and index >= self._disputed:
            return None
        record = self._records.get(index)
        return record.first if record else None

    def watch(self, index: int) -> Event:
        """An event that is set each time a master tells its outcome of `index`; give it back with `unwatch`."""
        return self._waiting.setdefault(index, Event())

    def unwatch(self, index: int) -> None:
        """Nobody waits for `index` any more."""
        self._waiting.pop(index, None)
        self._thin_out()
