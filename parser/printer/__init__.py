"""Syntax tree to text, in Malagasy or in standard SQL: what the catalog keeps, and what TRANSLATE shows.

`printer.write` gives a statement, `printer.write_node` any node, `printer.translate` a statement for a reader.

Parsing the text again gives an equal tree. Each kind of node has one writer function, registered in `writer`, which
also holds what they share; `expression`, `query` and `statement` bring the functions. A name that would not read back
as one is quoted (`writer.quoted`).
"""
