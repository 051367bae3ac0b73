"""The sentences of the language area about meaning: names, columns, domains, definitions."""

from __future__ import annotations

from dirk_gevent.catalogue import Texts

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
        "tsy misy ny asa {name}", "la fonction {name} n'existe pas", "function {name} does not exist"
    ),
    "unknown_domain": _unknown(
        "tsy misy ny efitra {name}", "le domaine {name} n'existe pas", "domain {name} does not exist"
    ),
    "unknown_collation": Texts(
        mg="tsy misy ny filaharana {name} (NOCASE, BINARY na RTRIM ihany)",
        fr="le classement {name} n'existe pas (NOCASE, BINARY ou RTRIM)",
        en="collation {name} does not exist (NOCASE, BINARY or RTRIM)",
    ),
    "unknown_constraint": Texts(
        mg="tsy misy ny fepetra {name}",
        fr="la contrainte {name} n'existe pas",
        en="constraint {name} does not exist",
    ),
    "unknown_window": Texts(
        mg="tsy misy ny varavarankely {name}",
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
        mg="indroa ny tsanganana {name}",
        fr="la colonne {name} est définie deux fois",
        en="column {name} is defined twice",
    ),
    "duplicate_alias": Texts(
        mg="tabilao roa no atao hoe {name} eto ; omeo solon'anarana ny iray",
        fr="deux tables s'appellent {name} ici ; donnez un alias à l'une des deux",
        en="two tables are called {name} here; give one of them an alias",
    ),
    "reserved_name": Texts(
        mg="natokana ho an'ny DirkDB ny anarana {name}",
        fr="le nom {name} est réservé à DirkDB",
        en="the name {name} is reserved for DirkDB",
    ),
    "not_a_table": Texts(
        mg="jery ny {name} fa tsy tabilao ; tsy azo ovaina",
        fr="{name} est une vue, pas une table ; elle ne se modifie pas",
        en="{name} is a view, not a table; it cannot be changed",
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
        mg="tsy mety ny isan'ny sanda omena ny asa {name} ({found})",
        fr="nombre d'arguments incorrect pour la fonction {name} ({found})",
        en="wrong number of arguments for function {name} ({found})",
    ),
    "aggregate_misplaced": Texts(
        mg="tsy azo atao eto ny asa manangona (count, sum, …)",
        fr="une fonction d'agrégation (count, sum, …) n'a pas sa place ici",
        en="an aggregate function (count, sum, …) has no place here",
    ),
    "window_misplaced": Texts(
        mg="tsy azo atao eto ny asa misy OVER",
        fr="une fonction de fenêtre (OVER) n'a pas sa place ici",
        en="a window function (OVER) has no place here",
    ),
    "window_needed": Texts(
        mg="mila OVER ( … ) ny asa {name}",
        fr="la fonction {name} demande OVER ( … )",
        en="function {name} needs OVER ( … )",
    ),
    "not_an_aggregate": Texts(
        mg="tsy asa manangona ny {name} ka tsy mandray DISTINCT, FILTER na OVER",
        fr="{name} n'est pas une fonction d'agrégation : ni DISTINCT, ni FILTER, ni OVER",
        en="{name} is no aggregate function: it takes no DISTINCT, FILTER or OVER",
    ),
    "having_without_group": Texts(
        mg="mila VONDRONA na asa manangona ny MANANA",
        fr="HAVING demande GROUP BY ou une fonction d'agrégation",
        en="HAVING needs GROUP BY or an aggregate function",
    ),
    "star_without_from": Texts(
        mg="mila AO@ ny *",
        fr="* demande FROM",
        en="* needs a FROM",
    ),
    "position_out_of_range": Texts(
        mg="tsy misy ny tsanganana faha-{position} : {count} ny tsanganana",
        fr="il n'y a pas de colonne numéro {position} : le résultat en a {count}",
        en="there is no column number {position}: the result has {count}",
    ),
    "limit_invalid": Texts(
        mg="isa feno tsy latsaky ny 0 no ilain'ny fetra sy ny dingano",
        fr="LIMIT et OFFSET demandent un nombre entier à partir de 0",
        en="LIMIT and OFFSET need a whole number from 0",
    ),
    "subquery_columns": Texts(
        mg="tokony hanana tsanganana {expected} ny fangatahana anatiny fa {found} no azo",
        fr="la sous-requête doit avoir {expected} colonne(s), elle en a {found}",
        en="the subquery must have {expected} column(s), it has {found}",
    ),
    "set_columns": Texts(
        mg="tsy mitovy ny isan'ny tsanganana atambatra : {expected} sy {found}",
        fr="les requêtes réunies n'ont pas le même nombre de colonnes : {expected} et {found}",
        en="the combined queries differ in their number of columns: {expected} and {found}",
    ),
    "values_width": Texts(
        mg="tsy mitovy ny halavan'ny andalana : {expected} sy {found}",
        fr="les lignes de VALUES n'ont pas la même longueur : {expected} et {found}",
        en="the rows of VALUES differ in length: {expected} and {found}",
    ),
    "column_count": Texts(
        mg="sanda {found} no omena nefa tsanganana {expected} no andrasana",
        fr="{found} valeur(s) pour {expected} colonne(s)",
        en="{found} value(s) for {expected} column(s)",
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
        mg="tsy mbola hain'ny DirkDB[[ : {what}]]",
        fr="DirkDB ne sait pas faire cela[[ : {what}]]",
        en="DirkDB does not do this[[: {what}]]",
    ),
    "other_database": Texts(
        mg="ny tahiry ampiasaina ihany no azo lazaina : ampiasao {database} aloha, dia {name} irery",
        fr="une instruction n'atteint que la base en usage : USE {database} d'abord, puis {name} seul",
        en="a statement reaches only the database in use: USE {database} first, then {name} alone",
    ),
    "generated_given": Texts(
        mg="kajiana ny tsanganana {name} ; tsy azo omena sanda",
        fr="la colonne {name} est calculée ; elle ne reçoit pas de valeur",
        en="column {name} is computed; it can't be given a value",
    ),
    "generated_invalid": Texts(
        mg="ny tsanganana kajiana {name} dia avy amin'ny tsanganan'ny andalany ihany, ary tsy miova ny valiny",
        fr="la colonne calculée {name} ne peut dépendre que des colonnes de sa ligne, et toujours de la même façon",
        en="the computed column {name} can only depend on the columns of its own row, and always in the same way",
    ),
    "moment_not_kept": Texts(
        mg="tsy azo tehirizina ny valin'ny {name} raha ny ora izao no omena azy (tsanganana kajiana, tondro)",
        fr="{name} ne peut recevoir l'heure qu'il est là où la réponse est gardée (colonne calculée, index)",
        en="{name} can't be given the time now where the answer is kept (a computed column, an index)",
    ),
    "not_repeatable": Texts(
        mg="miova isaky ny antsoina ny {name}, nefa tehirizin'ny {what} ny valiny",
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
        mg="tsy azo hazavaina ny {what} : fangatahana (ALAIVO, SANDA, MIARAKA), MANAMPIA, HAVAOZY sy FAFAO ihany",
        fr="{what} ne s'explique pas : seulement une requête (SELECT, VALUES, WITH), INSERT, UPDATE et DELETE",
        en="{what} cannot be explained: only a query (SELECT, VALUES, WITH), INSERT, UPDATE and DELETE",
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
        mg="tsy fanalahidy na tokana ao amin'ny {table} ny tsanganana tondroina",
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
        fr="une valeur est donnée pour {name}, que l'instruction n'a pas",
        en="a value is given for {name}, which the statement does not have",
    ),
    "argument_not_allowed": Texts(
        mg="tsy azo atao eto ny ? sy ny $anarana",
        fr="ni ? ni $nom n'ont de place dans une définition",
        en="neither ? nor $name has a place in a definition",
    ),
    "too_many_values": Texts(
        mg="be loatra ny sanda omena (32 766 no fetra)",
        fr="trop de valeurs (32 766 au plus)",
        en="too many values (32,766 at most)",
    ),
}

#: Key -> sentences.
MEANING: dict[str, Texts] = {**_NAMES, **_EXPRESSIONS, **_DEFINITIONS}
