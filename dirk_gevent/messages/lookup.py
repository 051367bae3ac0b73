"""All catalogue files as one: the sentence of a key, whichever file holds it.

Each key of `dirk_parser.errors.SQLSTATE` is in exactly one file; files may hold other keys too (a client's own texts).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from dirk_gevent.messages.catalogue import cache, client, cluster, config, engine, language, log, transaction
from dirk_gevent.messages.texts import Texts

#: The catalogue's files by subject.
SUBJECTS: Mapping[str, Mapping[str, Texts]] = {
    module.__name__.rpartition(".")[2]: module.MESSAGES
    for module in (language, engine, transaction, log, cluster, cache, client, config)
}


@lru_cache(maxsize=1)
def messages() -> Mapping[str, Texts]:
    """Every sentence by key. A key in two files is a mistake that a test finds; the later file would win."""
    merged: dict[str, Texts] = {}
    for texts in SUBJECTS.values():
        merged.update(texts)
    return merged
