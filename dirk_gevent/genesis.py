"""Which log a node follows: the log's genesis in a file of the node's data directory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dirk_gevent.log.directory import write_durably

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
        write_durably(directory / GENESIS_FILE, f"{genesis.hex()}\n".encode())
