"""The format that a database's file carries, so that no release takes a later one's file for a damaged one.

It is SQLite's `user_version` of the file. Files of releases before 2.1.0 carry none (0), and are read as they are.
"""

from __future__ import annotations

import apsw

from dirk_gevent.engine.faults import StorageFault

#: Raised, with that of the directory (`takeover.FORMAT`), when an earlier release could not use the files.
FORMAT = 2


def later_release(found: int, known: int = FORMAT) -> str:
    """What is said of a file, or a directory, of a later format than the one that is `known`."""
    return f"a later release of DirkDB wrote it (format {found}, this one reads {known}): start that one"


def check_format(connection: apsw.Connection, name: str) -> None:
    """StorageFault when the file `name` is a later release's; apsw errors when it cannot be read."""
    found = connection.pragma("user_version")
    if found > FORMAT:
        raise StorageFault(ValueError(later_release(found)), name)
