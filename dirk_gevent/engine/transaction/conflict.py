"""Conflicts between transactions: which tables decide what a statement does, and whether one has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import ChangePlan, Plan, QueryPlan

#: Among tables changed: some definition. Among tables touched: every table (a transaction that changes definitions).
EVERY_TABLE = "*"


def conflict(touched: Iterable[str], base_index: int, *changed: Mapping[str, int]) -> SqlError | None:
    """Why what was so at `base_index` is no longer so; None when nothing touched has changed after it.

    Each of `changed` tells the index that last changed a table. Definitions count as soon as anything was touched.
    """
    names = list(touched)
    if not names:
        return None
    if any(tables.get(EVERY_TABLE, 0) > base_index for tables in changed):
        return SqlError("definitions_changed")
    if EVERY_TABLE in names:
        names = sorted({name for tables in changed for name in list(tables)})
    for name in names:
        if any(tables.get(name, 0) > base_index for tables in changed):
            return SqlError("serialization_conflict", table=name)
    return None


def tables_of(plan: Plan) -> tuple[str, ...]:
    """The tables whose content or definition decides what a statement does."""
    if isinstance(plan, QueryPlan):
        return plan.tables
    return (*plan.reads, *plan.writes) if isinstance(plan, ChangePlan) else (EVERY_TABLE,)
