"""Statement text to plan: normalisation, grammar, names, SQLite's SQL. Pure; imports nothing of dirk_gevent.

`compile.plans.Plans` is the whole way for a database that runs statements, `grammar.statements.Statements` the way to
a syntax tree and a route, which takes no schema. `errors.SqlError` is what is raised for any statement that is wrong;
`names.key` is how names compare.

The folders in their order; each imports only itself and what stands before it (a folder's own files come after its
folders):

    errors names lexical ast normalize grammar printer schema plan
    compile.base compile.expression compile.query compile.dml compile.ddl compile
"""
