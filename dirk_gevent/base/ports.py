"""Ports: why one cannot be listened on."""

from __future__ import annotations

import socket

from dirk_gevent.base.addresses import reachable

#: Linux gives connections that go out the ports from here to 60999.
_FIRST_OUTGOING_PORT = 32768
_LOOK_SECONDS = 1.0


def address_in_use(host: str, port: int) -> str:
    """Why an address is in use, as the end of a sentence; takes a second at most.

    A program listens there, or a connection has that port as its own end's: while it stands, or a minute after it.
    """
    try:
        socket.create_connection((reachable(host), port), timeout=_LOOK_SECONDS).close()
    except TimeoutError:
        return "another program listens there"
    except OSError:
        return (
            "though no program listens there: a connection of another program has that port, or had it a moment ago; "
            f"wait a minute, or choose a port below {_FIRST_OUTGOING_PORT}, where no connection gets its own"
        )
    return "another program listens there"
