"""INSERT, UPDATE and DELETE to SQLite's SQL.

`changes.insert`, `changes.update` and `changes.delete` make a `Change`. The rest is what they are made of: the columns
that are given values (`assignments`, `inserted`, `upserts`), rows chosen by a limit (`row_limited`), the numbers and
places that rows get (`numbering`, `rowid`), what may be stored at all (`storable`).

A change ends the same on every node. A statement of plain rows is one row's text, run for each, unless a foreign key
may hold for its rows together only (`single_statement`).
"""
