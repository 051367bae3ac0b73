"""The result of compiling a query: its text and its columns, and what these are called where others refer to them."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_parser.compile.base.scope import Field
from dirk_parser.compile.base.sql import UNSAFE_ANY, Expression, Unsafe
from dirk_parser.names import key
from dirk_parser.normalize.literals import Literals
from dirk_parser.normalize.normalizer import source_text
from dirk_parser.plan.plan import Output


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of a result. `first_literal` ≥ 0: `name` is source text with literals (see `plan.Output`).

    `has_name`: given by AS, or a column's own, so that ORDER BY may use it. `unsafe` as `Expression` has it.
    """

    name: str
    origin: str
    is_boolean: bool = False
    first_literal: int = -1
    expression: Expression | None = None
    has_name: bool = True
    unsafe: Unsafe = UNSAFE_ANY

    def output(self) -> Output:
        """This column as a plan tells it."""
        return Output(self.name, self.origin, self.is_boolean, self.first_literal)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A query in SQLite's SQL, its result columns, and the name of its relation (the first table of its FROM)."""

    sql: str
    columns: tuple[ResultColumn, ...]
    relation: str


def fields_of(literals: Literals, compiled: Compiled, prefix: str, origin: str) -> tuple[Field, ...]:
    """The columns c1, c2 … of a named query as an outer one sees them; `origin` '' keeps each column's own."""
    fields = []
    for number, column in enumerate(compiled.columns, 1):
        name = fixed_name(literals, column)
        text = f"{prefix}c{number}"
        fields.append(Field(name, key(name), text, origin or column.origin, column.is_boolean, unsafe=column.unsafe))
    return tuple(fields)


def fixed_name(literals: Literals, column: ResultColumn) -> str:
    """A column's name where others may refer to it: literals in it become part of the plan's key."""
    if column.first_literal < 0:
        return column.name
    first = column.first_literal
    count = column.name.count("'i'") + column.name.count("'r'") + column.name.count("'s'")
    literals.guard_texts(range(first, first + count))
    return source_text(column.name, first, literals.normalized)
