"""The PEP 249 driver and what it stands on: connections, requests, answers, sessions that outlive a connection.

Entry points: `dbapi.connect` for programs (its promised name is `dirk_gevent.client.driver`), `session.Session` for the
client, `tcp_connection.TcpConnection` for dirk-admin.
Invariants: an answer belongs to its request, or the connection ends; what may run twice is sent again, nothing else;
a parameter is kept exactly or refused. It knows no grammar and brings no gevent: sockets block.
"""
