"""Expressions to SQLite's SQL.

`expressions.expression` compiles any node; `condition` one that stands in a WHERE. Every result stands in parentheses
of its own and has no type affinity, so that 7 never equals '7'.

Calls are known functions only (`functions.FUNCTIONS` is the table), with the clock and random numbers frozen for the
statement in a write: what is computed must come out the same on every node. Calls and queries inside an expression are
compiled through `Context.compilers`.
"""
