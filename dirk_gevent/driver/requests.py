"""The requests and statements of a session: a request under its id, the answer to it, and the failures on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dirk_gevent.driver.answers import Cell, End, Page
from dirk_parser.lexical import rules
from dirk_parser.lexical.repetition import repeated

#: Values for ``?`` (a sequence) or ``$name`` (a mapping).
Args = Sequence[Cell] | Mapping[str, Cell]

#: First words of statements that change nothing in the cluster, so that they may run twice.
_REPEATABLE_WORDS = frozenset(
    {"alaivo", "select", "asehoy", "show", "lazao", "describe", "hazavao", "explain", "adikao", "translate"}
    | {"sanda", "values", "ampiasao", "use", "safidio", "set", "atombohy", "begin"}
)
_WITH_WORDS = frozenset({"miaraka", "with"})
#: What a statement that begins with WITH holds, maybe in a string only, when it changes something.
_CHANGE_WORD = re.compile(r"\b(manampia|insert|havaozy|update|fafao|delete|replace)\b", re.IGNORECASE)
_COMMIT_WORDS = frozenset({"tehirizo", "commit", "end"})
_BEFORE_WORD = repeated(rf"[\s(]|{rules.DECORATION}|{rules.COMMENT}")
_FIRST_WORD = re.compile(rf"{_BEFORE_WORD}([^\W\d]\w*)", re.DOTALL)


def first_word(statement: str) -> str:
    """The word a statement begins with behind its comments, casefolded; empty when it begins with none."""
    match = _FIRST_WORD.match(statement)
    return match.group(1).casefold() if match else ""


def is_commit(statement: str) -> bool:
    """True when a statement ends a transaction for good."""
    return first_word(statement) in _COMMIT_WORDS


class SessionError(Exception):
    """A failure on the way to the server: `key` names its sentence in `catalogue.client`, `params` fill it."""

    def __init__(self, key: str, sqlstate: str, **params: str) -> None:
        super().__init__(f"{key} ({sqlstate}) {params}")
        self.key = key
        self.sqlstate = sqlstate
        self.params = params


class UnreachableError(SessionError):
    """No connection could be made for as long as the session's patience lasts. Nothing was sent."""


class LostError(SessionError):
    """The connection was lost and the statement was not repeated; the key says what that means for it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One statement under its request id: what is sent again is this, the same bytes each time. The other side of the
    wire has it as `server.session.Request`.

    `log_id` is the log of the database whose transaction it is said in, None outside one.
    """

    request_id: str
    statement: str
    args: Args | None
    log_id: int | None = None

    @property
    def first_word(self) -> str:
        """As `first_word` says."""
        return first_word(self.statement)

    @property
    def is_repeatable(self) -> bool:
        """True when running it twice does no harm. Told by its first word; in doubt, no."""
        if self.first_word in _WITH_WORDS:
            return _CHANGE_WORD.search(self.statement) is None
        return self.first_word in _REPEATABLE_WORDS

    @property
    def is_commit(self) -> bool:
        """True when it ends a transaction for good."""
        return is_commit(self.statement)

    @property
    def is_settled_by_id(self) -> bool:
        """True when it is a COMMIT that may be said again outside its transaction, to learn how it ended."""
        return self.is_commit and self.log_id is not None


class Answer:
    """A statement's answer: iterate for the pages, then `end` says how it ended.

    `asked_at_seconds` is when the statement was given to the session, on the monotonic clock. An exception that came
    while a part was taken (a signal's) may have lost that part: the answer then gives nothing more but LostError.
    """

    def __init__(self, parts: Iterator[Page | End], asked_at_seconds: float) -> None:
        self.asked_at_seconds = asked_at_seconds
        self._parts = parts
        self._end: End | None = None
        self._is_taking = False
        self._is_dropped = False

    def __iter__(self) -> Iterator[Page]:
        while (page := self.take()) is not None:
            yield page

    def take(self) -> Page | None:
        """The next page; None when all have come. Raises LostError: those that came are void."""
        if self._is_dropped:
            raise LostError("client_interrupted", "57014")
        return self._next()

    def drop(self) -> None:
        """Read it to its end for nobody: who takes more of it gets LostError. Raises LostError."""
        if self._end is None:
            self._is_dropped = True
            while self._next() is not None:
                pass

    def _next(self) -> Page | None:
        if self._end is not None:
            return None
        if self._is_taking:
            raise LostError("client_interrupted", "57014")
        self._is_taking = True
        part = next(self._parts, None)
        if part is None:
            raise LostError("client_interrupted", "57014")
        if isinstance(part, End):
            self._end = part
            return None
        self._is_taking = False
        return part

    @property
    def is_read(self) -> bool:
        """True when all of it has come."""
        return self._end is not None

    @property
    def end(self) -> End:
        """How it ended; reads past the pages that were not asked for. Raises LostError."""
        while self._end is None:
            self.take()
        return self._end


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The effect of giving up a statement: whether a write's outcome is now unknown, and a transaction lost."""

    request: Request
    is_outcome_unknown: bool
    lost_transaction: bool
