"""The sentences of the language area about copying: dumps, and rows of another database."""

from __future__ import annotations

from dirk_gevent.catalogue import Texts

#: Key -> sentences.
COPYING: dict[str, Texts] = {
    "not_numbered": Texts(
        mg="tsy misy tsanganana AUTOINCREMENT ny tabilao {name}",
        fr="la table {name} n'a pas de colonne AUTOINCREMENT",
        en="table {name} has no AUTOINCREMENT column",
    ),
}
