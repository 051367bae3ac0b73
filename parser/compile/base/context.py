"""One compilation's inputs and findings: schema, literals, parameters, tables read, whether answers repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from dirk_parser.ast.expression import Call, Name
from dirk_parser.ast.query import Query
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.result import Compiled
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.base.sql import Expression
from dirk_parser.compile.base.trace import Trace
from dirk_parser.errors import SqlError
from dirk_parser.names import key, nearest
from dirk_parser.normalize.literals import Literals
from dirk_parser.normalize.normalized_statement import Value
from dirk_parser.plan.bind import in_order
from dirk_parser.plan.plan import Bind
from dirk_parser.schema.domains import Named, built_in_names
from dirk_parser.schema.schema import Domain, Schema, Table, Thing, View

#: SQLite takes 32,766 variables; literals past this position are written into the SQL.
MAX_BOUND_LITERALS = 32_000
_MAX_VARIABLES = 32_766


class Tolerance(IntEnum):
    """The things no longer taken that a compilation lets pass: what an earlier build stored must still be read.

    RULES: what a statement may not say any more (`Context.refuse`). NAMES: what that build did not look at or took to
    mean something else, too (`Context.refuse_new`): good for a definition's columns, not for its SQL.
    """

    NONE = 0
    RULES = 1
    NAMES = 2


class QueryCompiler(Protocol):
    """The compiler of a whole query (`query.compile_query`)."""

    def __call__(
        self, context: Context, query: Query, parent: Scope | None, named: bool = False, first_row: bool = False
    ) -> Compiled: ...


@dataclass(frozen=True, slots=True)
class Compilers:
    """The compilers of function calls and whole queries, for the compilers that these are built on: an expression may
    hold either, FROM and WITH hold queries."""

    call: Callable[[Env, Call], Expression]
    query: QueryCompiler


@dataclass(slots=True)
class Purpose:
    """The purpose that an expression or a query is compiled for. None is changed, but frozen ones cost more than the
    rest of a `Context`.

    `for_write`: what it computes must come out the same on every node. `inline`: the text is kept by SQLite
    (views, CHECKs), so literals are written into it and parameters refused. `written`: literals alone are. `pure`:
    SQLite keeps it where it allows deterministic functions only, so none of ours is called that raises. `clause`: what
    it stands in, where SQLite takes no subquery; `kept`: what it comes to is kept, so it may not change with time.
    """

    for_write: bool = False
    inline: bool = False
    written: bool = False
    pure: bool = False
    clause: str = ""
    kept: bool = False
    tolerance: Tolerance = Tolerance.NONE


@dataclass(slots=True)
class Findings:
    """A compilation's findings about its statement.

    `reusable`: the plan is good for other requests of its template. `repeatable`: the answer does not change with time.
    `is_blind`: a name was let pass (`Tolerance.NAMES`). `found`: what each name of the schema was, by kind and key.
    `shown`: what tables are called in the statement, by the alias that the SQL gives them. `cells`: as `plan.Change`
    has them.
    """

    reusable: bool = True
    repeatable: bool = True
    is_blind: bool = False
    tables: dict[str, None] = field(default_factory=dict)
    uses: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    found: dict[tuple[str, str], Thing | None] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    cells: dict[str, int] = field(default_factory=dict)

    def shared(self) -> Findings:
        """The same collections with flags of their own."""
        return Findings(
            self.reusable, self.repeatable, self.is_blind, self.tables, self.uses,
            domains=self.domains, found=self.found, shown=self.shown, cells=self.cells,
        )  # fmt: skip


@dataclass(slots=True)
class Lookups:
    """Where names were found. `trace`: what each name of the text was found as, for those that ask. `named`: the scope
    of each column that was looked up so far. `gathered`: the scopes that an aggregate of a query inside belongs to.
    """

    trace: Trace | None = None
    named: list[Scope] = field(default_factory=list)
    gathered: list[Scope] = field(default_factory=list)


@dataclass(slots=True)
class Variables:
    """The numbers given so far: to aliases of tables, and to the arguments and literals that the SQL takes."""

    aliases: int = 0
    arguments: dict[Bind, int] = field(default_factory=dict)
    highest: int = 0

    def shared(self) -> Variables:
        """The same arguments with counters of their own."""
        return Variables(self.aliases, self.arguments, self.highest)

    def copied(self) -> Variables:
        """The same numbers, from here on given by another compilation."""
        return Variables(self.aliases, dict(self.arguments), self.highest)


@dataclass(slots=True)
class Context:
    """The state of compiling one statement, or a part of one."""

    schema: Schema
    literals: Literals
    compilers: Compilers
    purpose: Purpose = field(default_factory=Purpose)
    findings: Findings = field(default_factory=Findings)
    lookups: Lookups = field(default_factory=Lookups)
    variables: Variables = field(default_factory=Variables)

    def copied(self, purpose: Purpose) -> Context:
        """A context for a part of the statement that is compiled for `purpose`: what it finds goes into the same
        collections, but its flags and numbers are its own from here on."""
        findings, variables = self.findings.shared(), self.variables.shared()
        return Context(
            self.schema, self.literals, self.compilers, purpose,
            findings=findings, lookups=self.lookups, variables=variables,
        )  # fmt: skip

    def refuse(self, error: SqlError) -> None:
        """Raises `error`, unless a definition is read again that an earlier build took."""
        if self.purpose.tolerance < Tolerance.RULES:
            raise error

    def refuse_new(self, error: SqlError) -> None:
        """Raises `error`, unless a stored definition is read that is not to be made anew from it."""
        if self.purpose.tolerance < Tolerance.NAMES:
            raise error

    def must_repeat(self, name: str, place: int) -> None:
        """Refuses function `name`, whose answer changes with time, in what is kept (not_repeatable, 42P17)."""
        self.findings.repeatable = False
        if self.purpose.kept:
            self.refuse(SqlError("not_repeatable", what=self.purpose.clause, name=name, place=place))

    # --- names of the schema ---

    def relation(self, name: str) -> Table | View | None:
        """The table or view called `name`, noted as something the plan depends on."""
        name_key = key(name)
        table = self.schema.tables.get(name_key)
        self.findings.found["table", name_key] = table
        if table is not None:
            return table
        view = self.schema.views.get(name_key)
        self.findings.found["view", name_key] = view
        return view

    def table(self, name: Name) -> Table:
        """The table called `name`. Raises unknown_table, or not_a_table (42809) for a view."""
        relation = self.relation(name.text)
        if relation is None:
            raise self.unknown_table(name)
        if isinstance(relation, View):
            raise SqlError("not_a_table", name=relation.name, place=name.place)
        return relation

    def unknown_table(self, name: Name) -> SqlError:
        """The error for a table that is not there, with the nearest one that is."""
        names = [table.name for table in self.schema.tables.values()]
        names += [view.name for view in self.schema.views.values()]
        return SqlError("unknown_table", name=name.text, nearest=nearest(name.text, names), place=name.place)

    def domain(self, name: str) -> Named:
        """The named domain `name`. Raises unknown_domain (42704)."""
        name_key = key(name)
        named_domain: Domain | None = self.schema.domains.get(name_key)
        self.findings.found["domain", name_key] = named_domain
        if named_domain is None:
            names = [domain.name for domain in self.schema.domains.values()]
            names += [word.upper() for word in built_in_names()]
            raise SqlError("unknown_domain", name=name, nearest=nearest(name, names))
        self.findings.domains.add(name_key)
        return Named(named_domain.name, named_domain.atoms)

    def read(self, relation: Table | View) -> None:
        """Notes that the statement reads `relation`, and all that a view reads."""
        self.findings.uses.add(relation.key)
        if isinstance(relation, View):
            self.findings.tables.update(dict.fromkeys(relation.tables))
            self.findings.repeatable = self.findings.repeatable and relation.repeatable
        else:
            self.findings.tables[relation.name] = None

    # --- text of the statement ---

    def alias(self) -> str:
        """A fresh name for a table of a FROM, so that SQLite's own name rules never apply."""
        self.variables.aliases += 1
        return f"t{self.variables.aliases}"

    def literal(self, position: int) -> str:
        """The literal as a parameter, or written out where SQLite keeps the text or the number is too high."""
        if self.purpose.inline or self.purpose.written or position >= MAX_BOUND_LITERALS:
            return sql.literal(self.literals.value(position))
        self.variables.highest = max(self.variables.highest, position + 1)
        return f"?{position + 1}"

    def argument(self, bind: Bind) -> str:
        """A `?` or `$name` argument as a parameter."""
        if self.purpose.inline:
            raise SqlError("argument_not_allowed")
        number = self.variables.arguments.setdefault(bind, self._bound_literals() + len(self.variables.arguments) + 1)
        if number > _MAX_VARIABLES:
            raise SqlError("too_many_values")
        return f"?{number}"

    def value(self, value: Value) -> str:
        """A value known now, written into the SQL."""
        return sql.literal(value)

    def binds(self) -> tuple[Bind, ...]:
        """The values that `?1 ?2 …` of the finished SQL take."""
        if not self.variables.arguments:
            return in_order(self.variables.highest)
        return (*range(self._bound_literals()), *self.variables.arguments)

    def _bound_literals(self) -> int:
        return min(self.literals.count(), MAX_BOUND_LITERALS)


@dataclass(frozen=True, slots=True)
class Env:
    """Where an expression is compiled: the statement's context and the names in reach."""

    context: Context
    scope: Scope


def must_be_understood(found: Table | View, name: Name) -> None:
    """Refuses a view of an earlier build that means nothing any more (view_outdated, 55000)."""
    if isinstance(found, View) and found.is_outdated:
        raise SqlError("view_outdated", name=found.name, place=name.place)
