"""One node's SQLite: the files of its databases, entries applied, reads answered. It knows nothing of sockets.

`engine.Engine` has the databases, as the system log says; `database.Database` is one of them, made of its file
(`database_file`), reads, writer and upkeep. `apply/` runs entries, `read/` answers queries, `transaction/` holds
sessions' transactions, `snapshot/` and `dump/` write a database out, `files/` and `wal/` keep what lies on the disk,
`errors/` names what went wrong.
Invariants: an entry ends alike on every node; data, applied index, chain hash and request records are committed
together; plans and prepared reads belong to a state and go with it.
"""
