"""The engine's fixtures for those tests here that need no cluster."""

from __future__ import annotations

from tests.engine.conftest import no_watchdog, unwatched

__all__ = ["no_watchdog", "unwatched"]
