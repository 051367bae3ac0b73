"""SQLite as both the log's journal and the engine need it: how a file is journalled, where its WAL's index is kept.

Entry points: `journal_mode.set_journal_mode`, `shared_memory.vfs_for`. It stands left of the log, which keeps its
journal in SQLite, and of the engine, which keeps databases there.
Invariant: a disk's fault that SQLite hides (a journal mode that stays what it was) is an error here.
"""
