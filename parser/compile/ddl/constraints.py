"""Constraints of a table that is there: how its definition changes when one comes or goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dirk_parser.ast.expression import Name
from dirk_parser.ast.statement import AlterColumn, ColumnDef, Constraint, CreateTable
from dirk_parser.errors import SqlError
from dirk_parser.names import key

#: From a table's definition to the new one; definitions of indexes stay as they are.
Rewrite = Callable[[Any], Any]


def column_rewrite(action: AlterColumn, column: str) -> Rewrite:
    """SET or DROP of NOT NULL or DEFAULT in the column of that key; what was said of the same before goes."""
    added = () if action.drops else (action.constraint,)

    def rewritten(each: ColumnDef) -> ColumnDef:
        if key(each.name.text) != column:
            return each
        kept = (constraint for constraint in each.constraints if not isinstance(constraint, type(action.constraint)))
        return replace(each, constraints=(*kept, *added))

    return _of_a_table(lambda tree: replace(tree, columns=tuple(map(rewritten, tree.columns))))


def adding_constraint(constraint: Constraint) -> Rewrite:
    """ADD CONSTRAINT."""
    return _of_a_table(lambda tree: replace(tree, constraints=(*tree.constraints, constraint)))


def dropping_constraint(name: Name) -> Rewrite:
    """DROP CONSTRAINT, of the table or of a column. The rewrite raises unknown_constraint (42704)."""

    def without(constraints: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
        return tuple(
            constraint
            for constraint in constraints
            if constraint.name is None or key(constraint.name.text) != key(name.text)
        )

    def rewritten(tree: CreateTable) -> CreateTable:
        columns = tuple(replace(column, constraints=without(column.constraints)) for column in tree.columns)
        rewritten_tree = replace(tree, columns=columns, constraints=without(tree.constraints))
        if rewritten_tree == tree:
            raise SqlError("unknown_constraint", name=name.text, place=name.place)
        return rewritten_tree

    return _of_a_table(rewritten)


def _of_a_table(change: Callable[[CreateTable], CreateTable]) -> Rewrite:
    return lambda tree: change(tree) if isinstance(tree, CreateTable) else tree
