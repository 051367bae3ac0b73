"""The names that printing gives to columns which had only their text for one."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from dirk_parser.ast.expression import ColumnRef
from dirk_parser.ast.query import Item
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import column_name


def as_it_was(tree: Any, again: Any, normalized: NormalizedStatement) -> Any:
    """`again`, what `tree` was printed as, without the names it got on the way. Fails for one that is another than the
    column had."""
    is_item = isinstance(tree, Item) and isinstance(again, Item)
    if is_item and tree.alias is None and again.alias is not None:
        assert again.alias.text == column_name(tree.source, tree.first_literal, normalized)
        assert not isinstance(tree.expr, ColumnRef)
        again = replace(again, alias=None)
    if isinstance(tree, tuple) and isinstance(again, tuple) and len(tree) == len(again):
        return tuple(as_it_was(mine, other, normalized) for mine, other in zip(tree, again, strict=True))
    if not is_dataclass(tree) or isinstance(tree, type) or type(tree) is not type(again):
        return again
    names = [each.name for each in fields(tree)]
    parts = {name: as_it_was(getattr(tree, name), getattr(again, name), normalized) for name in names}
    return replace(again, **parts)
