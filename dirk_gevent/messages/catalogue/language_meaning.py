"""The sentences of the language area about meaning: names, columns, domains, definitions."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

_GUESS_MG = "[[ ; {nearest} angaha ?]]"
_GUESS_FR = "[[ ; vouliez-vous dire {nearest} ?]]"
_GUESS_EN = "[[; did you mean {nearest}?]]"


def _unknown(mg: str, fr: str, en: str) -> Texts:
    """A name that is not known, with the nearest one that is."""
    return Texts(mg=mg + _GUESS_MG, fr=fr + _GUESS_FR, en=en + _GUESS_EN)


_NAMES: dict[str, Texts] = {
    "unknown_table": _unknown(
        "tsy misy ny tabilao {name}", "la table {name} n'existe pas", "table {name} does not exist"
    ),
    "unknown_view": _unknown("tsy misy ny jery {name}", "la vue {name} n'existe pas", "view {name} does not exist"),
    "unknown_index": _unknown(
        "tsy misy ny tondro {name}", "l'index {name} n'existe pas", "index {name} does not exist"
    ),
    "unknown_column": _unknown(
        "tsy misy ny tsanganana {name}", "la colonne {name} n'existe pas", "column {name} does not exist"
    ),
    "unknown_function": _unknown(
        "tsy misy ny fonction {name}", "la fonction {name} n'existe pas", "function {name} does not exist"
    ),
    "unknown_domain": _unknown(
        "tsy misy ny efitra {name}", "le domaine {name} n'existe pas", "domain {name} does not exist"
    ),
    "unknown_collation": Texts(
        mg="tsy misy ny COLLATE {name} (NOCASE, BINARY na RTRIM ihany)",
        fr="la collation {name} n'existe pas (NOCASE, BINARY ou RTRIM)",
        en="collation {name} does not exist (NOCASE, BINARY or RTRIM)",
    ),
    "unknown_constraint": Texts(
        mg="tsy misy ny CONSTRAINT {name}",
        fr="la contrainte {name} n'existe pas",
        en="constraint {name} does not exist",
    ),
    "unknown_window": Texts(
        mg="tsy misy ny WINDOW {name}",
        fr="la fenêtre {name} n'existe pas",
        en="window {name} does not exist",
    ),
    "ambiguous_column": Texts(
        mg="mety ho tsanganana maro ny {name} ; asio ny anaran'ny tabilao eo alohany",
        fr="la colonne {name} est ambiguë ; mettez le nom de sa table devant",
        en="column {name} is ambiguous; put its table's name before it",
    ),
    "duplicate_table": Texts(
        mg="efa misy tabilao na jery atao hoe {name}",
        fr="une table ou une vue {name} existe déjà",
        en="a table or view {name} already exists",
    ),
    "duplicate_domain": Texts(
        mg="efa misy efitra na tondro atao hoe {name}",
        fr="un domaine ou un index {name} existe déjà",
        en="a domain or index {name} already exists",
    ),
    "duplicate_column": Texts(
        mg="efa misy ny tsanganana {name}",
        fr="la colonne {name} existe déjà",
        en="column {name} already exists",
    ),
    "duplicate_alias": Texts(
        mg="tabilao roa no atao hoe {name} eto ; omeo solon'anarana ny iray",
        fr="deux tables s'appellent {name} ici ; donnez un alias à l'une des deux",
        en="two tables are called {name} here; give one of them an alias",
    ),
    "reserved_name": Texts(
        mg="natokana ho an'i DirkDB ny anarana {name}",
        fr="le nom {name} est réservé à DirkDB",
        en="the name {name} is reserved for DirkDB",
    ),
    "not_a_table": Texts(
        mg="jery ny {name} fa tsy tabilao ; tsy azo ovaina",
        fr="{name} est une vue, pas une table ; elle ne se modifie pas",
        en="{name} is a view, not a table; it cannot be changed",
    ),
    "view_not_dumped": Texts(
        mg="jery ny {name} fa tsy tabilao ; ao amin'ny soratry ny tahiry iray manontolo (dump tsy misy --table) no "
        "ahitana azy",
        fr="{name} est une vue, pas une table ; elle figure dans le script de la base entière (dump sans --table)",
        en="{name} is a view, not a table; it is in the script of the whole database (dump without --table)",
    ),
    "in_use": Texts(
        mg="tsy azo ravana ny {name} fa ampiasain'ny {user}",
        fr="{name} ne peut pas être supprimé : {user} l'utilise",
        en="{name} cannot be dropped: {user} uses it",
    ),
    "change_in_use": Texts(
        mg="tsy azo ovaina toy izany ny {name} fa hiova hevitra ny {user}, na tsy hisy dikany intsony",
        fr="{name} ne peut pas être changé ainsi : {user} n'aurait plus le même sens, ou n'en aurait plus aucun",
        en="{name} cannot be changed in this way: {user} would mean something else, or nothing any more",
    ),
}

_EXPRESSIONS: dict[str, Texts] = {
    "argument_count": Texts(
        mg="tsy mety ny isan'ny sanda omena ny fonction {name} (nahazo {found})",
        fr="nombre d'arguments incorrect pour la fonction {name} (reçus : {found})",
        en="wrong number of arguments for function {name} (got {found})",
    ),
    "aggregate_misplaced": Texts(
        mg="tsy azo atao eto ny fonction manangona (count, sum, …)",
        fr="une fonction d'agrégation (count, sum, …) n'est pas permise ici",
        en="an aggregate function (count, sum, …) is not allowed here",
    ),
    "window_misplaced": Texts(
        mg="tsy azo atao eto ny fonction misy OVER",
        fr="une fonction de fenêtre (OVER) n'est pas permise ici",
        en="a window function (OVER) is not allowed here",
    ),
    "window_needed": Texts(
        mg="mila OVER ( … ) ny fonction {name}",
        fr="la fonction {name} exige OVER ( … )",
        en="function {name} needs OVER ( … )",
    ),
    "not_an_aggregate": Texts(
        mg="tsy fonction manangona ny {name} ka tsy mandray {DISTINCT}, FILTER na OVER",
        fr="{name} n'est pas une fonction d'agrégation et n'accepte ni {DISTINCT}, ni FILTER, ni OVER",
        en="{name} is not an aggregate function, so it cannot take {DISTINCT}, FILTER or OVER",
    ),
    "having_without_group": Texts(
        mg="mila {GROUP_BY} na fonction manangona ny {HAVING}",
        fr="{HAVING} exige {GROUP_BY} ou une fonction d'agrégation",
        en="{HAVING} needs {GROUP_BY} or an aggregate function",
    ),
    "star_without_from": Texts(
        mg="mila « {FROM} » ny « * »",
        fr="« * » exige une clause {FROM}",
        en="“*” needs a {FROM} clause",
    ),
    "position_out_of_range": Texts(
        mg="tsy misy ny tsanganana faha-{position} : {count} ihany ny isan'ny tsanganana",
        fr="il n'y a pas de colonne numéro {position} : le résultat en a {count}",
        en="there is no column number {position}: the result has {count}",
    ),
    "limit_invalid": Texts(
        mg="isa manontolo tsy latsaky ny 0 no ilain'ny {LIMIT} sy ny {OFFSET}",
        fr="{LIMIT} et {OFFSET} exigent un nombre entier à partir de 0",
        en="{LIMIT} and {OFFSET} need a whole number from 0",
    ),
    "subquery_columns": Texts(
        mg="tokony ho {wanted} ny isan'ny tsanganan'ny fangatahana anatiny fa {found} no azo",
        fr="la sous-requête doit avoir {wanted} colonne(s), elle en a {found}",
        en="the subquery must have {wanted} column(s), it has {found}",
    ),
    "set_columns": Texts(
        mg="tsy mitovy ny isan'ny tsanganan'ireo fangatahana atambatra : {wanted} sy {found}",
        fr="les requêtes réunies n'ont pas le même nombre de colonnes : {wanted} et {found}",
        en="the combined queries differ in their number of columns: {wanted} and {found}",
    ),
    "values_width": Texts(
        mg="tsy mitovy ny isan'ny sanda isaky ny andalana : {wanted} sy {found}",
        fr="les lignes n'ont pas le même nombre de valeurs : {wanted} et {found}",
        en="the rows differ in their number of values: {wanted} and {found}",
    ),
    "column_count": Texts(
        mg="{found} ny isan'ny sanda omena nefa {wanted} ny isan'ny tsanganana",
        fr="{found} valeur(s) pour {wanted} colonne(s)",
        en="{found} value(s) for {wanted} column(s)",
    ),
    "column_twice": Texts(
        mg="indroa no omena sanda ny tsanganana {name}",
        fr="la colonne {name} reçoit deux valeurs",
        en="column {name} is given two values",
    ),
    "not_deterministic": Texts(
        mg="miankina amin'ny milina ny {name} (localtime, utc) : UTC ihany no ampiasaina",
        fr="{name} dépendrait de la machine (localtime, utc) : seul UTC est admis",
        en="{name} would depend on the machine (localtime, utc): only UTC is allowed",
    ),
}

_DEFINITIONS: dict[str, Texts] = {
    "not_supported": Texts(
        mg="tsy hain'i DirkDB izany[[ : {what}]]",
        fr="DirkDB ne prend pas cela en charge[[ : {what}]]",
        en="DirkDB does not support this[[: {what}]]",
    ),
    "unknown_vocabulary": Texts(
        mg="tsy azo adika ho {name} ny baiko ; misafidiana iray amin'ireto : {known}",
        fr="une instruction ne se traduit pas en {name} ; choisissez parmi : {known}",
        en="a statement cannot be translated to {name}; choose one of: {known}",
    ),
    "limit_missing": Texts(
        mg="mila {LIMIT} ny {ORDER_BY} eto",
        fr="{ORDER_BY} exige {LIMIT} ici",
        en="{ORDER_BY} needs {LIMIT} here",
    ),
    "other_database": Texts(
        mg="ny tahiry ampiasaina ihany no azon'ny baiko idirana ; soraty aloha : « {USE} {database}; », dia {name} "
        "fotsiny",
        fr="une instruction n'accède qu'à la base courante : tapez d'abord « {USE} {database}; », puis {name} sans "
        "préfixe",
        en="a statement reaches only the current database: type “{USE} {database};” first, then {name} alone",
    ),
    "generated_given": Texts(
        mg="kajiana ny tsanganana {name} ; tsy azo omena sanda",
        fr="la colonne {name} est calculée ; elle ne reçoit pas de valeur",
        en="column {name} is computed; it can't be given a value",
    ),
    "generated_invalid": Texts(
        mg="ny tsanganana kajiana {name} tsy maintsy avy amin'ny tsanganan'ny andalany ihany, ary tsy tokony hiova ny "
        "valiny",
        fr="la colonne calculée {name} ne peut dépendre que des colonnes de sa ligne, et toujours de la même façon",
        en="the computed column {name} can only depend on the columns of its own row, and always in the same way",
    ),
    "moment_not_kept": Texts(
        mg="tsy azo raketina ny valin'ny {name} raha ny ora amin'izao fotoana izao no omena azy (tsanganana kajiana, "
        "tondro)",
        fr="{name} ne peut pas utiliser l'heure courante quand son résultat est conservé (colonne calculée, index)",
        en="{name} cannot use the current time where its result is stored (a computed column, an index)",
    ),
    "not_repeatable": Texts(
        mg="miova isaky ny antsoina ny {name}, nefa raketin'ny {what} ny valiny",
        fr="{name} change d'une fois à l'autre, or {what} garde ce qui est calculé",
        en="{name} changes from one time to the next, and {what} keeps what it comes to",
    ),
    "generated_circular": Texts(
        mg="miankina amin'ny tenany ihany ny tsanganana kajiana {name}",
        fr="la colonne calculée {name} dépend d'elle-même",
        en="the computed column {name} depends on itself",
    ),
    "autoincrement_misplaced": Texts(
        mg="INTEGER fanalahidy ihany no azo asiana AUTOINCREMENT, fa tsy {name}",
        fr="AUTOINCREMENT ne va qu'avec INTEGER PRIMARY KEY, ce que {name} n'est pas",
        en="AUTOINCREMENT goes with INTEGER PRIMARY KEY only, which {name} is not",
    ),
    "not_explainable": Texts(
        mg="tsy azo atao amin'ny {EXPLAIN} ny {what} : fangatahana ({SELECT}, {VALUES}, {WITH}), {INSERT}, {UPDATE} sy "
        "{DELETE} ihany",
        fr="{EXPLAIN} ne s'applique pas à {what}, seulement à une requête ({SELECT}, {VALUES}, {WITH}), à {INSERT}, "
        "{UPDATE} ou {DELETE}",
        en="{EXPLAIN} does not work on {what}, only on a query ({SELECT}, {VALUES}, {WITH}), {INSERT}, {UPDATE} or "
        "{DELETE}",
    ),
    "invalid_domain": Texts(
        mg="tsy mety ny fetran'ny efitra {name}",
        fr="les bornes du domaine {name} ne conviennent pas",
        en="the bounds of domain {name} make no sense",
    ),
    "two_primary_keys": Texts(
        mg="fanalahidy voalohany iray ihany no azo atao amin'ny {name}",
        fr="{name} ne peut avoir qu'une clé primaire",
        en="{name} can have one primary key only",
    ),
    "foreign_key_invalid": Texts(
        mg="tokony ho fanalahidy na tokana ao amin'ny {table} ny tsanganana tondroina",
        fr="la clé étrangère doit désigner une clé primaire ou unique de {table}",
        en="a foreign key must refer to a primary key or unique columns of {table}",
    ),
    "missing_argument": Texts(
        mg="tsy nomena sanda ny {name}",
        fr="aucune valeur n'est donnée pour {name}",
        en="no value is given for {name}",
    ),
    "surplus_argument": Texts(
        mg="nomena sanda ny {name} nefa tsy ao amin'ny baiko izany",
        fr="l'instruction n'a pas de paramètre {name}",
        en="the statement has no parameter {name}",
    ),
    "argument_not_allowed": Texts(
        mg="tsy azo atao ao amin'ny famaritana ny « ? » sy ny « $anarana »",
        fr="ni « ? » ni « $nom » ne sont permis dans une définition",
        en="neither “?” nor “$name” is allowed in a definition",
    ),
    "too_many_values": Texts(
        mg="be loatra ny sanda omena (32 766 no fetra)",
        fr="trop de valeurs (32 766 au plus)",
        en="too many values (32,766 at most)",
    ),
}

#: Key -> sentences.
MEANING: dict[str, Texts] = {**_NAMES, **_EXPRESSIONS, **_DEFINITIONS}
