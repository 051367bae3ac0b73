"""What every test may ask for: a running cluster, or the means to make one of another shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import dirk_gevent  # noqa: F401 (makes `dirk_parser` this checkout's parser)
from tests import leftovers
from tests.cluster import Cluster

# A busy machine is no failure, and a change is judged by what it changed: the same examples each time.
settings.register_profile(
    "dirk", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("dirk")

#: A test that may take longer than this is one of those that others run beside.
LONG_SECONDS = 1000


def pytest_configure() -> None:
    """What this run, or this worker's share of it, starts ends with it."""
    leftovers.watch()


def pytest_unconfigure() -> None:
    """Whatever a test has forgotten ends now."""
    leftovers.end()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones at the beginning of each worker's share: the soak and the longest run of faults begin at once."""
    long = [item for item in items if _is_long(item)]
    shared = [item for item in items if not _is_long(item)]
    for number, item in enumerate(long):
        shared.insert(number * len(items) // len(long), item)
    items[:] = shared


def _is_long(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("timeout")
    return marker is not None and bool(marker.args) and marker.args[0] > LONG_SECONDS


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Makes clusters (not started) under the test's directory; all are gone after the test."""
    made: list[Cluster] = []

    def make(**options: Any) -> Cluster:
        made.append(Cluster(tmp_path / f"cluster{len(made)}", **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    """Two masters, the proxy and the cache, all ready."""
    found = make_cluster()
    found.start()
    return found


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests of a module: for those that kill nothing and name their own databases."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found
