"""Native threads for what blocks in C, called from greenlets as if it were ordinary code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

_Result = TypeVar("_Result")


class _Caught(Generic[_Result]):
    """The end of a call: a value, or the exception it ended with."""

    __slots__ = ("_error", "_value")

    def __init__(self, value: _Result | None, error: BaseException | None) -> None:
        self._value = value
        self._error = error

    def result(self) -> _Result:
        """The value; raises the exception there was instead."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


class ThreadCall(Generic[_Result]):
    """A task under way on a native thread."""

    def __init__(self, pending: AsyncResult[_Caught[_Result]]) -> None:
        self._pending = pending

    def wait(self, timeout_seconds: float) -> bool:
        """True when it has ended, after waiting for at most that long."""
        self._pending.wait(timeout_seconds)
        return bool(self._pending.ready())

    def result(self) -> _Result:
        """Its result, or its exception raised here. Blocks until it has ended."""
        caught = self._pending.get()
        assert caught is not None
        return caught.result()


class NativeThreads:
    """At most `size` native threads, made when they are needed.

    gevent's own pool prints the traceback of whatever a task raises, expected or not: here exceptions travel as
    values and are raised only where the caller waits.
    """

    def __init__(self, size: int) -> None:
        self._pool = ThreadPool(size)

    def call(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run `function` on a thread and give its result or raise its exception. Blocks this greenlet alone."""
        caught: _Caught[_Result] = self._pool.apply(_catch, (function, arguments))
        return caught.result()

    def start(self, function: Callable[..., _Result], *arguments: object) -> ThreadCall[_Result]:
        """Begin `function` on a thread; the `ThreadCall` says when it has ended and how."""
        return ThreadCall(self._pool.spawn(_catch, function, arguments))

    def begin(self, function: Callable[..., object], *arguments: object) -> None:
        """Run `function` on a thread and forget it; its exceptions are dropped (it reports by its effects)."""
        self._pool.spawn(_catch, function, arguments)

    def join(self) -> None:
        """Wait until no task runs."""
        self._pool.join()

    def end(self) -> None:
        """Wait until no task runs, and end the threads."""
        self._pool.join()
        self._pool.kill()


def _catch(function: Callable[..., _Result], arguments: tuple[object, ...]) -> _Caught[_Result]:
    try:
        return _Caught(function(*arguments), None)
    except BaseException as error:
        return _Caught(None, error)
