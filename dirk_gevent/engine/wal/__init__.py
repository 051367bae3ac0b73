"""The write-ahead log of a database's file: how large it may be, how it begins anew, when it goes into the file.

`wal.Wal` bounds it, `checkpoints` move it into the file, `file_upkeep` calls for both, `holders` says which other
processes keep a mark in it.
Invariant: what the node says it will never lose has been fsynced.
"""
