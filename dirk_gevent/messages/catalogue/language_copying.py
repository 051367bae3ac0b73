"""The sentences of the language area about copying: dumps, and rows of another database."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

#: Key -> sentences.
COPYING: dict[str, Texts] = {
    "copy_mixed": Texts(
        mg="banky angona iray ihany no vakin'ny fandikana : ao amin'ilay banky angona hafa ve ny {name} ?"
        " raha izany, soratana hoe « {database}.{name} »",
        fr="une copie ne lit qu'une base de données : {name} est-il dans l'autre ?"
        " si oui, écrivez « {database}.{name} »",
        en="a copy reads one database alone: is {name} in the other one? if so, write “{database}.{name}”",
    ),
    "copy_in_transaction": Texts(
        mg="ao anatin'ny asa, ny banky angona ampiasaina ihany no azo vakina, fa tsy {database}",
        fr="une transaction n'atteint que la base de données en usage, pas {database}",
        en="a transaction reaches only the database in use, not {database}",
    ),
    "copy_too_large": Texts(
        mg="be loatra ny andalana avy amin'ny banky angona {database} : {limit_bytes} octet no fetran'ny baiko iray"
        " (limits.maxStatementBytes) ; dikaina tsikelikely, ohatra « WHERE id BETWEEN 1 AND 1000 »",
        fr="trop de lignes de la base de données {database} : une instruction a {limit_bytes} octets au plus"
        " (limits.maxStatementBytes) ; copiez par parties, par exemple « WHERE id BETWEEN 1 AND 1000 »",
        en="too many rows of database {database}: a statement has {limit_bytes} bytes at most"
        " (limits.maxStatementBytes); copy in parts, as with “WHERE id BETWEEN 1 AND 1000”",
    ),
    "copy_too_complex": Texts(
        mg="be loatra ny andalana misy BLOB avy amin'ny banky angona {database} : teny {limit} no fetran'ny baiko iray"
        " ; dikaina tsikelikely, ohatra « WHERE id BETWEEN 1 AND 1000 »",
        fr="trop de lignes avec des BLOB de la base de données {database} : une instruction a {limit} mots au plus"
        " ; copiez par parties, par exemple « WHERE id BETWEEN 1 AND 1000 »",
        en="too many rows with BLOBs of database {database}: a statement has {limit} words at most;"
        " copy in parts, as with “WHERE id BETWEEN 1 AND 1000”",
    ),
    "not_numbered": Texts(
        mg="tsy misy tsanganana AUTOINCREMENT ny tabilao {name}",
        fr="la table {name} n'a pas de colonne AUTOINCREMENT",
        en="table {name} has no AUTOINCREMENT column",
    ),
}
