"""Which log a node follows: the log's genesis, and the last of its epochs heard, in files of the node's directory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dirk_gevent.base.files import write_durably
from dirk_gevent.loop.threads import NativeThreads

#: Name of the file.
GENESIS_FILE = "dirk.genesis"
#: Name of the file with the last epoch heard (`dirk_gevent.log.epochs`), behind the genesis of the log whose it is.
EPOCH_FILE = "dirk.epoch"


def followed_log(directory: Path) -> bytes | None:
    """The genesis of the log that the node with this directory follows; None when it never followed one."""
    with suppress(FileNotFoundError, ValueError):
        return bytes.fromhex((directory / GENESIS_FILE).read_text().strip())
    return None


def keep_followed_log(directory: Path, genesis: bytes) -> None:
    """Note which log is followed; survives a power cut when it returns. Raises OSError."""
    if followed_log(directory) != genesis:
        write_durably(directory / GENESIS_FILE, f"{genesis.hex()}\n".encode())


def heard_epoch(directory: Path) -> tuple[bytes, bytes] | None:
    """Genesis and epoch that the node with this directory has heard last; None when it has heard none."""
    with suppress(OSError, ValueError):
        genesis, epoch = (directory / EPOCH_FILE).read_text().split()
        return bytes.fromhex(genesis), bytes.fromhex(epoch)
    return None


def keep_heard_epoch(directory: Path, genesis: bytes, epoch: bytes) -> None:
    """Note the epoch heard last; survives a power cut when it returns. Raises OSError."""
    if heard_epoch(directory) == (genesis, epoch):
        return
    write_durably(directory / EPOCH_FILE, f"{genesis.hex()} {epoch.hex()}\n".encode())


class HeardEpoch:
    """The last epoch that a node with this directory heard of: as it was told, and as it is written down."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Of its own: the node takes nothing from the log meanwhile, and others are busy for minutes at times.
        self._thread = NativeThreads(1)
        self._told = self._kept = heard_epoch(directory)

    @property
    def kept(self) -> tuple[bytes, bytes] | None:
        """Genesis and epoch as they are written down."""
        return self._kept

    def hear(self, genesis: bytes, epoch: bytes) -> bool:
        """Take note of an epoch, b"" for none; whether it is news."""
        if not epoch or (genesis, epoch) == self._told:
            return False
        self._told = genesis, epoch
        return True

    def keep(self) -> None:
        """Write down what was told. Blocks this greenlet alone. Raises OSError."""
        genesis = self._told
        if genesis is not None and genesis != self._kept:
            self._thread.call(keep_heard_epoch, self._directory, *genesis)
            self._kept = genesis
