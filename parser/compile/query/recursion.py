"""The forms of a query that reads its own table: the same as SQLite can run.

`start UNION [ALL] step [UNION [ALL] step …]`: the steps come last, and each names the table once, in its own FROM.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from dirk_parser.ast.query import Body, Compound, Cte, Join, Query, Select, Source, TableRef
from dirk_parser.compile.base.context import Context
from dirk_parser.compile.expression.aggregates import gathering_calls
from dirk_parser.errors import SqlError
from dirk_parser.names import key

_UNIONS = ("union", "union all")


def leftmost(body: Body) -> Body:
    """The query that a recursive one starts from, and takes its columns from."""
    while isinstance(body, Compound):
        body = body.left
    return body


def names(node: object, name: str) -> bool:
    """True when a tree names the table with the key `name`, but where a WITH inside has given the name to another."""
    return next(_references(node, name), None) is not None


def check_recursion(context: Context, cte: Cte) -> None:
    """Raises recursion_invalid (42P19) for a query, which names its own table, that can't be worked out."""
    name, query = key(cte.name.text), cte.query
    steps = list(_steps(query.body, name))
    is_good = (
        bool(steps)
        and len({op for op, _ in steps}) == 1
        and not names((query.with_, query.order_by, query.limit), name)
        and all(op in _UNIONS and _is_step(arm, name) for op, arm in steps)
    )
    if not is_good:
        place = next((reference.place for reference in _references(query, name)), cte.name.place)
        context.refuse(SqlError("recursion_invalid", name=cte.name.text, place=place))


def _steps(body: Body, name: str) -> Iterator[tuple[str, Body]]:
    """From the last arm of a chain back to the first that names the table; none where what starts it does."""
    steps: list[tuple[str, Body]] = []
    waiting: list[tuple[str, Body]] = []
    while isinstance(body, Compound):
        waiting.append((body.op, body.right))
        if names(body.right, name):
            steps += waiting
            waiting = []
        body = body.left
    return iter(() if names(body, name) else steps)


def _is_step(arm: Body, name: str) -> bool:
    """True when an arm names the table once, right in its FROM, and puts no rows together."""
    if not isinstance(arm, Select) or len(list(_references(arm, name))) != 1:
        return False
    gathers = bool(arm.group_by) or next(gathering_calls((arm.items, arm.having)), None) is not None
    own = [table for source in arm.sources for table in _tables(source)]
    return not gathers and any(key(reference.name.text) == name for reference in own)


def _tables(source: Source) -> Iterator[TableRef]:
    """The tables of one item of FROM that stand in no parentheses behind a JOIN."""
    while isinstance(source, Join):
        if isinstance(source.right, TableRef):
            yield source.right
        source = source.left
    if isinstance(source, TableRef):
        yield source


def references(node: object) -> Iterator[TableRef]:
    """Every table that a tree names, in no set order, but those that a WITH inside it makes. No recursion: chains are
    long."""
    waiting: list[tuple[object, frozenset[str]]] = [(node, frozenset())]
    while waiting:
        node, own = waiting.pop()
        if isinstance(node, TableRef) and key(node.name.text) not in own:
            yield node
        if isinstance(node, Query) and node.with_ is not None:
            own = own | {key(cte.name.text) for cte in node.with_.ctes}
        if isinstance(node, tuple):
            waiting += [(item, own) for item in node]
        elif is_dataclass(node):
            waiting += [(getattr(node, field.name), own) for field in fields(node)]


def _references(node: object, name: str) -> Iterator[TableRef]:
    return (reference for reference in references(node) if key(reference.name.text) == name)
