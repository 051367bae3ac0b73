"""Words, signs and tokens: what the language is spelt with, before any grammar.

`keywords` is the one table of words in both vocabularies; `lexer.Lexer` makes the tokens of a template, where noise
(white space, `ny`, `#` before a word, `@` after a reserved word) ends; `rules` is the one table of how strings, quoted
names and comments begin and end; `repetition` writes regular expressions that take time and memory in proportion to
their text.

`keywords`, `rules` and `repetition` stand on the standard library alone and load fast: the client and the protocol use
them.
What one token ahead can't tell the grammar is settled here (`+` between selects, ON CONFLICT, IF), so that LALR(1)
suffices.
"""
