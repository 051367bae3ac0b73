"""Clients that know only the first half of the protocol: statements in, lines up to END out, byte for byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.cluster import HOST, Cluster, wait_for

PARTS = ("m1", "m2", "proxy", "cache")

ONE = (
    b"RELATION_JSON_PAGE 1/1\n"
    b'{"type":"relation","name":"","page":1,"totalPages":1,"columns":[{"name":"x","origin":""}],"rows":[[1]]}\n'
    b"RELATION_JSON_END\nRESULT_MESSAGE\nOK\nEND\n"
)


class OldClient:
    """A socket, and a buffer read up to the line END: nothing of DirkDB's own."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> bytes:
        """The lines up to END; what there was when the other side closed before."""
        found = b""
        for line in self._lines:
            found += line
            if line == b"END\n":
                break
        return found

    def rest(self) -> bytes:
        """Say that nothing more comes, and read to the end of the connection."""
        self.socket.shutdown(socket.SHUT_WR)
        return self._lines.read()

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


@pytest.fixture(params=PARTS)
def part(request: pytest.FixtureRequest) -> str:
    """Every part that clients may connect to."""
    return str(request.param)


@pytest.fixture
def client(shared_cluster: Cluster, part: str) -> Iterator[OldClient]:
    """An old client of that part."""
    found = OldClient(shared_cluster.ports[part])
    yield found
    found.close()


def test_one_statement_gets_one_answer(client: OldClient) -> None:
    """The smallest session there is."""
    client.send(b"alaivo 1 antso x;")
    assert client.answer() == ONE
    assert client.rest() == b""


def test_statements_in_one_segment_are_answered_in_order(client: OldClient) -> None:
    """Pipelining: as many answers as statements, each in its place, also around an error."""
    client.send(b"alaivo 1 antso x;alaivo 2 antso x;\n alaivo ;alaivo 3 antso x ; ")
    assert client.answer() == ONE
    assert client.answer() == ONE.replace(b"[[1]]", b"[[2]]")
    error = client.answer()
    assert error.startswith(b"RESULT_MESSAGE\nHadisoana : ") and error.endswith(b" (42601)\nEND\n")
    assert client.answer() == ONE.replace(b"[[1]]", b"[[3]]")
    assert client.rest() == b""


def test_a_statement_may_come_byte_by_byte(client: OldClient) -> None:
    """Segments mean nothing, not even inside a two-byte letter, a comment's opener or an escape."""
    for byte in "/* ; */ alaivo 'é;\\';' antso x -- ;\n;".encode():
        client.send(bytes([byte]))
    assert client.answer() == ONE.replace(b"[[1]]", '[["é;\';"]]'.encode())


def test_empty_statements_get_no_answer(client: OldClient) -> None:
    """`;` alone, and behind white space."""
    client.send(b";; \n;alaivo 1 antso x;;;")
    assert client.answer() == ONE
    assert client.rest() == b""


def test_comments_are_answered(client: OldClient) -> None:
    """Whoever sent them waits; and with META for who asks. Inside a transaction they change nothing."""
    client.send(b"/* ; */;-- ;\n; // x\n/* y */ ;;alaivo 1 antso x;")
    for _ in range(3):
        assert client.answer() == b"RESULT_MESSAGE\nOK\nEND\n"
    assert client.answer() == ONE
    for text in (b"/*dirk {}*/;", b"/*dirk {}*/ -- x\n;"):
        client.send(text)
        answer = client.answer()
        assert answer.startswith(b"RESULT_MESSAGE\nOK\nMETA {") and b'"kind":"session"' in answer
    assert client.rest() == b""


def test_a_stray_end_of_a_comment_does_not_make_a_statement_vanish(client: OldClient) -> None:
    """What lies between two comments is a statement, and a wrong one has its answer."""
    client.send(b"/* a */ alaivo 1 */; /* a */ alaivo 1 antso x /* b */;")
    assert client.answer().endswith(b" (42601)\nEND\n")
    assert client.answer() == ONE


@pytest.mark.parametrize(
    "text, value",
    [
        (b"alaivo 'a;b' antso x;", b'"a;b"'),
        (b'alaivo "a;b" antso x;', b'"a;b"'),
        (b"alaivo 'it''s;' antso x;", b'"it\'s;"'),
        (b"alaivo 1 /* ; ' */ antso x;", b"1"),
        (b"alaivo 1 -- ; '\n antso x;", b"1"),
        (b"alaivo 1 // ; '\n antso x;", b"1"),
        (b"alaivo x.x ao@ (alaivo 1 antso `a;b`, 2 antso x) x;", b"2"),
    ],
)
def test_a_semicolon_inside_ends_nothing(client: OldClient, text: bytes, value: bytes) -> None:
    """In strings, back-quoted names and comments of all kinds."""
    client.send(text)
    assert b'"rows":[[' + value + b"]]" in client.answer()


def test_line_endings_of_every_kind_surround_statements(client: OldClient) -> None:
    """telnet sends CR LF."""
    client.send(b"alaivo 1\r\nantso x;\r\n")
    assert client.answer() == ONE
    assert client.rest() == b""


def test_half_a_statement_runs_nothing(shared_cluster: Cluster, part: str) -> None:
    """A connection that ends in the middle of a statement has only done what it finished."""
    name = f"antsasany_{part}"
    with shared_cluster.connect("proxy") as reader:
        reader.ask(f"manamboara tahiry {name};")
        reader.ask(f"ampiasao {name};")
        reader.ask("manamboara tabilao t (a ISA);")
        writer = OldClient(shared_cluster.ports[part])

        def sees_database() -> bool:
            writer.send(f"ampiasao {name};".encode())
            return b"miasa" in writer.answer()

        wait_for(sees_database, 10)
        writer.send(b"manampia ao@ t (a) sanda (1); manampia ao@ t (a) sanda (2)")
        assert b"Tafinditra ny fiovana ny tabilao (1)\nEND\n" in writer.answer()
        assert writer.rest() == b""
        writer.close()
        # Another session wrote it: only a strong read must see it at once.
        assert reader.ask_rows('/*dirk {"read": "strong"}*/ alaivo a ao@ t;') == [[1]]


def test_meta_never_comes_unasked(client: OldClient) -> None:
    """Neither with an answer nor with an error; and it comes when asked for."""
    client.send(b"alaivo 1; alaivo * ao@ tsymisy; asehoy ny tahiry; /*dirk {}*/ alaivo 1;")
    for _ in range(3):
        assert b"META" not in client.answer()
    assert b"\nMETA {" in client.answer()


def test_the_database_in_use_and_the_language_are_the_session_s(shared_cluster: Cluster, part: str) -> None:
    """One session's choice is no other's."""
    shared_cluster.ask("proxy", "manamboara tahiry raha tsy misy anao;")
    mine, other = OldClient(shared_cluster.ports[part]), OldClient(shared_cluster.ports[part])

    def chosen() -> bool:
        mine.send(b"ampiasao anao;")
        return mine.answer() == b"RESULT_MESSAGE\nNy tahiry : anao dia miasa ankehitriny\nEND\n"

    wait_for(chosen, 10)
    mine.send(b"safidio ny fiteny en; asehoy ny tabilao; alaivo * ao@ x;")
    assert mine.answer() == b"RESULT_MESSAGE\nNy fiteny : en\nEND\n"
    assert mine.answer().endswith(b"OK\nEND\n")
    assert b"(42P01)" in mine.answer()
    other.send(b"asehoy ny tabilao;")
    assert other.answer().endswith(b"(3D000)\nEND\n")
    mine.close()
    other.close()
