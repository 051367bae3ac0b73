"""Everything that can be wrong with what comes in: its own error on its own connection, and nobody else notices."""

from __future__ import annotations

import json
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from random import Random

import pytest

from tests.cluster import HOST, Cluster, Connection, message, rows, wait_for
from tests.seeds import chosen_seed

PARTS = ("m1", "proxy", "cache")
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def nobody_suffers(shared_cluster: Cluster) -> Iterator[None]:
    """After each test the processes are those of before, answer, and logged no failure of their own."""
    pids = {name: process.pid for name, process in shared_cluster.processes.items()}
    yield
    for name, process in shared_cluster.processes.items():
        assert process.is_running() and process.pid == pids[name]
        assert "[[1]]" in shared_cluster.ask(name, "alaivo 1;")
        assert "Traceback" not in process.log(), process.log()[-4000:]


@pytest.fixture(params=PARTS)
def connection(request: pytest.FixtureRequest, shared_cluster: Cluster) -> Iterator[Connection]:
    """A session with each kind of part."""
    with shared_cluster.connect(str(request.param)) as found:
        yield found


def raw(connection: Connection, data: bytes) -> str:
    """The answer to bytes that need not be text; its message."""
    connection.socket.sendall(data)
    return message(connection.receive())


def still_works(connection: Connection) -> None:
    """The same connection takes the next statement."""
    assert connection.ask_rows("alaivo 1 antso x;") == [[1]]


@pytest.mark.parametrize("data", [b"alaivo '\xff';", b"alaivo '\xc3';", b"alaivo '\xed\xa0\x80';", b"alaivo 1 \x00;"])
def test_what_is_not_utf8_or_holds_a_nul(connection: Connection, data: bytes) -> None:
    """22021, and the connection goes on."""
    said = raw(connection, data)
    assert said.startswith("Hadisoana : ") and said.endswith(" (22021)")
    still_works(connection)


def test_deep_nesting(connection: Connection) -> None:
    """10,000 parentheses, brackets of NOT and of subqueries: 54001, never the end of a stack."""
    for text in (
        "alaivo " + "(" * 10_000 + "1" + ")" * 10_000,
        "alaivo " + "(" * 10_000,
        "alaivo " + "(alaivo " * 3_000 + "1" + ")" * 3_000,
    ):
        assert message(connection.ask(text + ";")).endswith("(54001)")
    for text in ("alaivo " + "! " * 10_000 + "1", "alaivo " + "- " * 10_000 + "1", "alaivo 1" + " + 1" * 5_000):
        said = message(connection.ask(text + ";"))
        assert said == "OK" or said.endswith("(54001)"), said[-200:]
    still_works(connection)


@pytest.mark.parametrize("part", PARTS)
def test_a_statement_over_the_limit_is_answered_and_the_connection_closed(shared_cluster: Cluster, part: str) -> None:
    """The rest of it can't be framed."""
    with shared_cluster.connect(part) as connection:
        with suppress(ConnectionError):
            connection.socket.sendall(b"alaivo '" + b"x" * (16 * MIB + 1))
        said = message(connection.receive())
        assert said.startswith("Hadisoana : ") and "16777216" in said
        with pytest.raises(ConnectionError):
            connection.ask("alaivo 1;")


def test_a_statement_just_under_the_limit_runs(connection: Connection) -> None:
    """15 MiB in one literal. On a machine that has no processor to spare a server may be found only later (57P03)."""
    connection.socket.settimeout(40)
    text = f"alaivo length('{'x' * (15 * MIB)}') antso n;"
    while (answer := connection.ask(text)).endswith("(57P03)\nEND\n"):
        time.sleep(0.1)
    assert rows(answer) == [[15 * MIB]]


BAD_METADATA = [
    ("{", "42601"),
    ("[]", "42601"),
    ("1", "42601"),
    ('{"id":1}', "22023"),
    ('{"id":"x\\u0000y"}', "22023"),
    ('{"db":["t"]}', "22023"),
    ('{"db":"tsymisy"}', "3D000"),
    ('{"min":{"x":1}}', "22023"),
    ('{"min":{"1":"2"}}', "22023"),
    ('{"min":[1]}', "22023"),
    ('{"read":"sometimes"}', "22023"),
    ('{"read":1}', "22023"),
    ('{"args":1}', "22023"),
    ('{"args":[1]}', "07001"),
    ('{"args":{"a":1}}', "07001"),
    ('{"args":[[1]]}', "22023"),
    ('{"args":[{"a":1}]}', "22023"),
    ('{"args":["a\\u0000"]}', "22021"),
    ('{"lang":"xx"}', "22023"),
    ('{"id":"\\ud800"}', "42601"),
]


@pytest.mark.parametrize("fields, sqlstate", BAD_METADATA)
def test_bad_metadata(shared_cluster: Cluster, fields: str, sqlstate: str) -> None:
    """Each wrong field has its error on every part, and nothing is run."""
    for part in PARTS:
        with shared_cluster.connect(part) as connection:
            said = message(connection.ask(f"/*dirk {fields}*/ asehoy ny tabilao;"))
            assert said.endswith(f"({sqlstate})"), f"{part}: {said}"
            still_works(connection)


def test_a_hundred_kinds_of_noise(shared_cluster: Cluster) -> None:
    """Random bytes, with and without a `;`, in random pieces: an answer or a closed connection, never a hang."""
    chance = Random(chosen_seed())
    for number in range(120):
        data = chance.randbytes(chance.choice([1, 10, 100, 5_000]))
        if number % 3 == 0:
            data = bytes(byte & 0x7F for byte in data)
        with socket.create_connection((HOST, shared_cluster.ports[PARTS[number % 3]]), timeout=20) as sock:
            sock.sendall(data + chance.choice([b"", b";", b"';", b"*/;"]))
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass


_WORDS_OF_THE_LANGUAGE = (
    "alaivo miavaka ao@ #ao@ rehefa vondrona manana alaharo fetra dingano tonona tonona:avia tonona:feno ka iraisana "
    "#+ #- #^ ary na ! tsy dia null tahaka anaty anelanelana misy tranga raha omeo ankoatra farany avadiho antso "
    "marina diso manampia sanda havaozy ova fafao manamboara tabilao efitra jery tondro ravao ny "
    "asehoy ampiasao SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET UNION ALL EXCEPT IN ( ) ( ) ( ) , , . * = <> < "
    ">= + - / DIV % || "
    "a b t u v `a;b` 'x' \"y\" 1 2.5 1e400 9223372036854775808 -1 count sum ISA LAHATSORATRA DATY TANISA : @ # ? $p "
    "isaina(*) min(a) androany() izao() over substr('abc',1,2) miaraka null"
)
WORDS = _WORDS_OF_THE_LANGUAGE.split()


def test_statements_out_of_random_words(shared_cluster: Cluster) -> None:
    """Words of the language in any order: every answer has its SQLSTATE, and none of them says 'internal'."""
    chance = Random(chosen_seed())
    with shared_cluster.connect("proxy") as connection:
        connection.ask("manamboara tahiry raha tsy misy kisendra;")
        connection.ask("ampiasao kisendra;")
        connection.ask("manamboara tabilao raha tsy misy t (a ISA, b LAHATSORATRA(null, null));")
        for _ in range(1500):
            start = chance.choice(["alaivo", "alaivo a ao@ t", "alaivo a, b ao@ t rehefa", "", "havaozy t ova a ="])
            text = " ".join([start, *chance.choices(WORDS, k=chance.randrange(1, 9))])
            said = message(connection.ask(text + ";")) if text.strip() else ""
            assert "(XX000)" not in said, f"{text}\n{said}"


@pytest.mark.parametrize(
    "after",
    [
        b"alaivo 1;",
        struct.pack(">IB", 0xFFFFFFFF, 1),
        struct.pack(">IB", 0, 1),
        struct.pack(">IB", 3, 1) + b"{x",
        struct.pack(">IB", 3, 9) + b"{}",
        struct.pack(">IB", 3, 2) + b"{}",
        struct.pack(">IB", 15, 1) + b'{"t":"upload"}',
        struct.pack(">IB", 13, 1) + b'{"t":"acks"}',
        struct.pack(">IB", 5, 1) + b'"\xff\xfe"',
    ],
)
@pytest.mark.parametrize(
    "fields", [{"as": "cache"}, {"as": "node", "node": "m9", "build": "", "genesis": None, "logs": {}}]
)
def test_bad_frames_on_a_subscription(shared_cluster: Cluster, fields: dict[str, object], after: bytes) -> None:
    """The subscription ends; the log's host and the real followers do not."""
    with socket.create_connection((HOST, shared_cluster.ports["proxy"]), timeout=20) as sock:
        sock.sendall(f"/*dirk {json.dumps({'follow': fields})}*/ DIRK_FOLLOW;".encode() + after)
        sock.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while sock.recv(65536):
                pass


@pytest.mark.parametrize(
    "fields", [None, 1, [], {}, {"as": "node"}, {"as": "node", "node": 1, "logs": []}, {"as": "x"}]
)
def test_bad_subscriptions(shared_cluster: Cluster, fields: object) -> None:
    """What introduces itself wrongly gets no log."""
    with socket.create_connection((HOST, shared_cluster.ports["proxy"]), timeout=20) as sock:
        sock.sendall(f"/*dirk {json.dumps({'follow': fields})}*/ DIRK_FOLLOW;".encode())
        sock.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while sock.recv(65536):
                pass


@pytest.mark.parametrize("part", PARTS)
def test_a_thousand_idle_connections(shared_cluster: Cluster, part: str) -> None:
    """They cost another session nothing."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    with ExitStack() as stack:
        for number in range(1000):
            idle = stack.enter_context(shared_cluster.connect(part))
            if number % 2:
                idle.send("alaivo 'half")
        with shared_cluster.connect(part) as working:
            for _ in range(100):
                assert "[[1]]" in working.ask("alaivo 1;")


class Greedy(threading.Thread):
    """A client that pipelines statements, thousands in a piece, without end: half a piece always waits at the least."""

    PIECE = 6_000

    def __init__(self, cluster: Cluster, part: str) -> None:
        super().__init__(daemon=True)
        self.sent = self.answered = 0
        self.is_enough = threading.Event()
        self._connection = cluster.connect(part, 60)

    def run(self) -> None:
        """Send and receive until it is enough and all is answered."""
        sender = threading.Thread()
        with self._connection as connection:
            while not self.is_enough.is_set() or self.answered < self.sent:
                is_due = self.sent - self.answered < self.PIECE / 2 and not sender.is_alive()
                if is_due and not self.is_enough.is_set():
                    sender = threading.Thread(target=connection.send, args=("alaivo 1;" * self.PIECE,))
                    sender.start()
                    self.sent += self.PIECE
                if self.answered < self.sent:
                    connection.receive()
                    self.answered += 1


@pytest.mark.parametrize("part", PARTS)
def test_a_greedy_client_does_not_starve_the_others(shared_cluster: Cluster, part: str) -> None:
    """One pipelines thousands of statements; another's single ones are answered in between, and not after a piece."""
    greedy, asked = Greedy(shared_cluster, part), 50
    greedy.start()
    try:
        wait_for(lambda: greedy.answered > 100, 20, "the greedy client's first answers")
        with shared_cluster.connect(part) as polite:
            before = greedy.answered
            for _ in range(asked):
                assert "[[1]]" in polite.ask("alaivo 1;")
            passed = greedy.answered - before
    finally:
        greedy.is_enough.set()
        greedy.join(60)
    assert passed < asked * greedy.PIECE / 2, "the greedy client has had a piece of its answers before each"
    assert greedy.answered == greedy.sent
