"""Pages of an answer, made from rows as SQLite gives them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import orjson

from dirk_gevent.engine.results import PAGE_BYTES, EncodedPage, Row, boolean_positions, converted
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Output

#: Rows taken from SQLite at once while so many are lighter than that together, as JSON.
_ROWS_AT_ONCE = 8
_LIGHT_BYTES = 1024 * 1024


class PageEncoder:
    """Pages of at most `page_rows` rows, `result_bytes` in all (0 = no limit)."""

    def __init__(self, page_rows: int, result_bytes: int) -> None:
        self._page_rows = page_rows
        self._result_bytes = result_bytes
        self._booleans: tuple[int, ...] = ()
        #: Rows that come after the last page; none at the end.
        self._ahead: list[Row] = []
        self._bytes = 0

    @property
    def has_more(self) -> bool:
        """True when rows come after the last page; False before the first."""
        return bool(self._ahead)

    def begin(self, columns: tuple[Output, ...]) -> None:
        """Rows of these columns come."""
        self._booleans = boolean_positions(columns)

    def begin_again(self) -> None:
        """Nothing of what was taken counts."""
        self._ahead, self._bytes = [], 0

    def page(self, cursor: Iterator[Row]) -> EncodedPage:
        """The next page. Raises SqlError result_too_large, and what the cursor raises.

        Rows are taken a few at a time, and weighed; one at a time where they are large. No more than that is ever here
        beside a page's JSON.
        """
        rows: list[Row] = []
        taken_bytes, room = 0, self._page_rows
        ahead = self._ahead or list(islice(cursor, 1))
        while ahead and room and taken_bytes < PAGE_BYTES:
            weight_bytes = len(orjson.dumps(ahead, default=_no_json))
            taken_bytes += weight_bytes
            rows += ahead[:room]
            ahead, room = ahead[room:], self._page_rows - len(rows)
            if not ahead:
                ahead = list(islice(cursor, _ROWS_AT_ONCE if weight_bytes < _LIGHT_BYTES else 1))
        self._ahead = ahead
        encoded = orjson.dumps(converted(rows, self._booleans))
        self._bytes += len(encoded)
        if self._result_bytes and self._bytes > self._result_bytes:
            raise SqlError("result_too_large", limit=self._result_bytes)
        return EncodedPage(encoded, len(rows))


def _no_json(value: bytes) -> str:
    """Stands for a blob while rows are weighed."""
    return value.decode("latin-1")
