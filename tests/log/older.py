"""Logs as an earlier release would have written them, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from dirk_gevent.log.embedded import log_state
from dirk_gevent.log.entry import Entry


@contextmanager
def earlier_rules(rules: int = 0) -> Iterator[None]:
    """While the body runs, logs append their entries under these rules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_state, "Entry", partial(Entry, rules=rules))
        yield
