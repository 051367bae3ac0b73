"""The ground of every compiler: the context of a compilation, scopes, and pieces of SQLite's SQL.

`context.Context` is the state of compiling one statement and gathers what its plan depends on; `scope.Scope` finds
the column that a name means; `sql.Expression` is a piece of text with what must be known of it; `result` says what a
query gives; `trace` notes what each name was found as, for ALTER.

Names are resolved here, by key (NFC + casefold): SQLite sees only quoted and qualified ones. `Context.compilers` is how
the compilers below reach those that stand on them (calls, whole queries).
"""
