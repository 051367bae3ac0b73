"""The contents of one database: tables, views, domains and indexes.

`schema.Schema` finds them by the key of their name (`dirk_parser.names.key`); `domains` says which values a column
accepts, as a test in pure SQL and as text in the language's notation.

A schema is immutable. Objects that a DDL did not touch stay the same objects from one schema to the next, so that plans
which use only them stay good. Making one of a catalog's rows takes the compiler: see `compile/ddl/catalog.py`.
"""
