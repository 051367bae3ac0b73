"""gevent's event loop, simulated: virtual time, and a seed that decides who runs next.

Every callback, timer and watcher belongs to the simulated process that made it. Inside one process callbacks run in
the order in which they became ready, as in a real loop; which process runs next is drawn from the seed. Time stands
still while anything is ready (but for the cost of each step) and jumps to the next timer when nothing is.

A process that is dead never runs again: what it had ready or waiting is dropped, as `kill -9` would.
"""

from __future__ import annotations

import heapq
import itertools
import sys
from collections import deque
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Any, Self
from zlib import crc32

#: The time when a loop begins.
BEGIN_SECONDS = 1_000.0
#: Virtual time that one callback takes.
STEP_SECONDS = 0.000_02
#: A timer is late by up to this much.
LATE_SECONDS = 0.001


class Lane:
    """The callbacks of one simulated process that are ready, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = crc32(name.encode())
        self.ready: deque[Callback | _Fired] = deque()
        self.is_dead = False
        #: Whether the process has said that it is ready.
        self.is_ready = False
        #: Until when (virtual s) nothing of it runs.
        self.paused_until = 0.0


class Callback:
    """What `run_callback` returns; true while it is pending or runs (gevent asks)."""

    __slots__ = ("args", "callback")

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args: tuple[object, ...] | None = args

    def stop(self) -> None:
        """Do not run."""
        self.callback = None
        self.args = None

    close = stop

    def __bool__(self) -> bool:
        return self.args is not None

    @property
    def pending(self) -> bool:
        """Whether it has yet to run."""
        return self.callback is not None

    def run(self) -> None:
        """Run it, once."""
        callback, args = self.callback, self.args
        if callback is None or args is None:
            return
        self.callback = None
        try:
            callback(*args)
        finally:
            self.args = None


class Watcher:
    """What all watchers share: started with a callback, stopped, closed."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.lane = loop.current
        self.callback: Callable[..., object] | None = None
        self.args: tuple[object, ...] = ()
        self.active = False
        self.pending = False
        self.ref = True
        self.priority = 0
        self._starts = 0

    def start(self, callback: Callable[..., object], *args: object, **_options: object) -> None:
        """Watch from now on; `callback(*args)` when it happens."""
        self.callback, self.args = callback, args
        self.active = True
        self.lane = self.loop.current
        self._starts += 1

    def stop(self) -> None:
        """Watch no more; what is on its way is forgotten."""
        self.callback, self.args = None, ()
        self.active = self.pending = False
        self._starts += 1

    def close(self) -> None:
        """`stop`, for good."""
        self.stop()

    def feed(self) -> None:
        """It happened: the callback becomes ready."""
        if self.active and not self.pending:
            self.pending = True
            self.loop.post(self.lane, _Fired(self, self._starts))

    def happened(self, starts: int) -> None:
        """Run the callback unless the watcher was stopped since it happened."""
        if self.active and starts == self._starts and self.callback is not None:
            self.pending = False
            self.callback(*self.args)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Fired:
    """A watcher's event on its way to its callback."""

    __slots__ = ("_starts", "_watcher")

    def __init__(self, watcher: Watcher, starts: int) -> None:
        self._watcher = watcher
        self._starts = starts

    def run(self) -> None:
        self._watcher.happened(self._starts)


class Timer(Watcher):
    """Happens `after` seconds of virtual time, and then every `repeat` seconds if that is not 0."""

    def __init__(self, loop: SimLoop, after: float, repeat: float) -> None:
        super().__init__(loop)
        self._after = max(0.0, after)
        self._repeat = repeat

    def start(self, callback: Callable[..., object], *args: object, **options: object) -> None:
        """See `Watcher.start`."""
        super().start(callback, *args, **options)
        self.loop.schedule(self._after, self, self._starts)

    def again(self, callback: Callable[..., object], *args: object, **options: object) -> None:
        """Start anew."""
        self.start(callback, *args, **options)

    def due(self, starts: int) -> None:
        """Its time has come (called by the loop)."""
        if self.active and starts == self._starts:
            self.feed()

    def happened(self, starts: int) -> None:
        """See `Watcher.happened`; a timer that does not repeat is no longer active when its callback runs."""
        if not (self.active and starts == self._starts) or self.callback is None:
            return
        callback, args = self.callback, self.args
        self.pending = False
        if self._repeat:
            self.loop.schedule(self._repeat, self, starts)
        else:
            self.stop()
        callback(*args)


class Readiness(Watcher):
    """An io watcher on a simulated socket: `is_ready()` is asked whenever something changed."""

    def __init__(self, loop: SimLoop, sock: Any, events: int) -> None:
        super().__init__(loop)
        self._sock = sock
        self._events = events

    def start(self, callback: Callable[..., object], *args: object, **options: object) -> None:
        """See `Watcher.start`; it happens at once when the socket is ready."""
        super().start(callback, *args, **options)
        self._sock.watchers[id(self)] = self
        self.look()

    def stop(self) -> None:
        """See `Watcher.stop`."""
        super().stop()
        self._sock.watchers.pop(id(self), None)

    def look(self) -> None:
        """Something changed on the socket."""
        if (self._events & 1 and self._sock.is_readable) or (self._events & 2 and self._sock.is_writable):
            self.feed()

    def happened(self, starts: int) -> None:
        """See `Watcher.happened`; as long as it stays active and ready it happens again."""
        super().happened(starts)
        if self.active:
            self.look()


class SimLoop:
    """The loop of a hub that runs in virtual time. `now` is monotonic seconds; `current` whose code runs."""

    MINPRI, MAXPRI = -2, 2
    default = True
    approx_timer_resolution = 0.00001

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"loop {seed}")
        self.world = Lane("world")
        self.current = self.world
        self.time = BEGIN_SECONDS
        self.steps = 0
        #: Which process ran, step by step, folded into one number.
        self.path = 0
        self.sockets: dict[int, Any] = {}
        self.signals: list[tuple[Lane, int, Watcher]] = []
        self.error_handler: Any = None
        self._ready: list[Lane] = []
        self._timers: list[tuple[float, int, Timer | Callable[[], None], int]] = []
        self._numbers = itertools.count()
        self._paused_until = 0.0

    # -- what gevent asks of a loop ---------------------------------------------------------------------------

    def run(self, nowait: bool = False, once: bool = False) -> None:
        """Run until nothing is ready and no timer is left."""
        while (lane := self._next()) is not None:
            item = lane.ready.popleft()
            self.current = lane
            self.steps += 1
            self.time += STEP_SECONDS
            self.path = (self.path * 31 + lane.number) & 0xFFFF_FFFF_FFFF
            try:
                item.run()
            except BaseException:
                self.handle_error(item, *sys.exc_info())

    def run_callback(self, function: Callable[..., object], *args: object) -> Callback:
        """Run it soon, as part of the process whose code runs now."""
        callback = Callback(function, args)
        self.post(self.current, callback)
        return callback

    run_callback_threadsafe = run_callback

    def timer(self, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None) -> Timer:
        """A timer watcher."""
        return Timer(self, after, repeat)

    def io(self, fd: int, events: int, ref: bool = True, priority: int | None = None) -> Readiness:
        """A watcher of a simulated socket; OSError for any other descriptor."""
        sock = self.sockets.get(fd)
        if sock is None:
            raise OSError(9, f"no simulated socket has the descriptor {fd}")
        return Readiness(self, sock, events)

    def async_(self, ref: bool = True, priority: int | None = None) -> Watcher:
        """A watcher that nobody triggers: there are no threads."""
        return Watcher(self)

    def signal(self, number: int, ref: bool = True, priority: int | None = None) -> Watcher:
        """A watcher that `World.stop` feeds as the signal would."""
        watcher = Watcher(self)
        self.signals.append((self.current, number, watcher))
        return watcher

    def fork(self, ref: bool = True, priority: int | None = None) -> Watcher:
        """A watcher of what never happens."""
        return Watcher(self)

    def now(self) -> float:
        """The virtual time."""
        return self.time

    def update_now(self) -> None:
        """Nothing: time is always current."""

    update = update_now

    def closing_fd(self, fd: int) -> bool:
        """Nothing waits for descriptors here."""
        return False

    def handle_error(self, context: object, kind: Any, error: Any, at: Any) -> None:
        """An exception that nobody caught: the hub's matter."""
        self.error_handler.handle_error(context, kind, error, at)

    def destroy(self) -> None:
        """Nothing to free."""

    # -- what the simulation asks -----------------------------------------------------------------------------

    def post(self, lane: Lane, item: Callback | _Fired) -> None:
        """Something of a process is ready to run."""
        if lane.is_dead:
            return
        if not lane.ready:
            self._ready.append(lane)
        lane.ready.append(item)

    def call(self, lane: Lane, function: Callable[..., object], *args: object) -> None:
        """Have a process run something soon, in the hub."""
        self.post(lane, Callback(function, args))

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run something of the simulation itself at a time to come, whatever becomes of any process."""
        heapq.heappush(self._timers, (self.time + seconds, next(self._numbers), function, 0))

    def schedule(self, seconds: float, timer: Timer, starts: int) -> None:
        """A timer's next time; a little late, as timers are."""
        due = self.time + seconds + self.chance.random() * LATE_SECONDS
        heapq.heappush(self._timers, (due, next(self._numbers), timer, starts))

    def kill(self, lane: Lane) -> None:
        """Nothing of this process ever runs again."""
        lane.is_dead = True
        lane.ready.clear()
        self._ready = [one for one in self._ready if one is not lane]

    def pause(self, lane: Lane, seconds: float) -> None:
        """Nothing of this process runs for a while, as under SIGSTOP."""
        lane.paused_until = self.time + seconds
        self._paused_until = max(self._paused_until, lane.paused_until)
        self.later(seconds, lambda: None)

    def _next(self) -> Lane | None:
        timers = self._timers
        while True:
            if timers and timers[0][0] <= self.time:
                self._fire()
            ready = self._ready
            if self._paused_until > self.time:
                ready = [lane for lane in ready if lane.paused_until <= self.time]
            if ready:
                lane = ready[0] if len(ready) == 1 else ready[int(self.chance.random() * len(ready))]
                if len(lane.ready) == 1:
                    self._ready.remove(lane)
                return lane
            if not timers:
                return None
            self.time = max(self.time, timers[0][0])

    def _fire(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self.time:
            _, _, timer, starts = heapq.heappop(timers)
            if isinstance(timer, Timer):
                timer.due(starts)
            else:
                self.current = self.world
                timer()
