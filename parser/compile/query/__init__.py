"""Queries to SQLite's SQL: select, FROM, WITH, set operators, ordering, limits.

`query.compile_query` compiles a whole query at any depth; `select` one select, `sources` its FROM, `ctes` a WITH.
`compilers.COMPILERS` puts calls and queries together: every `Context` is made with it.

Tables get aliases of our own, so that SQLite's rules for names never apply. The query of a write keeps the same rows on
every node: where a limit counts, every column breaks ties.
"""
