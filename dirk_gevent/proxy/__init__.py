"""The proxy: routes reads to nodes, appends writes to the log it owns, and keeps the sessions.

Entry point: `server.run`. `node_reads` asks one node after the other until one answers, `transactions` pins each
transaction to one node and appends its work.
Invariants: a read goes to a node only when that has, or will wait for, a state that is fresh enough; what was sent and
not answered is never sent again where it could happen twice.
"""
