"""A node: follows the log into its own SQLite, answers reads, and passes everything else on to where the log is.

Entry point: `server.run`. `follower` receives entries, `apply_queue` has those of one log applied in their order by
`log_applier`, `progress` wakes who waits for a state; `read_fast_path` answers repeated reads, `streamed_reads` long
ones, `transactions` keep sessions' transactions, `log_client` is the way to the log.
Invariants: a read is answered from a state that is fresh enough, or not at all; what the node says over one connection
to the log's side it never says over the next; what is on its disk never goes back.
"""
