"""Every sentence of DirkDB in its three languages, one file an area, merged here.

An area file holds ``MESSAGES: dict[str, Texts]``: key -> sentences. Each key of `parser.errors.SQLSTATE` is in
exactly one area; areas may hold other keys too (a client's own texts). Sentences are `str.format` templates over
the error's parameters; a part between ``[[`` and ``]]`` is left out when one of its parameters is missing, empty
or 0::

    "unknown_table": Texts(
        mg="tsy misy ny tabilao {name}[[ ; {nearest} angaha ?]]",
        fr="la table {name} n'existe pas[[ ; vouliez-vous dire {nearest} ?]]",
        en="table {name} does not exist[[; did you mean {nearest}?]]",
    )
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

#: The languages a session can speak; the first is the default.
LANGUAGES: tuple[str, ...] = ("mg", "fr", "en")


@dataclass(frozen=True, slots=True)
class Texts:
    """One sentence in Malagasy, French and English; none is empty (a test holds it)."""

    mg: str
    fr: str
    en: str

    def in_language(self, language: str) -> str:
        """The template in `language`; Malagasy for a language that is not one of `LANGUAGES`."""
        if language == "fr":
            return self.fr
        return self.en if language == "en" else self.mg


@lru_cache(maxsize=1)
def areas() -> Mapping[str, Mapping[str, Texts]]:
    """Each area's messages by area name. Imported at first use: the area files import `Texts` from here."""
    from dirk_gevent.catalogue import cache, client, cluster, config, engine, language, log, transaction

    modules = (language, engine, transaction, log, cluster, cache, client, config)
    return {module.__name__.rpartition(".")[2]: module.MESSAGES for module in modules}


@lru_cache(maxsize=1)
def messages() -> Mapping[str, Texts]:
    """All areas merged. A key in two areas is a mistake that a test finds; the later area would win."""
    merged: dict[str, Texts] = {}
    for area in areas().values():
        merged.update(area)
    return merged
