"""The syntax tree: every node, in three files by subject (expressions, queries, all other statements).

Nodes are immutable and know no schema. They belong to a *template*: a literal is its index in
`NormalizedStatement.literals`, never its value, so one tree serves every request of that template.

`place` is the offset in the template where the node begins (-1 when unknown); it and the source texts take no part in
equality, so that two texts of one meaning give equal trees (the printer's round trip rests on it). Every identifier is
a `Name`, as written; the compiler resolves it (NFC + casefold). Words are already one vocabulary: operators, function
names and verbs are the standard ones, lower case.

`walk.every` finds the nodes of a kind; `depth.check` refuses a tree that is too deep to be walked by recursion.
"""
