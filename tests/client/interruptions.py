"""Exceptions that come out of the client's own code at a chosen instruction, as a signal's handler raises them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tests.tracing import traced

_FILES = ("/dirk_gevent/client/", "/contextlib.py")


class Interruption(BaseException):
    """What a signal's handler raises: no error of the driver, and no Exception."""


class Countdown:
    """Raises `Interruption` at the `left`th instruction of the client's code, once."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not any(part in frame.f_code.co_filename for part in _FILES):
            return None
        frame.f_trace_opcodes = True
        return self._local

    def _local(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                raise Interruption
        return self._local


@contextmanager
def interrupted_at(instruction: int) -> Iterator[None]:
    """The body's client code is left by an `Interruption` at this instruction (counted from 1; never when 0)."""
    with traced(Countdown(instruction)):
        yield
