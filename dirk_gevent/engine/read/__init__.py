"""Queries answered from one committed state: short ones on the hub, long ones on reader threads.

`reads.Reads` decides which of the two a query is; `short_reads` runs it under a budget of VM steps, with `watchdog`'s
eye on the hub; `long_reads` pages it out, through `spool` when the client is slow.
Invariants: no slow SQL stalls the hub; an answer is of one state.
"""
