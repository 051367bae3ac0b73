"""Faults of SQLite and the machine, told apart and named.

`failures` turns SQLite's refusals into DirkDB's errors, `mistakes` names the user's, `violations` tells a
broken constraint in full (`failing_row` finds its row); `faults` are troubles that are no answer to a statement.
Invariant: what cannot be named is not hidden (XX000).
"""
