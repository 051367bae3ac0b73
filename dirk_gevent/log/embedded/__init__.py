"""The embedded log: a journal in this process, for a cluster whose log lives on one machine.

Entry point: `embedded_log.EmbeddedLog` keeps the contract. `append_queue` holds what waits for its place, `log_state`
turns a batch into one commit, `journal` writes it (`journal_file` is its file, `journal_threads` its threads, one a
connection), `tail` keeps the newest entries in memory, `checked_reads` checks each entry on its way out, `retention`
forgets what a snapshot covers, `snapshot_files` are the snapshots, `notifier` rings for those who follow,
`log_tasks` are the greenlets of all that.
Invariants: one commit, one fsync for all that wait; after a fault nothing is written before the files were read again.
"""
