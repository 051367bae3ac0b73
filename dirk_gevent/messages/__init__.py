"""Errors and successes as the text a user reads, in three languages.

`error_text.render` writes an error with its place in the statement (`caret` draws the line under it), `success_text`
the fixed text of a statement that went well, `error_text.sentence` any other sentence. The sentences stand in
`catalogue`, one file a subject; `lookup` merges them.
Invariants: no other folder formats text for a person (the programs' usage texts and log lines apart); nothing here
raises, whatever an error's parameters hold; success texts are the same in every language, because clients match on
them. It imports the parser's keywords and errors, and no gevent.
"""
