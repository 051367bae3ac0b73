"""The entries that one node was sent of one log over one connection: how far ahead it may be sent, and what it may
answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from dirk_gevent.replication.frame_types import Acks
from dirk_gevent.replication.precedence import Way

#: One entry may always be on its way.
WINDOW_ENTRIES = 8192
WINDOW_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class InFlight:
    """The last frame sent when all up to `index` had been: its size, and the log's hash behind it."""

    index: int
    size_bytes: int
    chain: bytes


@dataclass(slots=True)
class SendWindow:
    """One log on its way to one node: what lies behind `began` up to `sent` was sent, the node has `applied`.

    `mark` is an index after which the node is asked for a digest, `ask` the number of the last question.
    """

    sent: int
    applied: int
    began: int = field(init=False)
    mark: int | None = None
    mark_uploads: bool = False
    mark_way: Way = Way.BESIDE
    ask: int = 0
    is_seeding: bool = False
    #: The node was told to put its state aside, and has not answered.
    is_fencing: bool = False
    in_flight_bytes: int = 0
    in_flight: deque[InFlight] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """It begins where it stands."""
        self.began = self.sent

    def restart(self, index: int) -> None:
        """The node stands at `index`: nothing that was sent before counts."""
        self.began = self.sent = self.applied = index
        self.in_flight.clear()
        self.in_flight_bytes = 0

    def jump(self, index: int, chain: bytes) -> None:
        """The node will stand at `index`, where the log's hash is `chain`, once it has what was sent."""
        self.sent = self.applied = index
        self.in_flight.append(InFlight(index, 0, chain))

    def on_sent(self, count: int, size_bytes: int, chain: bytes) -> None:
        """`count` entries have been sent, which lead to the hash `chain`."""
        self.sent += count
        self.in_flight.append(InFlight(self.sent, size_bytes, chain))
        self.in_flight_bytes += size_bytes

    def on_acked(self, index: int) -> None:
        """The node has applied all up to `index`."""
        self.applied = max(self.applied, index)
        while self.in_flight and self.in_flight[0].index <= index:
            self.in_flight_bytes -= self.in_flight.popleft().size_bytes

    def is_answer(self, acks: Acks, chain_at: Callable[[int, int], bytes | None]) -> bool:
        """True when acknowledgements are of what was sent here. `chain_at` gives the log's hash at an index."""
        ends = next((sent for sent in self.in_flight if sent.index >= acks.upto), None)
        chain = ends.chain if ends is not None and ends.index == acks.upto else b""
        if (chain or chain_at(acks.log_id, acks.upto)) != acks.chain or not acks.applied <= acks.upto <= self.sent:
            return False
        return all(self.began < outcome.index <= acks.applied for outcome in acks.outcomes)

    def ask_anew(self) -> None:
        """Give the next question a number of its own: an answer to one before counts no more."""
        self.ask += 1

    @property
    def is_full(self) -> bool:
        """True when the node must apply something before it is sent more."""
        return self.sent - self.applied >= WINDOW_ENTRIES or self.in_flight_bytes >= WINDOW_BYTES
