"""The epochs of a log: by which a node that comes tells whether the log went back since it was here.

Each opening of the log has an epoch, 16 random bytes. It is written into the journal in one commit with the first entry
that the opening appends (or with a person's decision that another epoch counts for nothing), with the heads that all
logs had before, and told to the nodes from then on; until then they are told the one before. So an epoch that a node
has heard of stands in the journal, unless somebody has put an older journal in its place; and what a node heard of in
an epoch lies before the heads at which the next one began.

A journal of release 2.0.0 has no epochs: it gets its first with the next entry. A node that has heard of none has seen
nothing behind the heads before the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import apsw
import orjson

#: Length of an epoch.
EPOCH_BYTES = 16
#: Stands for the heads before an epoch, in a row of its own: what nodes heard in it beyond the log counts for nothing.
DISOWNED = "disowned"
#: The heads are kept of so many of the latest epochs, as long as they take so much together; an older one is still
#: known, without an end.
_KEPT_HEADS = 1000
_KEPT_BYTES = 4 * 1024 * 1024


def heads_text(heads: Mapping[int, int]) -> str:
    """The heads of all logs, as a row of table epochs has them."""
    return orjson.dumps({str(log_id): index for log_id, index in heads.items()}).decode()


@lru_cache(maxsize=4)
def _heads_in(text: str) -> Mapping[str, object]:
    """The inverse of `heads_text`; nothing where it has rotted. Kept, for a node that comes asks of every log."""
    try:
        heads = orjson.loads(text)
    except ValueError:
        return {}
    return heads if isinstance(heads, dict) else {}


def write_epoch(connection: apsw.Connection, epoch: bytes, heads: str) -> None:
    """Writes an epoch's row, in the caller's transaction; `heads` are those before its first entry, or `DISOWNED`."""
    connection.execute("INSERT INTO epochs (epoch, heads) VALUES (?, ?)", (epoch, heads))
    connection.execute(
        "UPDATE epochs SET heads = '' WHERE heads NOT IN ('', ?1) AND ordinal IN ("
        "SELECT ordinal FROM (SELECT ordinal, sum(length(heads)) OVER latest AS size, row_number() OVER latest AS place"
        " FROM epochs WINDOW latest AS (ORDER BY ordinal DESC)) WHERE place > ?2 OR (size > ?3 AND place > 1))",
        (DISOWNED, _KEPT_HEADS, _KEPT_BYTES),
    )


class Epochs:
    """The epochs of one open log. `own` is this opening's; `has_begun` says whether it has appended anything."""

    def __init__(self, own: bytes, has_begun: Callable[[], bool], disown: Callable[[bytes], None]) -> None:
        self._own = own
        self._has_begun = has_begun
        self._disown = disown
        self._heads_after: dict[bytes, str] = {}
        self._first_heads = ""
        self._last = b""
        self._disowned: set[bytes] = set()

    def opened(self, rows: Sequence[tuple[bytes, str]], heads_now: Mapping[int, int]) -> None:
        """Takes what a reading of the journal has found: its rows of epochs, in order, and the heads of all logs."""
        self._heads_after.clear()
        self._disowned = {epoch for epoch, heads in rows if heads == DISOWNED}
        self._last = next((epoch for epoch, heads in reversed(rows) if heads != DISOWNED), b"")
        following = heads_text(heads_now)
        # Without rows this opening begins the first, if it appends anything.
        self._first_heads = rows[0][1] if rows else following
        for epoch, heads in reversed(rows):
            is_known = heads not in ("", DISOWNED)
            self._heads_after[epoch] = following if is_known else ""
            following = heads if is_known else following

    @property
    def current(self) -> bytes:
        """The epoch to tell to nodes, in which the heads are: b"" for none.

        While this opening has appended nothing that is the one before. A node that heard of the heads without an epoch,
        or kept an earlier one, would pass for one that knows more than the log had then.
        """
        if self._has_begun():
            return self._own
        return b"" if self._last in self._disowned else self._last

    def is_own(self, epoch: bytes) -> bool:
        """True when an epoch is this opening's."""
        return epoch == self._own

    def knows(self, epoch: bytes) -> bool:
        """True when an epoch that a node has heard of is one of this log's."""
        return epoch in self._heads_after or epoch == self._own

    def end(self, epoch: bytes | None, log_id: int) -> int | None:
        """The last index that a log had in an epoch, or (None) before the first; None when that is not known, or not
        over.
        """
        text = self._first_heads if epoch is None else self._heads_after.get(epoch, "")
        if not text or epoch == self._own or epoch in self._disowned:
            return None
        index = _heads_in(text).get(str(log_id))
        return index if isinstance(index, int) else None

    def is_disowned(self, epoch: bytes) -> bool:
        """True when a person decided that what nodes heard in an epoch beyond this log does not count."""
        return epoch in self._disowned

    def disown(self, epoch: bytes) -> None:
        """Disown entries that nodes heard in an epoch beyond this log: a person decided so. *Blocks.*"""
        if epoch not in self._disowned:
            self._disown(epoch)
            self._heads_after.setdefault(epoch, "")
            self._disowned.add(epoch)
