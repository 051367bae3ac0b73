"""Calls on native threads that fail without noise.

gevent's ThreadPool prints the traceback of whatever a call raises. Here a full disk or a lost file is an answer for
the caller, who alone knows whether it is worth a line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gevent.threadpool import ThreadPool

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


def call(pool: ThreadPool, function: Callable[..., _Result], *args: object) -> _Result:
    """Runs `function` on a thread of the pool and returns or raises what it does. *Blocks* the greenlet alone."""
    result: _Result | _Raised = pool.apply(_caught, (function, args))
    if isinstance(result, _Raised):
        raise result.error
    return result


def _caught(function: Callable[..., _Result], args: tuple[object, ...]) -> _Result | _Raised:
    # The top of a native thread's work: nothing is lost, `call` raises it in the caller's greenlet.
    try:
        return function(*args)
    except Exception as error:
        return _Raised(error)
