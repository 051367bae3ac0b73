"""The directory of a log or a node is made with all that is above it, however deep it lies."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from dirk_gevent.log import directory

_DEEP, _CALLS = 60, 50


def test_a_directory_is_made_however_deep_it_lies(tmp_path: Path) -> None:
    """Python lets nothing call itself a thousand times, and a path has room for two thousand directories."""
    deep, limit = tmp_path.joinpath(*["x"] * _DEEP), sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + _CALLS)
    try:
        for _ in range(2):
            directory.make_directory(deep)
    finally:
        sys.setrecursionlimit(limit)
    assert deep.is_dir()
