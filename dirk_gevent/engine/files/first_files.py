"""The first DirkDB's files in a node's directory: found and named, never read or changed.

That program kept a folder a database: `<database>/tables/*.json`, beside it `views` and `domains`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dirk_gevent.base.logger import logger
from dirk_gevent.engine.errors.faults import StorageFault

_FOLDERS = ("tables", "views", "domains")
_SHOWN = 3


def look_for_first_files(directory: Path) -> None:
    """StorageFault when a node would show an empty system where the first DirkDB's databases are.

    A directory that holds databases of this DirkDB, too, is used, and a line of the log names the others.
    """
    first_names = sorted(path.name for path in _folders(directory) if _is_first(path))
    if not first_names:
        return
    names = ", ".join(first_names[:_SHOWN]) + (
        f" and {len(first_names) - _SHOWN} more" if len(first_names) > _SHOWN else ""
    )
    sentence = f"holds the first DirkDB's files ({names}), left as they are; this build cannot read them"
    if not any(directory.glob("db-*.sqlite")):
        raise StorageFault(ValueError(f"{sentence}: give the node another dataDirectory"))
    logger("engine").warning("first_files", directory=directory, text=sentence)


def _folders(directory: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in directory.iterdir() if path.is_dir()]
    return []


def _is_first(folder: Path) -> bool:
    with suppress(OSError):
        return any(next((folder / name).glob("*.json"), None) is not None for name in _FOLDERS)
    return False
