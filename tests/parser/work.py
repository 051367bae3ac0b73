"""How much work a call is: the bytecodes that Python runs for it, which no other process on the machine changes."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.tracing import traced


def bytecodes(call: Callable[[], object]) -> int:
    """How many bytecodes run until `call` returns, those of what it calls included."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return trace

    with traced(trace):
        call()
    return count
