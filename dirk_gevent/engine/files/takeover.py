"""A node's directory as an earlier release left it, made this one's; and no earlier one's any more.

Release 2.0.0 looks at nothing that could tell it that its directory has been written by a later one. It keeps the
system database in `dirk.sqlite`, and where it cannot open that file it ends at once, with one sentence, and changes
nothing. So that database is `system.sqlite` now, and `dirk.sqlite` a folder. In it is the format's number, by which
every release from 2.1.0 on refuses what a later one wrote.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dirk_gevent.base.files import sync_directory
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.files.file_format import FORMAT, later_release

#: The system database's file.
SYSTEM_FILE = "system.sqlite"
#: Where 2.0.0 has that file; a folder now.
FORMER_FILE = "dirk.sqlite"
_FORMAT_FILE = "format"
_REMARK = "README"
_TEXT = "DirkDB 2.3.0 or a later release has written the data directory that this folder is in. Start that release.\n"


def take_over(directory: Path) -> None:
    """Make a directory, which this process has locked, one of this release. Safe to die in at any step.

    Raises StorageFault when it is one of a later release, or its files cannot be renamed.
    """
    former, present = directory / FORMER_FILE, directory / SYSTEM_FILE
    try:
        if former.is_file() and present.exists():
            # An earlier release began anew while a death had left this half done.
            former.rename(directory / "kept-dirk-former.sqlite")
        elif former.is_file():
            # The WAL first: without its file it is waited for, a file without its WAL would be taken as it is.
            for suffix in ("-wal", ""):
                path = Path(f"{former}{suffix}")
                if path.exists():
                    path.rename(f"{present}{suffix}")
            Path(f"{former}-shm").unlink(missing_ok=True)
    except OSError as error:
        raise StorageFault(error, f"{FORMER_FILE} cannot be renamed") from error
    version = _format(former)
    if version > FORMAT:
        raise StorageFault(ValueError(later_release(version)))
    if version < FORMAT:
        _mark(former)


def _format(folder: Path) -> int:
    with suppress(OSError, ValueError):
        return int((folder / _FORMAT_FILE).read_text(encoding="utf-8"))
    return 0


def _mark(folder: Path) -> None:
    # A full disk is no reason not to start: the next start does it.
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        _write_over(folder / _FORMAT_FILE, f"{FORMAT}\n")
        (folder / _REMARK).write_text(_TEXT, encoding="utf-8")
        sync_directory(folder)
        sync_directory(folder.parent)


def _write_over(path: Path, text: str) -> None:
    """Write a few bytes in place: where an earlier release's number stands, it needs no room."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(descriptor, os.write(descriptor, text.encode()))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
