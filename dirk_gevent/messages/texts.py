"""One sentence of DirkDB in its three languages: what the catalogue files hold.

Sentences are `str.format` templates over the error's parameters; a part between ``[[`` and ``]]`` is left out when one
of its parameters is missing, empty or 0::

    "unknown_table": Texts(
        mg="tsy misy ny tabilao {name}[[ ; {nearest} angaha ?]]",
        fr="la table {name} n'existe pas[[ ; vouliez-vous dire {nearest} ?]]",
        en="table {name} does not exist[[; did you mean {nearest}?]]",
    )
"""

from __future__ import annotations

from dataclasses import dataclass

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
