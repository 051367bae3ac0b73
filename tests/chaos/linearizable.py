"""Whether what clients saw of one register could have happened one thing after the other (Wing and Gong 1993).

The search keeps which calls are done as a bit mask and remembers what it has tried (Lowe 2017), so the few calls
that overlap are all it ever permutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call on a register between two moments; `ended` infinite when nobody knows whether it happened.

    `kind` is "read" (result: what was there), "write" (`value`) or "cas" (`value`: old and new; result: rows changed).
    """

    begun: int
    ended: float
    kind: str
    value: Any
    result: Any


def _after(call: Call, state: Any) -> tuple[bool, Any]:
    """Whether the call can come now, and the register afterwards."""
    if call.kind == "read":
        return call.result == state, state
    if call.kind == "write":
        return True, call.value
    old, new = call.value
    if math.isinf(call.ended):
        return True, new if state == old else state
    return (state == old) == bool(call.result), new if state == old else state


def is_linearizable(calls: Sequence[Call], initial: Any) -> bool:
    """Whether some order of the calls explains every result, each call at one moment between its begin and end."""
    calls = sorted(calls, key=lambda call: call.begun)
    must = sum(1 << number for number, call in enumerate(calls) if not math.isinf(call.ended))
    todo, seen = [(0, initial)], {(0, initial)}
    while todo:
        done, state = todo.pop()
        if done & must == must:
            return True
        left = [(number, call) for number, call in enumerate(calls) if not done >> number & 1]
        horizon = min(call.ended for _, call in left)
        for number, call in reversed(left):
            if call.begun > horizon:
                continue
            can, state_after = _after(call, state)
            place = (done | 1 << number, state_after)
            if can and place not in seen:
                seen.add(place)
                todo.append(place)
    return False
