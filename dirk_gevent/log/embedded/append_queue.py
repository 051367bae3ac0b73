"""The writes and changes that wait for their place in the embedded log: bounded in number and in bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gevent.event import AsyncResult

from dirk_gevent.log.embedded.log_state import ChangeRequest, Write
from dirk_gevent.log.records import Appended, DatabaseChanged
from dirk_parser.errors import SqlError

#: Encoded statements that may wait for their place; more is refused, however few drafts they are.
MAX_WAITING_BYTES = 256 * 1024 * 1024
#: A commit takes no more drafts, and no more bytes of statements, than this: the hub gives them their places in one go.
BATCH_DRAFTS = 256
BATCH_BYTES = 2 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Waiting:
    """A write or change that waits for its place; `answer` gets what the caller returns or raises."""

    item: Write | ChangeRequest
    size_bytes: int
    answer: AsyncResult[Appended | DatabaseChanged] = field(default_factory=AsyncResult)

    @property
    def request_id(self) -> str:
        """The request that waits."""
        return self.item.draft.request_id if isinstance(self.item, Write) else self.item.request_id


class WaitingQueue:
    """Waiting drafts, oldest first; at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, waiting: Waiting) -> None:
        """Queue a draft; SqlError `overloaded` when too much waits already. One may always wait, however large."""
        too_many = len(self._waiting) >= self._most
        too_much = self._waiting and self._bytes + waiting.size_bytes > MAX_WAITING_BYTES
        if too_many or too_much:
            raise SqlError("overloaded", waiting=len(self._waiting))
        self._waiting.append(waiting)
        self._bytes += waiting.size_bytes

    def take(self) -> list[Waiting]:
        """The drafts of the next commit."""
        taken: list[Waiting] = []
        taken_bytes = 0
        while self._waiting and len(taken) < BATCH_DRAFTS and taken_bytes < BATCH_BYTES:
            waiting = self._waiting.popleft()
            taken.append(waiting)
            taken_bytes += waiting.size_bytes
        self._bytes -= taken_bytes
        return taken

    def withdraw(self, waiting: Waiting) -> bool:
        """Withdraw a waiting draft; False when a commit has taken it already."""
        try:
            self._waiting.remove(waiting)
        except ValueError:
            return False
        self._bytes -= waiting.size_bytes
        return True

    def refuse_all(self, key: str) -> None:
        """Nothing of what waits gets a place: SqlError `key` for each."""
        refuse(self._waiting, lambda _: SqlError(key))
        self._waiting.clear()
        self._bytes = 0


def refuse(batch: Iterable[Waiting], error: Callable[[Waiting], SqlError]) -> None:
    """Answer those of a batch that have no answer yet with an error each."""
    for waiting in batch:
        if not waiting.answer.ready():
            waiting.answer.set_exception(error(waiting))
