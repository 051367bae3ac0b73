"""Reasons that keep a log from taking writes, and their ends."""

from __future__ import annotations

from collections.abc import Iterator

from dirk_parser.errors import SqlError

#: Blocks that are about the log, not about the masters.
_LOG_LACKS = ("log_older_than_node", "log_went_back", "log_unknown_to_node", "log_copied")


class WriteBlocks:
    """The blocks of one coordinator's logs: each stands until its own key is taken off again."""

    def __init__(self) -> None:
        #: By log (None: all logs), then by key, the newest last: what ends one leaves the others.
        self._blocked: dict[int | None, dict[str, SqlError]] = {}

    def check(self, log_id: int) -> None:
        """Raises the SqlError (57P03) that blocks writes to this log, if any."""
        if self._blocked and (error := next(self._blocking(log_id), None)) is not None:
            raise SqlError(error.key, **error.params)

    def undecided(self, log_id: int, *besides: str) -> SqlError | None:
        """The reason that blocks this log until it is known which state counts; None when nothing does, or only a
        restore or one of the keys in `besides`.
        """
        return next((error for error in self._blocking(log_id) if error.key not in ("restoring", *besides)), None)

    def lacking(self, log_id: int) -> SqlError | None:
        """The reason to think that this log holds less than was written; None when there is none."""
        return next((error for error in self._blocking(log_id) if error.key in _LOG_LACKS), None)

    def has(self, log_id: int, key: str) -> bool:
        """True when this log alone is blocked by an error of this key."""
        return key in self._blocked.get(log_id, {})

    def block(self, log_id: int | None, error: SqlError) -> None:
        """Take no writes on a log (None: on all) until `unblock` with the key of `error`, which replaces one of it."""
        self.unblock(log_id, error.key)
        self._blocked.setdefault(log_id, {})[error.key] = error

    def unblock(self, log_id: int | None, *keys: str) -> None:
        """Take writes again, if nothing but the errors with these keys blocks them."""
        errors = self._blocked.get(log_id, {})
        for key in keys:
            errors.pop(key, None)
        if not errors:
            self._blocked.pop(log_id, None)

    def _blocking(self, log_id: int) -> Iterator[SqlError]:
        """The reason that blocks this log: what is about it alone first, the newest first."""
        for log in (log_id, None):
            yield from reversed(self._blocked.get(log, {}).values())
