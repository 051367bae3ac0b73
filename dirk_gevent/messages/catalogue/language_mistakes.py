"""The sentences of the language area about mistakes: names given twice, windows, recursion, JSON, patterns, limits."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

#: Key -> sentences.
MISTAKES: dict[str, Texts] = {
    "duplicate_cte": Texts(
        mg="indroa ny anarana {name} ao amin'ny WITH",
        fr="WITH donne deux fois le nom {name}",
        en="WITH gives the name {name} twice",
    ),
    "recursion_invalid": Texts(
        mg="tsy azo kajiana ny {name} : indray mandeha, ao amin'ny {FROM} an'ny {SELECT} aorian'ny {UNION}, no azo "
        "iantsoany"
        " ny tenany, tsy miaraka amin'ny fonction manangona",
        fr="{name} ne peut pas se calculer ainsi : il se nomme une seule fois, dans le {FROM} d'un {SELECT} qui suit"
        " {UNION}, sans agrégation",
        en="{name} cannot be worked out like this: it may name itself once, in the {FROM} of a {SELECT} after {UNION},"
        " without aggregates",
    ),
    "duplicate_window": Texts(
        mg="indroa ny WINDOW {name}",
        fr="la fenêtre {name} est définie deux fois",
        en="window {name} is defined twice",
    ),
    "frame_invalid": Texts(
        mg="tsy mety ny fetran'ny WINDOW : tsy mifarana alohan'ny fiantombohany izy, ary teny iray ao amin'ny"
        " {ORDER_BY} no ilain'ny RANGE misy isa",
        fr="le cadre de la fenêtre n'est pas valable : il ne finit pas avant son début, et RANGE avec un nombre"
        " exige un seul terme dans {ORDER_BY}",
        en="the window's frame is not valid: it must not end before it begins, and RANGE with a number needs"
        " exactly one {ORDER_BY} term",
    ),
    "recursion_unclear": Texts(
        mg="tsy azo kajiana io WITH RECURSIVE io : indray mandeha, ao amin'ny {FROM} an'ny {SELECT} aorian'ny "
        "{UNION}, no azo"
        " iantsoan'ny tabilao ny tenany",
        fr="ce WITH RECURSIVE ne peut pas se calculer : une table s'y nomme une seule fois, dans le {FROM} d'un "
        "{SELECT}"
        " qui suit {UNION}",
        en="this WITH RECURSIVE cannot be worked out: a table may name itself once, in the {FROM} of a {SELECT} after"
        " {UNION}",
    ),
    "frame_offset_invalid": Texts(
        mg="isa tsy latsaky ny 0 no ilain'ny fetran'ny WINDOW",
        fr="le cadre d'une fenêtre exige un nombre à partir de 0",
        en="the frame of a window needs a number from 0",
    ),
    "ntile_invalid": Texts(
        mg="isa manontolo manomboka amin'ny 1 no ilain'ny ntile",
        fr="ntile exige un nombre entier à partir de 1",
        en="ntile needs a whole number from 1",
    ),
    "nth_value_invalid": Texts(
        mg="isa manontolo manomboka amin'ny 1 no sanda faharoa ilain'ny nth_value",
        fr="nth_value exige comme second argument un nombre entier à partir de 1",
        en="the second argument of nth_value must be a whole number from 1",
    ),
    "row_misplaced": Texts(
        mg="tsy azo ampiasaina eto ny andalana toy ny (a, b), na tsy mitovy isa ny ao aminy",
        fr="une ligne comme (a, b) n'est pas permise ici, ou les deux côtés n'ont pas le même nombre de valeurs",
        en="a row such as (a, b) is not allowed here, or the two sides differ in their number of values",
    ),
    "name_of_index": Texts(
        mg="efa misy tondro atao hoe {name}",
        fr="un index {name} existe déjà",
        en="an index {name} already exists",
    ),
    "json_invalid": Texts(
        mg="tsy JSON marina ny lahatsoratra omena",
        fr="le texte donné n'est pas du JSON",
        en="the given text is not JSON",
    ),
    "json_path_invalid": Texts(
        mg="tsy lalana ao anaty JSON ny « {path} » : manomboka amin'ny « $ » izany, toy ny « $.a[0] »",
        fr="« {path} » n'est pas un chemin dans du JSON : il commence par « $ », comme « $.a[0] »",
        en="“{path}” is not a path into JSON: one begins with “$”, such as “$.a[0]”",
    ),
    "json_label_invalid": Texts(
        mg="lahatsoratra no ilaina ho anaran'ny singa ao amin'ny JSON",
        fr="le nom d'un membre d'objet JSON doit être un texte",
        en="the name of a member of a JSON object must be a text",
    ),
    "json_flags_invalid": Texts(
        mg="isa manontolo eo anelanelan'ny 1 sy 15 no sanda faharoa ilain'ny json_valid",
        fr="json_valid exige comme second argument un nombre entier de 1 à 15",
        en="the second argument of json_valid must be a whole number from 1 to 15",
    ),
    "escape_invalid": Texts(
        mg="tarehintsoratra iray ihany no azo omena ny ESCAPE",
        fr="ESCAPE exige un seul caractère",
        en="ESCAPE needs a single character",
    ),
    "pattern_too_long": Texts(
        mg="lava loatra ny lasitra omena ny LIKE na ny GLOB (octet 50 000 no fetra)",
        fr="le motif de LIKE ou GLOB est trop long (50 000 octets au plus)",
        en="the pattern of LIKE or GLOB is too long (50,000 bytes at most)",
    ),
    "cascade_too_deep": Texts(
        mg="mifampitohy loatra ny fiovana entin'ny fanalahidy vahiny (1 000 no fetra)",
        fr="les clés étrangères entraînent des changements en chaîne sur plus de 1 000 niveaux",
        en="foreign keys pass the change on through more than 1,000 levels",
    ),
    "view_outdated": Texts(
        mg="tsy azo vakina intsony ny jery[[ {name}]] noforonin'ny kinova taloha : {SHOW} {CREATE} {VIEW} no ahitana"
        " ny lahatsorany, {DROP} {VIEW} no andravana azy, ary {CREATE} {VIEW} no amoronana azy indray",
        fr="une vue[[, {name},]] qu'une version antérieure a créée ne se lit plus : {SHOW} {CREATE} {VIEW} en montre le"
        " texte, {DROP} {VIEW} la supprime, {CREATE} {VIEW} la refait",
        en="a view[[, {name},]] that an earlier release made cannot be read any more: {SHOW} {CREATE} {VIEW} tells its"
        " text, {DROP} {VIEW} removes it, {CREATE} {VIEW} makes it anew",
    ),
}
