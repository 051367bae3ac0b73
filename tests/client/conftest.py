"""A fake server for the client's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.client.fake_server import Asked, FakeServer, ordinary


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    """Starts fake servers; all are gone after the test."""
    started: list[FakeServer] = []

    def start(answer: Callable[[Asked], bytes] = ordinary) -> FakeServer:
        server = FakeServer(answer)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()
