"""Every sentence that users read, in Malagasy, French and English: one file a subject.

Each file holds ``MESSAGES: dict[str, Texts]``, key -> sentences (`language` is spread over several files by what the
mistake is about). `reasons` translates what the operating system, SQLite and the log give as reasons.
Entry point: `dirk_gevent/messages/lookup.py:messages` merges them; the client reads `client` alone, so that it starts
without the others.
Invariants: a key is in one file only, no language of a sentence is empty, and every key of
`dirk_parser.errors.SQLSTATE` has a sentence. `tests/shell/test_messages.py` holds all three.
"""
