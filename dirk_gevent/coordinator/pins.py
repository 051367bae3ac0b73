"""Transactions of the proxy's sessions that live on one node: a drain waits for them."""

from __future__ import annotations

import time


class TransactionPin:
    """One of them. `used_at` (monotonic s) is when its session last asked for something or was answered."""

    __slots__ = ("used_at",)

    def __init__(self) -> None:
        self.used_at = time.monotonic()


class Pins:
    """Those of one node's process. When it ends they end with it, whenever their sessions find that out."""

    def __init__(self) -> None:
        self._open: set[TransactionPin] = set()

    def add(self) -> TransactionPin:
        """Another transaction begins there."""
        pin = TransactionPin()
        self._open.add(pin)
        return pin

    def remove(self, pin: TransactionPin) -> None:
        """One has ended. Safe to call twice, and after `clear`."""
        self._open.discard(pin)

    def clear(self) -> None:
        """The process is gone."""
        self._open.clear()

    def count(self, idle_seconds: float) -> int:
        """How many are open; the node has ended those that were idle for longer than `idle_seconds`."""
        since = time.monotonic() - idle_seconds
        return sum(pin.used_at >= since for pin in self._open)
