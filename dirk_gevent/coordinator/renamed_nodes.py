"""Under which id each renamed node goes on: remembered in a file beside the journal.

Each change of the cluster restarts the proxy. Were this in its memory alone, a second copy of a directory, added later,
would count as the renamed node once more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from dirk_gevent.base.files import write_durably
from dirk_gevent.loop.threads import NativeThreads

#: Name of the file in the log's directory.
RENAMED_FILE = "renamed.json"


class RenamedNodes:
    """The id that each renamed node came back with, by the id that it had. No id leads back to itself.

    `failed` is told of an error of the disk; what was to be written is then in memory, and written with the next.
    """

    def __init__(self, directory: Path, failed: Callable[[str, BaseException], None]) -> None:
        self._path = directory / RENAMED_FILE
        self._failed = failed
        self._threads = NativeThreads(1)
        self._heirs = _read(self._path)

    def may_be(self, owner: str, node: str) -> bool:
        """True when no other node than `node` came with the directory of `owner`."""
        return self._heirs.get(owner, node) == node

    def heir(self, node: str) -> str | None:
        """Under which id goes on what had the id `node`; None when it was not renamed."""
        heir = None
        while (heir_of := self._heirs.get(heir or node)) is not None:
            heir = heir_of
        return heir

    def remember(self, owner: str, node: str) -> None:
        """`node` is the one that was `owner`. Blocks until it is remembered."""
        if self._heirs.get(owner) == node and node not in self._heirs:
            return
        self._heirs.pop(node, None)
        self._heirs[owner] = node
        self._save()

    def forget(self, node: str) -> None:
        """Forget the node `node`: another node has its id now. Blocks until it is remembered."""
        if self._heirs.pop(node, None) is not None:
            self._save()

    def _save(self) -> None:
        try:
            self._threads.call(write_durably, self._path, orjson.dumps(self._heirs))
        except OSError as error:
            self._failed("renamed_not_written", error)


def _read(path: Path) -> dict[str, str]:
    """The file's ids; none for a file that is not there or none of ours: a start is not refused for it."""
    try:
        renamed = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(renamed, dict):
        return {}
    heirs: dict[str, str] = {}
    for owner, node in renamed.items():
        if isinstance(node, str) and not _leads_to(heirs, node, owner):
            heirs[owner] = node
    return heirs


def _leads_to(heirs: dict[str, str], node: str, wanted: str) -> bool:
    """True when one comes from `node` to `wanted`."""
    while node != wanted and node in heirs:
        node = heirs[node]
    return node == wanted
