"""True when another program writes to the files of a node's databases."""

from __future__ import annotations

from collections.abc import Iterable

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine


class FileWatch:
    """The look of each database's file when DirkDB had written to it last, and its applied index then."""

    def __init__(self, engine: Engine) -> None:
        self._directory = engine.directory
        self._files: dict[int, tuple[int, tuple[int, ...]]] = {}

    def note(self, database: Database) -> None:
        """Remember what a database's file looks like, now that DirkDB has written to it."""
        self._files[database.log_id] = database.applied_index, self._directory.signature(database.log_id)

    def is_touched(self, database: Database) -> bool:
        """True when a file has changed since it was looked at last though nothing was applied.

        What DirkDB writes besides (a WAL cut, a large transaction rolled back) looks alike, and costs a comparison.
        """
        before = self._files.get(database.log_id)
        self.note(database)
        after = self._files[database.log_id]
        return before is not None and before != after and before[0] == after[0]

    def keep_only(self, logs: Iterable[int]) -> None:
        """Forget the databases that are gone."""
        self._files = {log: self._files[log] for log in self._files.keys() & set(logs)}
