"""A node's data directory: its lock, the names in it, its format, and what earlier releases left in it.

Entry point: `data_directory.DataDirectory`.
Invariants: files are named by log id, never by a user's text; a later release's file is refused, never taken for a
damaged one.
"""
