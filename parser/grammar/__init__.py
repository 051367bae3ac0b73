"""Template to syntax tree: the LALR(1) grammar, its tables, the machine that runs them, and what an error says.

`statements.Statements` is the entry: `parse` gives a template's tree, `route` what the cluster must know of the
statement, for which no schema is needed (`route.Route`). Both are kept by template for the whole process.

The rules stand in files by subject, each in its function's docstring as PLY reads it; `grammar` collects them. PLY
makes the tables (`lr_tables`, kept in the user's cache directory under a name that holds all they depend on) and
`lr_machine` runs them. The grammar has no conflicts: which of two readings holds is never left to the order of rules.
A rule makes nodes and looks nothing up. A statement that is none becomes an error with place, found and expected words
(`syntax_errors`).
"""
