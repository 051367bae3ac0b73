"""Divergences and how each ended: the rows of SHOW CONFLICTS, kept in a file beside the log's journal.

The file is the one memory of who is shut out: a fence stands until the node has put its state aside, whatever is
restarted in between. It is small (ended conflicts past `_KEPT` go), written whole, fsynced, renamed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from dirk_gevent.base.files import write_durably
from dirk_gevent.log.directory import said_unavailable
from dirk_gevent.loop.threads import NativeThreads
from dirk_parser.errors import SqlError

#: Name of the file in the log's directory.
CONFLICTS_FILE = "conflicts.json"
#: Ended conflicts that are remembered.
_KEPT = 500


class Cause(StrEnum):
    """How it was found out that two parts do not agree."""

    OUTCOME = "outcome"
    CONTENT = "content"
    HISTORY = "history"
    COPIED_NODE = "copied node"
    OLDER_LOG = "older log"
    OTHER_LOG = "other log"
    COPIED_LOG = "copied log"
    DAMAGED_LOG = "damaged log"
    WENT_BACK = "log went back"
    DAMAGED = "damaged file"
    ASKED = "asked"


class Status(StrEnum):
    """Where a conflict stands.

    UNDECIDED: no write is taken until a replay or a person has decided. FENCED: the node is shut out and has not put
    its state aside yet. KEPT: it has, and takes the log's state. HEALED: it is level again. EVICTED: a person shut it
    out until it is seeded again. ENDED: it was decided otherwise, or what it was about is gone.
    """

    UNDECIDED = "undecided"
    FENCED = "fenced"
    KEPT = "kept aside"
    HEALED = "healed"
    EVICTED = "evicted"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ConflictSubject:
    """Who disagrees about what: a node ('': none), a database and its log (None: the whole log), and the index."""

    node: str
    database: str
    log_id: int | None
    index: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """One conflict. `log_id` is None when it is about the whole log; `digest` is the node's and `right` the one it is
    measured against (hex; hashes of outcome, content or history by `cause`, empty when there is none).

    `kept` and `kept_sql` are paths on the node's machine: its own state as a database file and as statements.
    """

    number: int
    when_ms: int
    node: str
    database: str
    log_id: int | None
    index: int
    cause: Cause
    status: Status
    digest: str = ""
    right: str = ""
    kept: str = ""
    kept_sql: str = ""


class DivergenceRegistry:
    """All conflicts of one log, oldest first. `add` and `change` return once it is on the disk (they block).

    SqlError `log_damaged` when its file is not what this program writes, `log_unavailable` when it cannot be read.

    `failed` is told of an error of the disk; the conflict is then remembered in memory, and written with the next.
    """

    def __init__(self, directory: Path, failed: Callable[[str, BaseException], None]) -> None:
        self._path = directory / CONFLICTS_FILE
        self._failed = failed
        self._threads = NativeThreads(1)
        try:
            with said_unavailable():
                self._found: dict[int, Conflict] = {conflict.number: conflict for conflict in _read(self._path)}
        except (ValueError, TypeError, KeyError) as error:
            raise SqlError("log_damaged", path=str(self._path), reason=str(error)) from error
        self._next = max(self._found, default=0) + 1

    def all(self) -> list[Conflict]:
        """Every conflict, oldest first."""
        return list(self._found.values())

    def having(self, *statuses: Status) -> list[Conflict]:
        """Those with one of these statuses."""
        return [conflict for conflict in self._found.values() if conflict.status in statuses]

    def find(self, node: str, log_id: int | None, *statuses: Status) -> Conflict | None:
        """The newest one of a node and a log with one of these statuses."""
        same = [conflict for conflict in self.having(*statuses) if (conflict.node, conflict.log_id) == (node, log_id)]
        return same[-1] if same else None

    def add(
        self,
        subject: ConflictSubject,
        cause: Cause,
        status: Status,
        digests: tuple[bytes, bytes] = (b"", b""),
    ) -> Conflict:
        """A conflict that has just been found."""
        conflict = Conflict(
            number=self._next,
            when_ms=time.time_ns() // 1_000_000,
            node=subject.node,
            database=subject.database,
            log_id=subject.log_id,
            index=subject.index,
            cause=cause,
            status=status,
            digest=digests[0].hex(),
            right=digests[1].hex(),
        )
        self._next += 1
        self._found[conflict.number] = conflict
        self._save()
        return conflict

    def change(self, number: int, **fields: Any) -> None:
        """Note what became of a conflict; nothing happens to one that is forgotten."""
        conflict = self._found.get(number)
        if conflict is None or (changed := replace(conflict, **fields)) == conflict:
            return
        self._found[number] = changed
        self._save()

    def remove(self, number: int) -> None:
        """Forget a conflict that proved to be none."""
        if self._found.pop(number, None) is not None:
            self._save()

    def _save(self) -> None:
        ended = [conflict.number for conflict in self.having(Status.HEALED, Status.ENDED)]
        for number in ended[:-_KEPT]:
            del self._found[number]
        written = orjson.dumps([asdict(conflict) for conflict in self._found.values()], option=orjson.OPT_INDENT_2)
        try:
            self._threads.call(write_durably, self._path, written)
        except OSError as error:
            self._failed("conflicts_not_written", error)


def _read(path: Path) -> list[Conflict]:
    """The file's conflicts; none when there is no file. Raises ValueError for a file that is none of ours."""
    if not path.exists():
        return []
    conflicts = []
    for fields in orjson.loads(path.read_bytes()):
        fields["cause"], fields["status"] = Cause(fields["cause"]), Status(fields["status"])
        conflicts.append(Conflict(**fields))
    return conflicts


def shut_out(directory: Path, node: str) -> list[tuple[str, str]]:
    """Databases of a node that are shut out and not put aside yet, with the cause, as the log in `directory` has it."""
    try:
        conflicts = _read(directory / CONFLICTS_FILE)
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [
        (conflict.database, conflict.cause)
        for conflict in conflicts
        if conflict.node == node and conflict.status is Status.FENCED
    ]
