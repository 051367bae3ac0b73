"""The sentences of the language area about what a query can't say: names given twice, windows, recursion."""

from __future__ import annotations

from dirk_gevent.catalogue import Texts

#: Key -> sentences.
MISTAKES: dict[str, Texts] = {
    "duplicate_cte": Texts(
        mg="indroa ny anarana {name} ao amin'ny WITH",
        fr="WITH donne deux fois le nom {name}",
        en="WITH gives the name {name} twice",
    ),
    "recursion_invalid": Texts(
        mg="tsy azo kajiana ny {name} : indray mandeha, ao amin'ny FROM-n'ny SELECT aorian'ny UNION, no azo iantsoany"
        " ny tenany, tsy miaraka amin'ny asa manangona",
        fr="{name} ne peut pas se calculer ainsi : il se nomme une seule fois, dans le FROM d'un SELECT qui suit"
        " UNION, sans agrégation",
        en="{name} cannot be worked out like this: it may name itself once, in the FROM of a SELECT after UNION,"
        " without aggregates",
    ),
    "duplicate_window": Texts(
        mg="indroa ny varavarankely {name}",
        fr="la fenêtre {name} est définie deux fois",
        en="window {name} is defined twice",
    ),
    "frame_invalid": Texts(
        mg="tsy mety ny fetran'ny varavarankely : tsy mifarana alohan'ny fiantombohany izy, ary teny iray ao amin'ny"
        " ORDER BY no ilain'ny RANGE misy isa",
        fr="le cadre de la fenêtre ne convient pas : il ne finit pas avant son début, et RANGE avec un nombre"
        " demande un seul terme dans ORDER BY",
        en="the window's frame makes no sense: it must not end before it begins, and RANGE with a number needs"
        " exactly one ORDER BY term",
    ),
}
