"""A server that listens at an address and says nothing: a busy DirkDB, which is waited for, or another program, which
is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dirk_gevent.driver.answers import NotDirkError
from dirk_gevent.driver.tcp_connection import Address, TcpConnection, encode

#: How long a first answer is waited for before its server is asked something that costs it nothing.
FIRST_WORD_SECONDS = 5.0
#: How long any DirkDB may take for that, however busy.
_PROBE_SECONDS = 10.0
#: Read no further than its first sign: every DirkDB answers it with a syntax error.
PROBE = "?"


def wait_for_first_word(
    connection: TcpConnection, address: Address, notify: Callable[[str, Mapping[str, str]], None]
) -> None:
    """Wait for the beginning of an answer, as long as what listens at `address` is DirkDB.

    TimeoutError when nothing there answers anything; `notify` is told before.
    """
    if connection.is_answering(FIRST_WORD_SECONDS) or _answers(address):
        return
    notify("client_silent", {"address": str(address)})
    raise TimeoutError


def _answers(address: Address) -> bool:
    """True when another connection to `address` gets an answer of DirkDB's kind."""
    try:
        connection = TcpConnection(address, _PROBE_SECONDS)
        try:
            return bool(list(connection.ask(encode(PROBE, {}), asks_meta=False)))
        finally:
            connection.close()
    except (OSError, NotDirkError):
        return False
