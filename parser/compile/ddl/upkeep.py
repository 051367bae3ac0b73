"""REINDEX and ANALYZE."""

from __future__ import annotations

from dirk_parser.ast.statement import Upkeep
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context
from dirk_parser.names import key
from dirk_parser.plan.plan import DdlPlan


def upkeep(context: Context, node: Upkeep) -> DdlPlan:
    """REINDEX of an index, a table or everything; ANALYZE, which leaves all as it is: statistics would let two nodes
    choose plans, and so orders of rows, that differ. Raises unknown_table."""
    if node.name is None:
        return DdlPlan(("REINDEX",) if node.verb == "reindex" else (), (), node.verb, "", "")
    index = context.schema.indexes.get(key(node.name.text))
    name = index.name if index is not None else context.table(node.name).name
    texts = (f"REINDEX {sql.name(name)}",) if node.verb == "reindex" else ()
    return DdlPlan(texts, (), node.verb, "", name)
