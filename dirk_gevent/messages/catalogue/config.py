"""The sentences that belong to the program as a whole."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

MESSAGES: dict[str, Texts] = {
    "no_database": Texts(
        mg="tsy misy tahiry voafidy ; soraty aloha : « ampiasao <tahiry>; »",
        fr="aucune base n'est choisie ; tapez d'abord : « USE <base>; » (ou « ampiasao »)",
        en="no database is selected; type first: “USE <database>;” (or “ampiasao”)",
    ),
    "unknown_database": Texts(
        mg="tsy misy ny tahiry {name}[[ ; {nearest} angaha ?]]",
        fr="la base {name} n'existe pas[[ ; vouliez-vous dire {nearest} ?]]",
        en="database {name} does not exist[[; did you mean {nearest}?]]",
    ),
    "duplicate_database": Texts(
        mg="efa misy ny tahiry {name}",
        fr="la base {name} existe déjà",
        en="database {name} already exists",
    ),
    "metadata_invalid": Texts(
        mg="tsy JSON mety ny fanamarihana /*dirk …*/[[ : {detail}]] ; tsy nisy natao",
        fr="le commentaire /*dirk …*/ n'est pas du JSON valable[[ : {detail}]] ; rien n'a été exécuté",
        en="the /*dirk …*/ comment is not valid JSON[[: {detail}]]; nothing was run",
    ),
    "internal": Texts(
        mg="hadisoana anatiny tao amin'i DirkDB[[ : {detail}]] ; jereo ny diarin'ny mpizara",
        fr="erreur interne de DirkDB[[ : {detail}]] ; voir le journal du serveur",
        en="internal error of DirkDB[[: {detail}]]; see the server's log",
    ),
}
