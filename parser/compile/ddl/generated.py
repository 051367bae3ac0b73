"""Generated columns: what is computed from a row, in SQL that needs nothing but SQLite to be read again.

SQLite wants their functions deterministic, and ours that raise are not. So division is written without them, and gives
null at zero; a CHECK beside it computes the same with them, and refuses the row.
"""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.expression import ColumnRef
from dirk_parser.ast.statement import ColumnDef, Default, Generated, PrimaryKey
from dirk_parser.ast.walk import find_all
from dirk_parser.compile.base.context import Context
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.ddl.kept import COMPUTED, kept_expression, pure_expression
from dirk_parser.compile.query.sources import table_scope
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.schema import domains
from dirk_parser.schema.schema import Column

#: Errors of an expression that depends on more than its row.
_NOT_ITS_OWN = frozenset(("not_repeatable", "not_supported", "aggregate_misplaced", "window_misplaced"))


def generated_of(node: ColumnDef) -> Generated | None:
    """The expression that computes the column; None for a column that is given values."""
    return next((constraint for constraint in node.constraints if isinstance(constraint, Generated)), None)


def resolved(
    context: Context, given: tuple[ColumnDef, ...], columns: tuple[Column, ...], table: str
) -> tuple[Column, ...]:
    """`columns` of `table` with the text of what is computed in place.

    Raises generated_invalid and generated_circular (42P17), and what the expressions raise.
    """
    scope = table_scope(columns, table)
    pairs = zip(given, columns, strict=True)
    resolved_columns = tuple(resolved_column(context, node, column, scope) for node, column in pairs)
    if all(column.generated is not None for column in resolved_columns):
        raise SqlError("generated_invalid", name=columns[0].name, place=given[0].place)
    _check_circles(given)
    return resolved_columns


def resolved_column(context: Context, node: ColumnDef, column: Column, scope: Scope) -> Column:
    """`column` with the text of what is computed; `scope`: its table's. Raises generated_invalid, and what its value
    raises."""
    generated = generated_of(node)
    if generated is None:
        return column
    forbidden = (Default, PrimaryKey)
    if any(isinstance(constraint, forbidden) for constraint in node.constraints):
        raise SqlError("generated_invalid", name=column.name, place=node.place)
    try:
        compiled = pure_expression(context, COMPUTED, scope, generated.value)
    except SqlError as error:
        if error.key not in _NOT_ITS_OWN:
            raise
        raise SqlError("generated_invalid", name=column.name, place=generated.value.place) from error
    text = compiled.sql
    if column.rounding is not None:
        # What has too many digits is left to the domain's own CHECK.
        text = domains.rounded(column.rounding, text, beyond=text)
    is_boolean = column.is_boolean or (compiled.is_boolean and not column.atoms)
    return replace(column, generated=text, is_boolean=is_boolean)


def computed_from(given: tuple[ColumnDef, ...]) -> dict[str, frozenset[str]]:
    """By the keys of a table's computed columns: the columns that they are computed from, through others or not."""
    needs = _needs(given)
    computed: dict[str, frozenset[str]] = {}
    for name in needs:
        reached, waiting = set[str](), [name]
        while waiting:
            fresh = needs.get(waiting.pop(), set()) - reached
            reached |= fresh
            waiting += fresh
        computed[name] = frozenset(reached)
    return computed


def column_text(context: Context, node: ColumnDef, column: Column, scope: Scope) -> str:
    """The text behind the column's name in SQLite's text; '' for one that is given values."""
    generated = generated_of(node)
    if generated is None:
        return ""
    raising = kept_expression(context, COMPUTED, scope, generated.value).sql
    text = f" AS ({column.generated}) {'STORED' if generated.stored else 'VIRTUAL'}"
    return text + (f" CHECK (typeof({raising}) <> '')" if "dirk_" in raising else "")


# --- circles -------------------------------------------------------------------------------------------------


def _needs(given: tuple[ColumnDef, ...]) -> dict[str, set[str]]:
    """By the keys of computed columns: those that their expressions name."""
    return {
        key(node.name.text): {key(column_ref.name.text) for column_ref in find_all(generated.value, ColumnRef)}
        for node in given
        if (generated := generated_of(node)) is not None
    }


def _check_circles(given: tuple[ColumnDef, ...]) -> None:
    """Raises generated_circular for a column that is computed from itself, through others or not."""
    needs = _needs(given)
    users: dict[str, list[str]] = {}
    for name, wanted in needs.items():
        wanted.intersection_update(needs)
        for column in wanted:
            users.setdefault(column, []).append(name)
    settled = [name for name, wanted in needs.items() if not wanted]
    while settled:
        name = settled.pop()
        del needs[name]
        for user in users.get(name, ()):
            needs[user].discard(name)
            if not needs[user]:
                settled.append(user)
    for node in given:
        if key(node.name.text) in needs:
            raise SqlError("generated_circular", name=node.name.text, place=node.place)
