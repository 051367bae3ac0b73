"""A trace function for the calling thread alone."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def traced(trace: Callable[[FrameType, str, Any], Any]) -> Iterator[None]:
    """`sys.settrace(trace)` for the body.

    No garbage is collected meanwhile: it would be in whichever thread allocates next, and a generator that it closes
    there has a traced frame in a thread without a trace function, which ends Python 3.12.1 with a segmentation fault
    (`sys_trace_instruction_func` in its Python/legacy_tracing.c calls a null pointer).
    """
    before, collects = sys.gettrace(), gc.isenabled()
    gc.disable()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        if collects:
            gc.enable()
