"""The limit of the design: a bare gevent server that answers every request with the same bytes.

It reads nothing and looks up nothing: one `recv`, one `sendall` a request, a greenlet a connection, as DirkDB's
own processes do. What a node reaches of this rate is what the database itself costs. It holds for one request
on its way a connection: two requests that arrive in one segment would get one answer.

Usage: limit.py ANSWER_FILE    (prints the port it listens on)
"""

from __future__ import annotations

import gc
import socket as std_socket
import sys
from pathlib import Path

from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.socket import socket

REQUEST_BYTES = 65536
MAX_CONNECTIONS = 2000


def serve(answer: bytes) -> None:
    """Answers `answer` to whatever arrives, on a free port of 127.0.0.1, until the process is ended."""

    def handle(connection: socket, _address: object) -> None:
        connection.setsockopt(std_socket.IPPROTO_TCP, std_socket.TCP_NODELAY, 1)
        try:
            while connection.recv(REQUEST_BYTES):
                connection.sendall(answer)
        except OSError:
            return  # the generator closed with an answer on its way: the end of its run

    server = StreamServer(("127.0.0.1", 0), handle, spawn=Pool(MAX_CONNECTIONS))
    server.start()
    print(server.server_port, flush=True)
    gc.freeze()
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]).read_bytes())
