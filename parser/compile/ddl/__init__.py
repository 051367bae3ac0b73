"""CREATE, DROP, ALTER and REINDEX to SQLite's SQL, and a catalog's rows to a schema.

`create`, `drop`, `alter` and `upkeep` make a `Ddl`. `catalog.load_schema` and `catalog.change_schema` make the schema
that the catalog's rows describe: each definition is parsed and goes through `define` again, the way of its CREATE.

The catalog keeps definitions in DirkDB's own SQL, as written. What an earlier build stored must still be read
(`Tolerance`), and its SQL must not change: nodes of two builds must end the same. What a table keeps by an expression
depends on its row alone (`kept`).
"""
