from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cache.fake_upstream import Bench


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """Caches before scripted upstreams, stopped at the end."""
    made: list[Bench] = []

    def make(**options: Any) -> Bench:
        made.append(Bench(**options))
        return made[-1]

    yield make
    for bench in made:
        bench.stop()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """One cache whose lease has begun."""
    return make_bench().leased()
