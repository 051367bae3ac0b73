"""A connection's session, and one request of it read from its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.protocol.metadata import MetadataError, split_metadata
from dirk_gevent.protocol.splitter import is_blank
from dirk_gevent.server.admission import AdmissionSlots
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import Args, Value

LANGUAGES = ("mg", "fr", "en")
#: Logs that a session remembers before it asks which of them are still there.
FEW_INDEXES = 64
READ_LEVELS = ("any", "session", "strong")
_NO_MINIMUM: dict[int, int] = {}
_NO_METADATA: dict[str, Any] = {}
_MAX_WHOLE = 2**63
#: Digits of the largest log id there can be, with room.
_LOG_ID_DIGITS = 18


class OpenTransaction(Protocol):
    """A session's transaction between BEGIN and COMMIT or ROLLBACK."""

    def close(self) -> None:
        """The session is over: nothing of it is kept."""


@dataclass(slots=True)
class Session:
    """A connection's choices and what it has seen: database, language, and the log indexes it must not go behind; on
    the server's side of the wire (`driver.session.Session` is on the client's).

    `indexes` maps a log id to the highest index this session has read or written; it never goes down.
    `log_id` is that of `database`, 0 (the system database) while none is chosen. `transaction` is there from BEGIN
    until COMMIT or ROLLBACK, also while it is aborted. `slots` is where its running request has its slot, if it has
    one.
    """

    language: str
    database: str | None = None
    log_id: int = 0
    indexes: dict[int, int] = field(default_factory=dict)
    most_indexes: int = FEW_INDEXES
    transaction: OpenTransaction | None = None
    slots: AdmissionSlots | None = None

    @contextmanager
    def place_lent(self, waiting: AbstractContextManager[None]) -> Iterator[None]:
        """The time in which its request waits for the log: others have its place, and it has one of `waiting`.

        Raises what entering that raises, too_many_requests. One inside a transaction has no place: what was begun goes
        on in any case.
        """
        if self.slots is None:
            yield
            return
        with self.slots.lent(), waiting:
            yield

    def saw(self, log_id: int, index: int) -> None:
        """Remember that the session has seen a log's state at `index`, and with it that the log was made."""
        indexes = self.indexes
        if index > indexes.get(log_id, -1):
            if log_id > indexes.get(SYSTEM_LOG_ID, 0):
                # A log's number is the index of the entry that made it.
                indexes[SYSTEM_LOG_ID] = log_id
            indexes[log_id] = index

    def forget_gone(self, is_there: Callable[[int], bool]) -> None:
        """Let go of the logs of dropped databases, now and then: a connection may live longer than thousands."""
        if len(self.indexes) > self.most_indexes:
            self.indexes = {log_id: index for log_id, index in self.indexes.items() if is_there(log_id)}
            self.most_indexes = max(FEW_INDEXES, 2 * len(self.indexes))

    def use(self, database: str, log_id: int) -> None:
        """Make `database` the current one."""
        self.database = database
        self.log_id = log_id


@dataclass(slots=True)
class Request:
    """One statement with what its metadata comment asked (`protocol.md`, request fields), as it came over the wire from
    a `driver.requests.Request` or anybody else. Never changed once made
    (it is not frozen because a frozen dataclass costs three times as much to make, and every request makes one).

    `raw` is the statement's own bytes without the comment; `has_meta` says that the answer gains a META line;
    `segment` is all that came with it from the network, when that was this statement and nothing else. `is_empty`: it
    holds no statement, but comments.
    """

    raw: bytes
    text: str
    has_meta: bool = False
    request_id: str | None = None
    database: str | None = None
    minimum: Mapping[int, int] = field(default_factory=lambda: _NO_MINIMUM)
    read: str = "session"
    args: Args = ()
    trace: str | None = None
    language: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: _NO_METADATA)
    segment: bytes | None = None
    is_empty: bool = False


def spoken(session: Session, request: Request | None) -> str:
    """The language of one request's answer: its own `lang`, which holds for it alone, else the session's."""
    return (request.language if request is not None else None) or session.language


def parse_request(statement: bytes) -> Request:
    """Read one statement's bytes.

    Raises SqlError: metadata_invalid (42601), encoding_invalid (22021, not UTF-8 or a NUL), argument_invalid
    (22023, a metadata field of the wrong kind).
    """
    try:
        metadata, raw = split_metadata(statement)
    except MetadataError as error:
        raise SqlError("metadata_invalid", detail=str(error)) from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SqlError("encoding_invalid", offset=error.start) from error
    if "\0" in text:
        raise SqlError("encoding_invalid", offset=text.index("\0"))
    if metadata is None:
        return Request(raw, text, minimum=_NO_MINIMUM, metadata=_NO_METADATA, is_empty=is_blank(raw))
    return Request(
        raw,
        text,
        has_meta=True,
        request_id=_string(metadata, "id"),
        database=_string(metadata, "db"),
        minimum=_minimum(metadata.get("min")),
        read=_choice(metadata, "read", READ_LEVELS, "session"),
        args=as_args(metadata["args"]) if "args" in metadata else (),
        trace=_string(metadata, "trace"),
        language=_choice(metadata, "lang", LANGUAGES, None),
        metadata=metadata,
        is_empty=is_blank(raw),
    )


def without_what_is_wrong(statement: bytes) -> Request | None:
    """A request that `parse_request` refuses, as far as its answer hangs on it: in which language, and with META.

    None for one without metadata.
    """
    try:
        metadata, _ = split_metadata(statement)
    except MetadataError:
        return None
    if metadata is None:
        return None
    language, database = metadata.get("lang"), metadata.get("db")
    return Request(
        b"",
        "",
        has_meta=True,
        language=language if language in LANGUAGES else None,
        database=database if isinstance(database, str) and "\0" not in database else None,
    )


def _string(metadata: Mapping[str, Any], name: str) -> str | None:
    value = metadata.get(name)
    if value is None or (isinstance(value, str) and "\0" not in value):
        return value
    raise SqlError("argument_invalid", field=name)


def _choice(metadata: Mapping[str, Any], name: str, choices: tuple[str, ...], default: Any) -> Any:
    value = metadata.get(name, default)
    if value is default or value in choices:
        return value
    raise SqlError("argument_invalid", field=name)


def _minimum(value: Any) -> Mapping[int, int]:
    if not value and (value is None or value == {}):
        return _NO_MINIMUM
    if isinstance(value, dict) and all(_is_log_id(k) and type(v) is int for k, v in value.items()):
        return {int(k): v for k, v in value.items()}
    raise SqlError("argument_invalid", field="min")


def _is_log_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LOG_ID_DIGITS


def as_args(value: Any) -> Args:
    """A request's `args` as values to bind. Raises argument_invalid, encoding_invalid."""
    if isinstance(value, dict):
        return {name: _value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_value(item) for item in value)
    raise SqlError("argument_invalid", field="args")


def _value(item: Any) -> Value:
    if isinstance(item, bool):
        return int(item)
    if isinstance(item, str):
        if "\0" in item:
            raise SqlError("encoding_invalid", offset=item.index("\0"))
        return item
    if isinstance(item, int) and not -_MAX_WHOLE <= item < _MAX_WHOLE:
        return float(item)
    if item is None or isinstance(item, int | float):
        return item
    raise SqlError("argument_invalid", field="args")
