"""Entries into SQLite: a batch is one transaction and one COMMIT.

`applier.Applier` applies a batch, each entry in a savepoint; `executor` runs one entry's statements,
`recorded_outcomes` makes, records and repeats outcomes, `step_limit` counts their work; `database_writer` is the one
connection that all of it and sessions' transactions take in turn. `crash_loop_guard`, `suspects` and `trial` find out
an entry that kills.
Invariants: an outcome is data, a fault is not; a refused entry leaves nothing behind.
"""
