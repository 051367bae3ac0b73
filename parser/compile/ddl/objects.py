"""The objects of a schema by the words that statements have for their kinds."""

from __future__ import annotations

from collections.abc import Mapping

from dirk_parser.ast.expression import Name
from dirk_parser.errors import SqlError
from dirk_parser.names import nearest
from dirk_parser.plan.plan import DdlPlan
from dirk_parser.schema.schema import Schema, Thing


def nothing(verb: str, kind: str, name: str) -> DdlPlan:
    """The plan of IF EXISTS and IF NOT EXISTS when there is nothing to do."""
    return DdlPlan((), (), verb, kind, name)


def things(schema: Schema, kind: str) -> Mapping[str, Thing]:
    """The tables, views, domains or indexes of `schema` by key; `kind` in the singular."""
    if kind == "table":
        return schema.tables
    if kind == "view":
        return schema.views
    return schema.domains if kind == "domain" else schema.indexes


def unknown(schema: Schema, kind: str, name: Name) -> SqlError:
    """The error for an object that is not there, with the nearest one that is."""
    names = [thing.name for thing in things(schema, kind).values()]
    error = {
        "table": "unknown_table",
        "view": "unknown_view",
        "domain": "unknown_domain",
        "index": "unknown_index",
    }
    return SqlError(error[kind], name=name.text, nearest=nearest(name.text, names), place=name.place)
