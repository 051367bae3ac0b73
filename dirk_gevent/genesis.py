"""Which log a node follows: the log's genesis in a file of the node's data directory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dirk_gevent.engine.files import fsync_directory

#: Name of the file.
GENESIS_FILE = "dirk.genesis"


def followed_log(directory: Path) -> bytes | None:
    """The genesis of the log that the node with this directory follows; None when it never followed one."""
    with suppress(FileNotFoundError, ValueError):
        return bytes.fromhex((directory / GENESIS_FILE).read_text().strip())
    return None


def keep_followed_log(directory: Path, genesis: bytes) -> None:
    """Note which log is followed; survives a power cut when it returns. Raises OSError."""
    if followed_log(directory) != genesis:
        path = directory / GENESIS_FILE
        partial = path.with_suffix(".partial")
        partial.write_text(genesis.hex() + "\n")
        partial.rename(path)
        fsync_directory(directory)
