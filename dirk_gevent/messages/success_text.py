"""The fixed texts of statements that succeeded: the same in every language, because clients match on them."""

from __future__ import annotations

_OBJECTS = {
    "database": "tahiry",
    "table": "tabilao",
    "domain": "efitra",
    "view": "jery",
    "index": "tondro",
}

_FIXED = {
    "begin": "Nanomboka ny asa",
    "commit": "Voatahiry ny asa",
    "rollback": "Naverina ny asa",
}


def success(verb: str, name: str = "", rows: int = 0) -> str:
    """The fixed text of a statement that succeeded; `OK` for one that answers with a relation.

    `verb` as in `dirk_parser.grammar.route.Route`; `name` is the database, object or language it was about;
    `rows` counts the rows that INSERT, UPDATE or DELETE changed.
    """
    if verb in ("insert", "update", "delete"):
        return f"Tafinditra ny fiovana ny tabilao ({rows})"
    if verb == "use":
        return f"Ny tahiry : {name} dia miasa ankehitriny"
    if verb == "set_language":
        return f"Ny fiteny : {name}"
    if verb in _FIXED:
        return _FIXED[verb]
    action, _, kind = verb.partition("_")
    thing = _OBJECTS.get(kind.partition("_")[0], "tabilao")
    if action == "create":
        return f"Ny {thing} : {name} dia voaforona soamantsara"
    if action == "drop":
        return f"Ny {thing} : {name} dia voarava"
    if action == "alter":
        return f"Ny {thing} : {name} dia voaova soamantsara"
    return "OK"
