"""The engine's needs of the compiler: plans of statements, values to bind, schemas from catalog rows.

A protocol and its one real implementation, so that the engine's own tests may run on hand-written plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement, Value
from dirk_parser.plan.blocks import Blocks
from dirk_parser.plan.plan import CatalogChange, ChangePlan, Output, Plan, QueryPlan


class CompiledSchema(Protocol):
    """A database's objects at one version; frozen. The version is the log index of the last DDL that changed it."""

    @property
    def version(self) -> int:
        """The version it was loaded or changed at."""


class PlanSource(Protocol):
    """A cache of plans of one database; safe to use from any thread."""

    def plan(self, normalized: NormalizedStatement, schema: CompiledSchema, for_write: bool) -> Plan:
        """The plan of a statement against `schema`; the same object for the same template. Raises SqlError."""


    def is_settled_by_template(self, template: str) -> bool:
        """True when the plan last given for `template` is the same whatever the literals are."""


class Compiler(Protocol):
    """Statement text (already split) to SQLite's SQL and values."""

    def plans(self) -> PlanSource:
        """A new, empty cache of plans."""

    def load_schema(self, rows: Iterable[CatalogChange], version: int) -> CompiledSchema:
        """Catalog rows as a schema."""

    def change_schema(self, schema: CompiledSchema, changes: Iterable[CatalogChange], version: int) -> CompiledSchema:
        """`schema` after some changes; what they do not touch stays the same object, so that its plans stay good."""

    def bind(self, plan: QueryPlan | ChangePlan, normalized: NormalizedStatement, args: Args) -> tuple[Value, ...]:
        """Values for `?1 ?2 …`."""

    def rows(self, plan: ChangePlan, normalized: NormalizedStatement, args: Args) -> Iterator[tuple[Value, ...]]:
        """Values of each row of a `per_row` plan."""

    def blocks(self, plan: ChangePlan, normalized: NormalizedStatement) -> Blocks | None:
        """The same rows to be run several at a time; None where they must go one by one."""

    def columns(self, plan: QueryPlan | ChangePlan, normalized: NormalizedStatement) -> tuple[Output, ...]:
        """Result columns of one request."""

    def key(self, name: str) -> str:
        """A name as names compare: NFC and casefold."""
