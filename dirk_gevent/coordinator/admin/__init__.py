"""Operations that a person asks of a running cluster, and of a log that is not running.

`operations.serve_admin` serves dirk-admin (verify, snapshot, evict, reseed, drain, settle, and by `backup`, `restore`
and `skip` the rest); `rebuild_log` makes a log from one node's databases, `inspect_nodes` reads what the nodes'
directories hold; `replay` makes the state of a database at an index anew.
Invariants: nothing is done that cannot be undone or was not asked for; what is replaced is kept first.
"""
