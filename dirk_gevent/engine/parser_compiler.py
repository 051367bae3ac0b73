"""The real compiler: the parser package behind the engine's `Compiler`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import dirk_parser.compile.ddl.catalog
import dirk_parser.compile.plans
import dirk_parser.grammar.statements
import dirk_parser.names
import dirk_parser.plan.bind
import dirk_parser.plan.blocks
import dirk_parser.schema.schema
from dirk_gevent.engine.compiler import CompiledSchema, PlanSource
from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement, Value
from dirk_parser.plan.blocks import Blocks
from dirk_parser.plan.plan import CatalogChange, ChangePlan, Output, QueryPlan


class ParserCompiler:
    """Plans by `dirk_parser.compile.plans`. All databases share one cache of parsed statements."""

    def __init__(self) -> None:
        self._statements = dirk_parser.grammar.statements.Statements()

    def plans(self) -> PlanSource:
        """A new, empty cache of plans."""
        return cast(PlanSource, dirk_parser.compile.plans.Plans(self._statements))

    def load_schema(self, rows: Iterable[CatalogChange], version: int) -> CompiledSchema:
        """Catalog rows as a schema."""
        return dirk_parser.compile.ddl.catalog.load_schema(rows, version)

    def change_schema(self, schema: CompiledSchema, changes: Iterable[CatalogChange], version: int) -> CompiledSchema:
        """`schema` after some changes."""
        return dirk_parser.compile.ddl.catalog.change_schema(
            cast(dirk_parser.schema.schema.Schema, schema), changes, version
        )

    def bind(self, plan: QueryPlan | ChangePlan, normalized: NormalizedStatement, args: Args) -> tuple[Value, ...]:
        """Values for `?1 ?2 …`."""
        return dirk_parser.plan.bind.bind(plan.binds, normalized, args)

    def rows(self, plan: ChangePlan, normalized: NormalizedStatement, args: Args) -> Iterator[tuple[Value, ...]]:
        """Values of each row of a `per_row` plan."""
        return dirk_parser.plan.bind.rows(plan, normalized, args)

    def blocks(self, plan: ChangePlan, normalized: NormalizedStatement) -> Blocks | None:
        """The same rows to be run several at a time; None where they must go one by one."""
        return dirk_parser.plan.blocks.blocks(plan, normalized)

    def columns(self, plan: QueryPlan | ChangePlan, normalized: NormalizedStatement) -> tuple[Output, ...]:
        """Result columns of one request."""
        return dirk_parser.plan.bind.columns(plan, normalized)

    def key(self, name: str) -> str:
        """A name as names compare."""
        return dirk_parser.names.key(name)
