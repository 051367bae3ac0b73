"""Beginning to listen, and the one sentence for an address that cannot be listened on."""

from __future__ import annotations

import errno
import os
import socket

from gevent.server import StreamServer

from dirk_gevent.base.ports import address_in_use
from dirk_gevent.base.startup import CannotStartError, plain_reason

_REASONS = {
    errno.EADDRNOTAVAIL: "is not an address of this machine",
    errno.EACCES: "may not be used by this user",
}


def listen(server: StreamServer, host: str, port: int) -> None:
    """Let a server accept connections at its address; CannotStartError naming it as the config does."""
    try:
        server.start()
    except socket.gaierror as error:
        reason = plain_reason(error).partition(": (")[0]
        raise CannotStartError(f"{host}:{port} can't be listened on: {reason}") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStartError(f"{host}:{port} is in use, {address_in_use(host, port)}") from None
        # `strerror` would do, but gevent puts the address into it.
        reason = _REASONS.get(error.errno or 0) or f"can't be listened on: {os.strerror(error.errno or 0).lower()}"
        raise CannotStartError(f"{host}:{port} {reason}") from None
    if is_broadcast(server):
        server.stop()
        raise CannotStartError(f"{host}:{port} is an address of many machines: nobody can connect to it")


def is_broadcast(server: StreamServer) -> bool:
    """True when the address is a network's broadcast address, which can be bound to but never connected to.

    A datagram socket is told so at once; nothing is sent.
    """
    listener = server.socket
    with socket.socket(listener.family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(listener.getsockname())
        except PermissionError:
            return True
        except OSError:
            return False
    return False
