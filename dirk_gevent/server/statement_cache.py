"""From a statement's text to its template and route, on the hub or, for a long text, on a native thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dirk_gevent.loop.threads import NativeThreads
from dirk_parser.grammar.route import Route
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement
from dirk_parser.normalize.normalizer import split, split_large_insert
from dirk_parser.plan.bind import check_surplus

#: Texts up to this length are remembered whole: programs repeat themselves to the letter.
_REMEMBERED_CHARACTERS = 512
_REMEMBERED_TEXTS = 8192
#: Longer texts could hold the hub for more than a few milliseconds.
HUB_CHARACTERS = 16 * 1024
#: Inserts of plain rows could not: up to here they cost less than two hand-overs to a thread would delay them.
_HUB_ROWS_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """A statement as it is understood without a schema."""

    normalized: NormalizedStatement
    route: Route


class StatementCache:
    """The parser as services use it. Raises SqlError for text that is no statement."""

    def __init__(self) -> None:
        self._statements = Statements()
        self._threads = NativeThreads(1)
        self._remembered = lru_cache(maxsize=_REMEMBERED_TEXTS)(self._parse)

    def parse(self, text: str, args: Args = ()) -> ParsedStatement:
        """Template and route of a statement. Blocks this greenlet (not the hub) for a long one.

        Raises surplus_argument (07001) when it does not take all `args`.
        """
        parsed = self._cached(text)
        if args:
            template = parsed.normalized.template
            if len(template) <= HUB_CHARACTERS:
                check_surplus(template, args)
            else:
                self._threads.call(check_surplus, template, args)
        return parsed

    def _cached(self, text: str) -> ParsedStatement:
        if len(text) <= _REMEMBERED_CHARACTERS:
            return self._remembered(text)
        if len(text) <= HUB_CHARACTERS:
            return self._parse(text)
        normalized = split_large_insert(text) if len(text) <= _HUB_ROWS_CHARACTERS else None
        if normalized is not None and len(normalized.template) <= HUB_CHARACTERS:
            return ParsedStatement(normalized, self._statements.route(normalized))
        return self._threads.call(self._parse, text)

    def _parse(self, text: str) -> ParsedStatement:
        normalized = split(text)
        return ParsedStatement(normalized, self._statements.route(normalized))
