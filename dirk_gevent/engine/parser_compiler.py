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
from dirk_parser.normalize.template import Args, Shaped, Value
from dirk_parser.plan.blocks import Blocks
from dirk_parser.plan.plan import CatalogChange, Change, Output, Query


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

    def bind(self, plan: Query | Change, shaped: Shaped, args: Args) -> tuple[Value, ...]:
        """Values for `?1 ?2 …`."""
        return dirk_parser.plan.bind.bind(plan.binds, shaped, args)

    def rows(self, plan: Change, shaped: Shaped, args: Args) -> Iterator[tuple[Value, ...]]:
        """Values of each row of a `per_row` plan."""
        return dirk_parser.plan.bind.rows(plan, shaped, args)

    def blocks(self, plan: Change, shaped: Shaped) -> Blocks | None:
        """The same rows to be run several at a time; None where they must go one by one."""
        return dirk_parser.plan.blocks.blocks(plan, shaped)

    def columns(self, plan: Query | Change, shaped: Shaped) -> tuple[Output, ...]:
        """Result columns of one request."""
        return dirk_parser.plan.bind.columns(plan, shaped)

    def key(self, name: str) -> str:
        """A name as names compare."""
        return dirk_parser.names.key(name)
