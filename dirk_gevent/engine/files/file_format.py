"""The format that a database's file carries, so that no release takes a later one's file for a damaged one.

It is SQLite's `user_version` of the file. Files of releases before 2.2.0 carry none (0). Those of any earlier release
are read as they are, and carry this one's from then on.
"""

from __future__ import annotations

from contextlib import suppress

import apsw

from dirk_gevent.engine.errors.faults import StorageFault

#: The format of a database's file and of a node's directory. Raised when an earlier release could not use the files,
#: or would apply entries to them by its own rules. Directories of 2.0.0 have none, those of 2.1.0 format 2, those of
#: 2.2.0 format 3, as its files.
FORMAT = 4


def later_release(found: int, known: int = FORMAT) -> str:
    """The sentence about a file, or a directory, of a later format than the one that is `known`."""
    return f"a later release of DirkDB wrote it (format {found}, this one reads {known}): start that one"


def check_format(connection: apsw.Connection, name: str) -> None:
    """StorageFault when the file `name` is a later release's; apsw errors when it cannot be read."""
    version = connection.pragma("user_version")
    if version > FORMAT:
        raise StorageFault(ValueError(later_release(version)), name)


def take_over_file(connection: apsw.Connection) -> None:
    """Convert a file of an earlier release to this one's format; apsw errors when it cannot be written."""
    if connection.pragma("user_version") < FORMAT:
        # Where there is no room the next start does it: the file is read either way.
        with suppress(apsw.FullError):
            connection.pragma("user_version", FORMAT)
