"""Another process that reads a database's file: `loop` never pauses, `hold` has one read open until its stdin ends."""

import sys

import apsw


def main() -> None:
    """Say `reading` once a read transaction is open, then read on."""
    path, mode = sys.argv[1:]
    connections = [apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY) for _ in range(2)]
    for connection in connections:
        connection.set_busy_timeout(10_000)
    begin(connections[0])
    print("reading", flush=True)
    while mode == "loop":
        # The next read begins before the one before it ends: at no moment is there none.
        for one, other in (connections, connections[::-1]):
            begin(other)
            one.execute("ROLLBACK")
    sys.stdin.read()


def begin(connection: apsw.Connection) -> None:
    """Open a read transaction."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM t").fetchall()


if __name__ == "__main__":
    main()
