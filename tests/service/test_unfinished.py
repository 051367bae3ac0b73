"""A statement that never ends is answered and its connection closed; one that is only slow, or an idle connection, not.

And a client that has closed its sending side still gets all its answers.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster import Cluster, wait_for
from tests.service.test_old_clients import ONE, OldClient

IDLE_SECONDS = 1.0
PARTS = ("m1", "proxy", "cache")
LACKING = {
    b"alaivo 'abc;": "the string opened by “'” is not closed",
    b'alaivo "abc; alaivo 1;': 'the string opened by “"” is not closed',
    b"alaivo `abc;": "the name opened by “`” is not closed",
    b"/* abc; alaivo 1;": "the “*/” that closes the comment is missing",
    b"alaivo 1 -- abc;": "the “;” stands in a comment, so it does not end the statement",
    b"-- abc;\n": "the “;” stands in a comment, so it does not end the statement",
    b"alaivo 1": "the “;” that ends the statement is missing",
}
#: Long enough that every part has looked whether its client is still there.
SLOW = b"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2500000) SELECT count(*) FROM c;"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that gives up statements soon."""
    settings = {"language": "en", "limits": {"idleStatementSeconds": IDLE_SECONDS}}
    with Cluster(tmp_path_factory.mktemp("cluster"), settings=settings) as found:
        yield found


@contextmanager
def clients(cluster: Cluster, *sent: bytes) -> Iterator[list[OldClient]]:
    """Old clients of each part, one for each text, which they have sent."""
    found = [OldClient(cluster.ports[part]) for part in PARTS for _ in sent]
    for client, text in zip(found, sent * len(PARTS), strict=True):
        client.send(text)
    yield found
    for client in found:
        client.close()


def test_what_never_ends_is_answered_with_what_it_lacks(cluster: Cluster) -> None:
    """After the answers to what stood before it; then the connection is closed."""
    with clients(cluster, *(b"alaivo 1 antso x; " + text for text in LACKING)) as found:
        for client, lack in zip(found, list(LACKING.values()) * len(PARTS), strict=True):
            assert client.answer() == ONE
            said = client.answer().decode()
            assert lack in said and said.endswith(" (42601)\nEND\n"), said
            assert client.answer() == b""


def test_a_slow_statement_has_its_time_again_with_each_byte(cluster: Cluster) -> None:
    """Slower in all than a statement may be idle; a round in which the test itself came too late says nothing."""
    pieces = (b"alai", b"vo 'a;", b"b", b"'", b" antso x;")

    def is_answered() -> bool:
        with clients(cluster, b"") as found:
            longest = 0.0
            for piece in pieces:
                for client in found:
                    client.send(piece)
                began = time.monotonic()
                time.sleep(IDLE_SECONDS * 0.4)
                longest = max(longest, time.monotonic() - began)
            if longest > IDLE_SECONDS * 0.6:
                return False
            for client in found:
                assert client.answer() == ONE.replace(b"[[1]]", b'[["a;b"]]')
            return True

    wait_for(is_answered, 60)


def test_a_connection_between_statements_is_never_closed_for_being_idle(cluster: Cluster) -> None:
    rests = (b"", b"\n", b" -- a note\n", b"/* a note */", b"-- a note", b"/*dirk {}*/")
    with clients(cluster, *(b"alaivo 1 antso x;" + rest for rest in rests)) as found:
        time.sleep(IDLE_SECONDS * 2.5)
        for client in found:
            client.send(b"\nalaivo 1 antso x;")
        for client in found:
            assert client.answer() == ONE
            assert client.answer().startswith(ONE[:-4])


def test_a_transaction_ends_with_the_connection(cluster: Cluster) -> None:
    """Nothing of it is kept, and it stands in nobody's way."""
    with cluster.connect("proxy") as other, clients(cluster, b"") as found:
        for text in ("manamboara tahiry tsy_vita;", "ampiasao tsy_vita;", "manamboara tabilao t (a ISA);"):
            assert "Hadisoana" not in other.ask(text)

        def begins(client: OldClient) -> bool:
            client.send(b"ampiasao tsy_vita;")
            return b"miasa" in client.answer()

        for client in found:
            wait_for(lambda client=client: begins(client), 10)  # type: ignore[misc]
            for text in ("atombohy;", "manampia ao@ t sanda (1);"):
                client.send(text.encode())
                assert b"Hadisoana" not in client.answer()
            client.send(b"manampia ao@ t sanda ('2);")
        for client in found:
            assert b"(42601)" in client.answer()
            assert client.answer() == b""
        assert "(1)" in other.ask("manampia ao@ t sanda (3);")
        assert other.ask_rows('/*dirk {"read":"strong"}*/alaivo a ao@ t;') == [[3]]


def test_a_client_that_sends_nothing_more_gets_all_its_answers(cluster: Cluster) -> None:
    """As `printf … | nc -N` does: slow ones too, and what stands behind them."""
    with clients(cluster, b"alaivo 1 antso x;" + SLOW + b"alaivo 1 antso x;/* end */;") as found:
        for client in found:
            client.socket.shutdown(socket.SHUT_WR)
        for client in found:
            assert client.answer() == ONE
            assert b'"rows":[[2500000]]' in client.answer()
            assert client.answer() == ONE
            assert client.answer() == b"RESULT_MESSAGE\nOK\nEND\n"
            assert client.answer() == b""
