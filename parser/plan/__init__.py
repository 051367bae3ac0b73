"""Plans, and how one request runs by them.

`plan` holds the three kinds (`Query`, `Change`, `Ddl`), each with SQLite's SQL in hand; they are immutable and shared
by requests. `bind` makes the values that a request gives SQLite and the names of its result's columns; `blocks` puts
the rows of a large INSERT together, many to a statement, with the same end as one by one. `copies` takes an INSERT of
another database's rows apart.

The compiler makes plans (`dirk_parser.compile.statement`) and keeps them by template (`dirk_parser.compile.plans`).
"""
