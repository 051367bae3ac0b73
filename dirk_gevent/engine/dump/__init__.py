"""A database as statements of DirkDB's own language.

`dump.dump_file` writes it: `object_order` puts each object behind what its definition needs, `insert_rows` and
`row_links` each row behind those that it refers to, `deferred_keys` adds what holds only once the rows are there;
`topological_order` is the algorithm under both.
Invariant: running the script gives a database of the same content digest.
"""
