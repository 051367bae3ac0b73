"""The sentences of the engine area."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

MESSAGES: dict[str, Texts] = {
    "entry_skipped": Texts(
        mg="tsy nety natao tamin'ny mpizara rehetra io fanoratana io ka nodinganin'olona : tsy nisy niova",
        fr="aucun nœud n'a pu exécuter cette écriture et une personne l'a fait sauter : rien n'a changé",
        en="no node could run this write and a person had it skipped: it changed nothing",
    ),
    "domain_violation": Texts(
        mg="tsy ao anatin'ny efitra {domain} ny sanda {value}[[ ho an'ny tsanganana {column}]][[ ao amin'ny {table}]]",
        fr="la valeur {value}[[ de la colonne {column}]][[ de {table}]] n'appartient pas au domaine {domain}",
        en="the value {value}[[ of column {column}]][[ of {table}]] is outside the domain {domain}",
    ),
    "text_invalid": Texts(
        mg="tsy UTF-8, na misy NUL, ny lahatsoratra kajiana ho an'ny tsanganana {column}",
        fr="le texte calculé pour la colonne {column} n'est pas de l'UTF-8 ou contient un caractère NUL",
        en="the text computed for column {column} is not UTF-8 or holds a NUL character",
    ),
    "conflict_target_invalid": Texts(
        mg="tsy fanalahidy na tokana[[ ao amin'ny {table}]] ny tsanganan'ny ON CONFLICT",
        fr="les colonnes de ON CONFLICT ne sont ni une clé primaire ni uniques[[ dans {table}]]",
        en="the columns of ON CONFLICT are neither a primary key nor unique[[ in {table}]]",
    ),
    "unique_violation": Texts(
        mg="efa misy io sanda io[[ ao amin'ny {table}]][[ ({columns})]][[ : {values}]]",
        fr="cette valeur existe déjà[[ dans {table}]][[ ({columns})]][[ : {values}]]",
        en="duplicate value[[ in {table}]][[ ({columns})]][[: {values}]]",
    ),
    "not_null_violation": Texts(
        mg="tsy maintsy omena sanda ny tsanganana {columns}[[ ao amin'ny {table}]] (tsy azo atao null)",
        fr="la colonne {columns}[[ de {table}]] ne peut pas valoir NULL",
        en="column {columns}[[ of {table}]] cannot be null",
    ),
    "rows_have_null": Texts(
        mg="misy andalana tsy manana sanda ho an'ny tsanganana {columns}[[ ao amin'ny {table}]] ; omeo sanda "
        "fototra (DEFAULT) izy, na fenoy aloha ireo andalana ireo",
        fr="des lignes[[ de {table}]] n'ont pas de valeur pour la colonne {columns} ; donnez-lui une valeur par défaut "
        "(DEFAULT), ou remplissez-la d'abord",
        en="rows[[ of {table}]] have no value for column {columns}; give it a default (DEFAULT), or fill it first",
    ),
    "check_violation": Texts(
        mg="tsy mahafeno ny fepetra[[ {check}]][[ ao amin'ny {table}]] ny andalana[[ : {values}]]",
        fr="la ligne ne respecte pas la condition[[ {check}]][[ de {table}]][[ : {values}]]",
        en="the row does not satisfy the check[[ {check}]][[ of {table}]][[: {values}]]",
    ),
    "foreign_key_violation": Texts(
        mg="ho tapaka ny fanalahidy vahiny[[ an'ny {table}]][[ ({columns})]][[ mankany amin'ny {parent}]]"
        "[[ : tsy misy ao ny sanda {values}]]",
        fr="une clé étrangère[[ de {table}]][[ ({columns})]][[ vers {parent}]] ne serait plus respectée"
        "[[ : {values} n'y existe pas]]",
        en="a foreign key[[ of {table}]][[ ({columns})]][[ to {parent}]] would be broken[[: {values} is not there]]",
    ),
    "foreign_key_in_use": Texts(
        mg="mbola manondro io andalana io[[ ao amin'ny {table}]] ny {child} ; tsy azo fafana na ovaina izy",
        fr="des lignes de {child} font encore référence à cette ligne[[ de {table}]]",
        en="rows of {child} still refer to this row[[ of {table}]]",
    ),
    "division_by_zero": Texts(
        mg="tsy azo atao ny fizarana amin'ny aotra",
        fr="division par zéro",
        en="division by zero",
    ),
    "value_too_big": Texts(
        mg="lehibe loatra ny sanda iray",
        fr="une valeur est trop grande",
        en="a value is too big",
    ),
    "execution_failed": Texts(
        mg="tsy vitan'ny SQLite ilay baiko : {reason}",
        fr="SQLite n'a pas pu exécuter l'instruction : {reason}",
        en="SQLite could not run the statement: {reason}",
    ),
    "step_limit": Texts(
        mg="nihoatra ny fetran'ny dingana ny fanovana ka najanona ; tsy nisy niova",
        fr="l'écriture a dépassé le nombre d'étapes permis et a été arrêtée ; rien n'a changé",
        en="the write exceeded its work limit and was stopped; nothing was changed",
    ),
    "statement_timeout": Texts(
        mg="ela loatra ny baiko ka najanona",
        fr="l'instruction a duré trop longtemps et a été arrêtée",
        en="the statement took too long and was stopped",
    ),
    "cancelled": Texts(
        mg="nofoanana ny baiko araka ny nangatahina",
        fr="l'instruction a été annulée à la demande",
        en="the statement was cancelled on request",
    ),
    "read_overtaken": Texts(
        mg="najanona ny famakiana : be loatra ny voasoratra teo am-pamakiana (limits.walBytes) ; alefaso indray izy",
        fr="la lecture a été arrêtée : trop d'écritures ont eu lieu en même temps (limits.walBytes) ; relancez-la",
        en="the read was stopped: too much was written while it lasted (limits.walBytes); run it again",
    ),
    "entries_wait": Texts(
        mg="ny sary (snapshot) an'ny {name} no atao aloha ; mbola tsy nisy natao, andramo indray rehefa afaka kelikely",
        fr="un instantané de {name} passe d'abord ; rien n'a été fait, réessayez dans un instant",
        en="a snapshot of {name} goes first; nothing was done, try again in a moment",
    ),
    "result_too_large": Texts(
        mg="lehibe loatra ny valiny : mihoatra ny octet {limit}",
        fr="le résultat est trop grand : plus de {limit} octets",
        en="the result is too large: more than {limit} bytes",
    ),
    "storage_fault": Texts(
        mg="tsy nety ny fitahirizana ao amin'ny mpizara {node} : {reason}",
        fr="le stockage du nœud {node} a échoué : {reason}",
        en="storage failed on node {node}: {reason}",
    ),
}
