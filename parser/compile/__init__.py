"""Syntax tree and schema to plan.

`statement.compile_statement` is the entry; `plans.Plans` keeps what it makes, by template. Beside them stand the
statements that only read about others: SHOW and DESCRIBE, EXPLAIN with its tree of relational algebra, TRANSLATE.

The folders in the order in which they stand on each other: `base`, `expression`, `query`, `dml`, `ddl`, then the files
here. The compiler is pure: a plan follows from tree, schema and the literals that it looked at, and says all that it
depends on, so that it can be kept. In a write, what is computed comes out the same on every node.
"""
