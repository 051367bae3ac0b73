"""TRANSLATE: a statement in the other vocabulary, or in standard SQL, as a relation of one text."""

from __future__ import annotations

from dirk_parser.ast.statement import Translate
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Output, QueryPlan
from dirk_parser.printer import printer

_RELATION = "fanasehoana"
#: Word after TO -> whether that is the Malagasy vocabulary.
_TARGETS = {"sql": False, "gasy": True, "malagasy": True, "mg": True}


def translate(context: Context, node: Translate) -> QueryPlan:
    """The statement as text; no name in it is looked up, so it needs no schema.

    The text is part of the plan, and the plan's key holds every literal. Raises unknown_vocabulary (22023) for a
    target that there is not, limit_invalid (2201W), not_supported (0A000) for what standard SQL can't say.
    """
    malagasy = _TARGETS.get(node.to)
    if malagasy is None:
        raise SqlError("unknown_vocabulary", name=node.to, known="SQL, malagasy", place=node.place)
    literals = context.literals
    for position in range(literals.count()):
        literals.value(position)
    # Columns may be called by how a literal is written.
    literals.guard_texts(range(literals.count()))
    text = printer.translate(node.statement, literals.normalized, malagasy)
    return QueryPlan(f"SELECT {sql.literal(text)}", (), (Output(_RELATION, _RELATION),), _RELATION, ())
