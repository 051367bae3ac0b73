"""How far a node may be sent ahead of what it has applied of one log."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dirk_gevent.precedence import Way

#: One entry may always be on its way.
WINDOW_ENTRIES = 8192
WINDOW_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class SendLane:
    """One log on its way to one node. `mark` is an index after which the node is asked for a digest."""

    sent: int
    applied: int
    mark: int | None = None
    mark_uploads: bool = False
    mark_way: Way = Way.BESIDE
    is_seeding: bool = False
    flying_bytes: int = 0
    flying: deque[tuple[int, int]] = field(default_factory=deque)

    def restart(self, index: int) -> None:
        """The node will stand at `index`, whatever was sent before."""
        self.sent = self.applied = index
        self.flying.clear()
        self.flying_bytes = 0

    def took_off(self, count: int, size_bytes: int) -> None:
        """`count` entries have been sent."""
        self.sent += count
        self.flying.append((self.sent, size_bytes))
        self.flying_bytes += size_bytes

    def landed(self, index: int) -> None:
        """The node has applied all up to `index`."""
        self.applied = index
        while self.flying and self.flying[0][0] <= index:
            self.flying_bytes -= self.flying.popleft()[1]

    @property
    def is_full(self) -> bool:
        """Whether the node must apply something before it is sent more."""
        return self.sent - self.applied >= WINDOW_ENTRIES or self.flying_bytes >= WINDOW_BYTES
