"""An answer that is relayed: whoever asked for META has it however the answer ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
import pytest

from dirk_gevent.config.settings import Limits
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.server.copying import Copies, ReadRefused
from dirk_gevent.server.relayed_reply import RelayedAnswer
from dirk_gevent.server.service import Answer
from dirk_gevent.server.session import Request, Session, parse_request
from dirk_gevent.server.upstream_pool import BackendDownError, StreamedReply
from dirk_parser.errors import SqlError
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split

_PAGE = answer_bytes.encoded_page(b'"t"', b'[{"name":"2","origin":"t"}]', b'[["(1, 2)"]]', 1, 0)


class Cut(StreamedReply):
    """An answer of one page whose backend is lost behind it."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", 1

    def pieces(self) -> Iterator[bytes]:
        yield _PAGE
        raise BackendDownError("gone", was_sent=True)

    def close(self) -> None:
        """Nothing is open."""


class Withheld(Cut):
    """One that has come whole, and whose end is not to go out."""

    def pieces(self) -> Iterator[bytes]:
        yield _PAGE

    def end(self) -> bytes:
        return answer_bytes.message("OK", orjson.dumps({"log": 1, "index": 9}))


def withhold(*_: object) -> None:
    raise SqlError("stale_read", node="m1", applied=1, minimum=9)


@pytest.mark.parametrize(("remote", "sqlstate"), [(Cut, "08006"), (Withheld, "57P03")])
@pytest.mark.parametrize("opening", [b"", b"/*dirk {}*/"])
def test_an_answer_that_ends_in_an_error_has_meta(
    remote: Callable[[], StreamedReply], sqlstate: str, opening: bytes
) -> None:
    session, request = Session("en"), parse_request(opening + b"alaivo 1")
    answer = b"".join(RelayedAnswer(remote(), "proxy", session, request, None, withhold).chunks())
    meta, stripped = answer_bytes.split_meta(answer)
    assert stripped.endswith(f"({sqlstate})\nEND\n".encode())
    assert (meta or {}).get("sqlstate") == (sqlstate if opening else None)


def test_rows_that_a_lost_node_had_are_no_answer() -> None:
    """The client may say the same again: nothing settles what becomes of its request."""

    def read(session: Session, request: Request) -> Answer:
        return RelayedAnswer(Cut(), "proxy", session, request)

    text = "manampia ao@ t alaivo * ao@ hafa.t"
    normalized = split(text)
    with pytest.raises(ReadRefused) as raised:
        Copies(read, Limits()).statement(
            Session("en"), parse_request(text.encode()), normalized, Statements().route(normalized), "ity"
        )
    assert raised.value.sqlstate == "08006"
    assert raised.value.answer.startswith(answer_bytes.RESULT_LINE)
