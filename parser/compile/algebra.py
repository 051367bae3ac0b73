"""A query or a change as a tree of relational algebra, for a reader: one line an operator, its inputs indented below.

σ keeps rows, π columns; ⋈ ⟕ ⟖ ⟗ × join; γ groups (keys; aggregates), ω adds windows, δ drops repeated rows;
∪ ⊎ − ∩ combine (⊎ keeps repeated rows); τ orders, λ limits (`λ [a, b)`: rows a up to but not including b), ρ renames,
≔ names a common table expression. A change is `t ← t ∪` (insert), `t ← t −` (delete) or `t ← t[a ≔ e]` (update),
with the rows that it adds, takes away or sets below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from dirk_parser.ast.expression import Call, OrderTerm
from dirk_parser.ast.query import (
    Body,
    Compound,
    Derived,
    Join,
    Limit,
    Query,
    RowRange,
    Select,
    Source,
    TableCall,
    TableRef,
    Values,
    With,
)
from dirk_parser.ast.statement import Assignment, Delete, Insert, Update
from dirk_parser.compile.expression.aggregates import gathering_calls
from dirk_parser.normalize.normalized_statement import Value
from dirk_parser.printer import printer

_SETS = {"union": "∪", "union all": "⊎", "except": "−", "intersect": "∩"}
_JOINS = {"inner": "⋈", "cross": "×", "left": "⟕", "right": "⟖", "full": "⟗"}


Change: TypeAlias = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class Operator:
    """One node of the tree; a leaf is a table."""

    label: str
    inputs: tuple[Operator, ...] = ()


def lines(statement: Query | Change, literals: Sequence[Value]) -> tuple[str, ...]:
    """The tree of `statement`, top operator first. Expressions are in standard SQL."""
    reader = _Reader(literals)
    root = reader.query(statement) if isinstance(statement, Query) else reader.change(statement)
    return tuple(_drawn(root))


def _drawn(operator: Operator) -> Iterator[str]:
    yield operator.label
    for number, operand in enumerate(operator.inputs, 1):
        is_last = number == len(operator.inputs)
        first, rest = ("└ ", "  ") if is_last else ("├ ", "│ ")
        for position, line in enumerate(_drawn(operand)):
            yield (rest if position else first) + line


class _Reader:
    """Makes operators of nodes."""

    def __init__(self, literals: Sequence[Value]) -> None:
        self._literals = literals

    def query(self, query: Query) -> Operator:
        """A whole query."""
        body = query.body
        operator = self._select(body, query.order_by) if isinstance(body, Select) else self._body(body)
        if query.order_by:
            operator = Operator(f"τ {self._list(query.order_by)}", (operator,))
        if query.limit is not None:
            operator = Operator(f"λ {self._limit(query.limit)}", (operator,))
        return self._with(query.with_, operator)

    def change(self, change: Change) -> Operator:
        """An INSERT, UPDATE or DELETE."""
        if isinstance(change, Insert):
            operator = self._insert(change)
        else:
            operator = self._source(change.table)
            if isinstance(change, Update) and change.sources:
                operator = Operator("×", (operator, *(self._source(source) for source in change.sources)))
            if change.where is not None:
                operator = Operator(f"σ {self._text(change.where)}", (operator,))
            if change.order_by:
                operator = Operator(f"τ {self._list(change.order_by)}", (operator,))
            if change.limit is not None:
                operator = Operator(f"λ {self._limit(change.limit)}", (operator,))
            name = change.table.name.text
            what = self._set(name, change.assignments) if isinstance(change, Update) else f"{name} −"
            operator = Operator(f"{name} ← {what}", (operator,))
        if change.returning:
            operator = Operator(f"π {self._list(change.returning)}", (operator,))
        return self._with(change.with_, operator)

    def _insert(self, insert: Insert) -> Operator:
        heads = f"({self._list(insert.columns)})" if insert.columns else ""
        name, conflict = insert.table.text, f" OR {insert.conflict.upper()}" if insert.conflict else ""
        for upsert in insert.upserts:
            done = self._set(name, upsert.assignments) if upsert.assignments else "NOTHING"
            target = f" ({self._list(upsert.target)})" if upsert.target else ""
            kept = f" σ {self._text(upsert.where)}" if upsert.where is not None else ""
            conflict += f" ON CONFLICT{target} {done}{kept}"
        source = self.query(insert.source) if insert.source is not None else Operator("DEFAULT VALUES")
        return Operator(f"{name} ← {name}{heads} ∪{conflict}", (source,))

    def _set(self, name: str, assignments: Sequence[Assignment]) -> str:
        said = (f"{self._list(assignment.columns)} ≔ {self._text(assignment.value)}" for assignment in assignments)
        return f"{name}[{', '.join(said)}]"

    def _with(self, with_: With | None, found: Operator) -> Operator:
        if with_ is None:
            return found
        named = tuple(Operator(f"{cte.name.text} ≔", (self.query(cte.query),)) for cte in with_.ctes)
        return Operator("WITH RECURSIVE" if with_.recursive else "WITH", (*named, found))

    def _body(self, body: Body) -> Operator:
        match body:
            case Select():
                return self._select(body, ())
            case Compound():
                return Operator(_SETS[body.op], (self._body(body.left), self._body(body.right)))
            case Query():
                return self.query(body)
            case Values():
                return Operator(f"VALUES ({len(body.rows)})")

    def _select(self, select: Select, order_by: tuple[OrderTerm, ...]) -> Operator:
        steps: list[str] = []
        if select.where is not None:
            steps.append(f"σ {self._text(select.where)}")
        calls = list(gathering_calls((select.items, select.having, order_by)))
        aggregates = self._distinct([call for call in calls if call.over is None])
        if select.group_by or aggregates:
            steps.append("γ " + "; ".join(part for part in (self._list(select.group_by), aggregates) if part))
        if select.having is not None:
            steps.append(f"σ {self._text(select.having)}")
        if windows := self._distinct([call for call in calls if call.over is not None]):
            steps.append(f"ω {windows}")
        steps.append(f"π {self._list(select.items)}")
        steps += ["δ"] if select.distinct else []
        operator = self._sources(select.sources) if select.sources else None
        for step in steps:
            operator = Operator(step, (operator,) if operator is not None else ())
        assert operator is not None
        return operator

    def _sources(self, sources: tuple[Source, ...]) -> Operator:
        operators = tuple(self._source(source) for source in sources)
        return operators[0] if len(operators) == 1 else Operator("×", operators)

    def _source(self, source: Source) -> Operator:
        match source:
            case TableRef():
                name = source.name.text
                return Operator(name) if source.alias is None else Operator(f"ρ {source.alias.text}", (Operator(name),))
            case TableCall():
                called = Operator(self._text(replace(source, alias=None)))
                return called if source.alias is None else Operator(f"ρ {source.alias.text}", (called,))
            case Derived():
                inner = self.query(source.query)
                return inner if source.alias is None else Operator(f"ρ {source.alias.text}", (inner,))
            case Join():
                return Operator(self._join(source), (self._source(source.left), self._source(source.right)))

    def _join(self, join: Join) -> str:
        if join.kind == "inner" and join.on is None and not join.using and not join.natural:
            return "×"
        said = ["NATURAL"] if join.natural and join.on is not None else []
        said += [self._text(join.on)] if join.on is not None else []
        said += [self._list(join.using)] if join.using else []
        return " ".join([_JOINS[join.kind], *said])

    def _limit(self, limit: Limit | RowRange) -> str:
        if isinstance(limit, RowRange):
            return f"[{self._text(limit.start)}, {self._text(limit.stop)})"
        return self._text(limit).removeprefix("LIMIT ")

    def _text(self, node: object) -> str:
        return printer.write_node(node, self._literals)

    def _list(self, found: Sequence[object]) -> str:
        return ", ".join(self._text(item) for item in found)

    def _distinct(self, calls: Sequence[Call]) -> str:
        return ", ".join(dict.fromkeys(self._text(call) for call in calls))
