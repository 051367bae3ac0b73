"""Native threads, simulated: a job runs whole, on the hub, at a virtual time that the seed chooses.

Between its asking and its run, and between its run and the moment its caller learns of it, anything else may happen:
other jobs, frames, the death of the process. What a job does happens at one instant.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent.event import AsyncResult, Event

from tests.simulation.loop import Lane, SimLoop

#: Most virtual seconds before a job runs, and before its result is known.
BEFORE_SECONDS, AFTER_SECONDS = 0.000_5, 0.001
#: One job in so many takes a hundred times as long: the machine was busy.
_SLOW_ONE_IN = 20


class SimThreadPool:
    """`gevent.threadpool.ThreadPool`, as far as DirkDB uses it; the loop is set by the world."""

    loop: SimLoop

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self._waiting: deque[_Job] = deque()
        self._running = 0
        self._idle = Event()
        self._idle.set()

    def spawn(self, function: Callable[..., Any], *arguments: Any) -> AsyncResult[Any]:
        """Begin a job; its result is the AsyncResult's."""
        job = _Job(function, arguments, self.loop.current)
        self._waiting.append(job)
        self._idle.clear()
        self._begin()
        return job.result

    def apply(self, function: Callable[..., Any], arguments: tuple[Any, ...] = ()) -> Any:
        """Run a job and wait for its result."""
        return self.spawn(function, *arguments).get()

    def join(self) -> None:
        """Wait until no job runs."""
        self._idle.wait()

    def kill(self) -> None:
        """No thread to end."""

    def _begin(self) -> None:
        while self._waiting and self._running < self.maxsize:
            job = self._waiting.popleft()
            self._running += 1
            wait = self.loop.chance.random() * BEFORE_SECONDS
            self.loop.later(wait, partial(self.loop.call, job.lane, self._run, job))

    def _run(self, job: _Job) -> None:
        value = error = None
        try:
            value = job.function(*job.arguments)
        except BaseException as raised:
            error = raised
        if job.lane.is_dead:
            return
        wait = self.loop.chance.random() * AFTER_SECONDS
        if self.loop.chance.random() * _SLOW_ONE_IN < 1:
            wait *= 100
        self.loop.later(wait, lambda: self.loop.call(job.lane, self._done, job, value, error))

    def _done(self, job: _Job, value: Any, error: BaseException | None) -> None:
        self._running -= 1
        if error is not None:
            job.result.set_exception(error)
        else:
            job.result.set(value)
        self._begin()
        if not self._running and not self._waiting:
            self._idle.set()


class _Job:
    """One call on its way."""

    __slots__ = ("arguments", "function", "lane", "result")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], lane: Lane) -> None:
        self.function = function
        self.arguments = arguments
        self.lane = lane
        self.result: AsyncResult[Any] = AsyncResult()
