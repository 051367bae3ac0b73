"""How long to wait before something that failed is tried again. Who sleeps, on which clock, is the caller's."""

from __future__ import annotations


class Backoff:
    """Waits that double from `least_seconds` up to `most_seconds`, each cut by up to a half at random, so that many
    who lost the same peer do not come back as one (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).
    """

    def __init__(self, least_seconds: float, most_seconds: float) -> None:
        self._least_seconds = least_seconds
        self._most_seconds = most_seconds
        self._next_seconds = least_seconds

    def next_seconds(self) -> float:
        """The next wait."""
        seconds = jittered(self._next_seconds)
        self._next_seconds = min(self._next_seconds * 2, self._most_seconds)
        return seconds

    def reset(self) -> None:
        """Begin with the shortest wait again: what failed has worked."""
        self._next_seconds = self._least_seconds


def jittered(seconds: float) -> float:
    """Between half of `seconds` and all of them."""
    # Imported here: the client starts without it.
    import random

    return seconds * random.uniform(0.5, 1.0)
