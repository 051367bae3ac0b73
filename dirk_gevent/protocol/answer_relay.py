"""A long answer cut, as its bytes arrive, into what can be passed on and the end that holds META."""

from __future__ import annotations

from dirk_gevent.protocol.answer_bytes import RESULT_LINE, is_complete


class AnswerRelay:
    """`feed` returns what may be sent on; when `done`, `tail` is the rest (from the result lines on, META included).

    Only the result lines are ever held, so memory stays at one segment whatever the answer's size.
    """

    __slots__ = ("_held", "_in_tail", "done")

    def __init__(self) -> None:
        self._held = b""
        self._in_tail = False
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Take a segment; give the bytes that can go on to the client now."""
        held = self._held + data
        passed = b""
        if not self._in_tail:
            at = 0 if held.startswith(RESULT_LINE) else held.find(b"\n" + RESULT_LINE) + 1
            if at or held.startswith(RESULT_LINE):
                self._in_tail = True
                passed, held = held[:at], held[at:]
            else:
                keep = min(len(held), len(RESULT_LINE))
                passed, held = held[: len(held) - keep], held[len(held) - keep :]
        self._held = held
        self.done = self._in_tail and is_complete(held)
        return passed

    @property
    def tail(self) -> bytes:
        """The held end of the answer."""
        return self._held
