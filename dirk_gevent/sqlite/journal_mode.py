"""How SQLite journals a file. The statement that sets it hides a disk's fault: it goes on in the mode that was."""

from __future__ import annotations

import apsw


def set_journal_mode(connection: apsw.Connection, mode: str) -> None:
    """Set the journal mode of the connection's file to `mode` (`wal`, `delete`).

    Raises apsw errors, among them IOError when the file stays in the mode that it has
    (https://www.sqlite.org/pragma.html#pragma_journal_mode: "the original journaling mode will be returned").
    """
    actual = str(connection.execute(f"PRAGMA journal_mode={mode}").fetchall()[0][0])
    if actual != mode:
        raise apsw.IOError(f"the journal mode of the file stays {actual}: it could not be made {mode}")
