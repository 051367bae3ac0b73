"""Statement text to template and literals, without the grammar.

`normalizer.split` takes a statement's literals out: what is left, its template, is the same for all statements that
differ in literals only, so that they share one parse and one plan. `template.NormalizedStatement` holds both. A large
VALUES list becomes one row template (`values_head` finds where it begins, `json_rows` reads it in C).

A template has no literals and no comments; a place in it is a place in the text, and `normalizer.text` gives the text
again. `Literals` notes which literals the compiler looks at: those belong to the plan's key. Names hold only characters
that every interpreter folds alike (`name_characters`).
"""
