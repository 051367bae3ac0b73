"""One node's SQLite: the files of its databases, entries applied, reads answered. It knows nothing of sockets."""
