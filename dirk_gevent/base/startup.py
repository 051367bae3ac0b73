"""The start of every program: a way to say that it can't."""

from __future__ import annotations

import gc
import sys

#: How long a native thread that runs Python may keep the interpreter's lock from the hub once the hub wants it.
_SWITCH_SECONDS = 0.0005
#: New objects between two looks of the garbage collector: a look at so many takes some 0.2 ms.
_COLLECT_AFTER_OBJECTS = 2_000


class CannotStartError(Exception):
    """The program can't begin: `str()` is the one sentence for stderr, the exit status is 2."""


def give_way_to_hub() -> None:
    """Bound what the interpreter itself keeps from the hub: its lock, held by native threads, and full collections.

    What is there when serving begins (modules, grammar tables) stays for good: collections no longer look at it, which
    took tens of milliseconds each time.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS)


def plain_reason(error: OSError) -> str:
    """The system's reason for an error, in lower case and without its number: `connection refused`."""
    reason = error.strerror or str(error)
    return reason.lower() if reason else type(error).__name__
