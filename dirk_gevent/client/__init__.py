"""dirk-client: the prompt, scripts, and how their answers are shown. It speaks the protocol and knows no grammar.

Entry point: `main.main`. `repl` reads what a person types (`editor`, coloured by `highlighter`), `script` runs files
and the command line, `screen` and `formats` show relations and messages; sessions and answers are the driver's.
`driver` is the PEP 249 driver under the name that docs/protocol.md promises.
Invariants: it starts fast, without gevent, SQLite or the grammar; a user's text never moves the cursor; the exit status
says how a script ended.
"""
