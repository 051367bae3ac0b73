"""PEP 249's exceptions, and which of them a SQLSTATE is."""

from __future__ import annotations


class Warning(Exception):  # noqa: A001, N818 (the name is PEP 249's)
    """Something to know; the driver raises none."""


class Error(Exception):
    """A failure. `sqlstate` is its SQLSTATE; `line` and `column` (from 1) its place in the statement, if it has one."""

    def __init__(self, message: str, sqlstate: str = "", line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.line = line
        self.column = column


class InterfaceError(Error):
    """The driver was used wrongly: closed already, nothing to fetch."""


class DatabaseError(Error):
    """The server refused the statement, or could not be asked."""


class DataError(DatabaseError):
    """A value that does not fit: out of range, division by zero."""


class OperationalError(DatabaseError):
    """Not the statement's fault: connection, resources, conflict of transactions, outcome unknown."""


class IntegrityError(DatabaseError):
    """A domain, key or check was violated."""


class InternalError(DatabaseError):
    """The server's own mistake."""


class ProgrammingError(DatabaseError):
    """Wrong syntax, unknown names, wrong state of the session."""


class NotSupportedError(DatabaseError):
    """DirkDB does not do this."""


_CLASSES: dict[str, type[DatabaseError]] = {
    "07": ProgrammingError,
    "08": OperationalError,
    "0A": NotSupportedError,
    "21": ProgrammingError,
    "22": DataError,
    "23": IntegrityError,
    "25": ProgrammingError,
    "28": OperationalError,
    "2B": ProgrammingError,
    "3D": ProgrammingError,
    "40": OperationalError,
    "42": ProgrammingError,
    "53": OperationalError,
    "54": OperationalError,
    "55": OperationalError,
    "57": OperationalError,
    "58": OperationalError,
    "XX": InternalError,
}


def error_class(sqlstate: str) -> type[DatabaseError]:
    """The exception of a SQLSTATE, by its class (its first two characters)."""
    return _CLASSES.get(sqlstate[:2], DatabaseError)
