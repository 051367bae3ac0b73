"""Plans: what SQLite is given for a query, a change or a DDL, and what the engine must know of each.

Plans are immutable and shared between sessions: one serves all requests of a template that agree in the literals which
the compiler looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Where a parameter's value comes from: n ≥ 0 is the request's n-th literal, n < 0 the (−n)-th `?` argument
#: (from 1), a text the `$name` argument of that name.
Bind = int | str


@dataclass(frozen=True, slots=True)
class Output:
    """One result column: its name, the nearest table or view named in FROM, and whether 1/0 print as true/false.

    `first_literal` ≥ 0: `name` is the column's source text in the template, with a literal in it, and that is the
    index of the first one (only in plans; `dirk_parser.plan.bind.columns` gives each request its own name).
    """

    name: str
    origin: str
    is_boolean: bool = False
    first_literal: int = -1


@dataclass(frozen=True, slots=True)
class Explained:
    """The facts of EXPLAIN before SQLite is asked: the lines of the algebra's tree, and the tables that SQLite's plan
    will call by aliases: (alias, the name it has in the statement)."""

    tree: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A read, ready for SQLite: `sql` has only numbered parameters `?1 ?2 …`, made by `dirk_parser.plan.bind.bind`.

    `columns` may hold names with literal markers; `dirk_parser.plan.bind.columns` makes the names of one request.
    `relation` is the answer's name. `tables`: base tables and views read (as created). `repeatable` is false
    when random or the clock takes part, so that no cache keeps the answer. `explained`: the SQL is EXPLAIN QUERY
    PLAN; its rows are not the answer but become lines of it.
    """

    sql: str
    binds: tuple[Bind, ...]
    columns: tuple[Output, ...]
    relation: str
    tables: tuple[str, ...]
    repeatable: bool = True
    static_names: bool = True
    explained: Explained | None = None

    @property
    def may_stay_prepared(self) -> bool:
        """True when SQLite's prepared form of it may serve again. SQLite prepares it anew by itself when the schema has
        changed, but for EXPLAIN, whose prepared form is the plan of then."""
        return self.explained is None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign key: `columns` of the changed table refer to `parent_columns` of `parent`. Names as created."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """INSERT, UPDATE or DELETE. `per_row`: run once for each row of `bind.rows` (executemany); else once, with
    `bind.bind`. `reads` and `writes`: base tables, as created. `table` as created. `row_at`: where in `sql` its one row
    stands, to the end, if a statement with more of them does the same (`blocks`); else -1.

    `cascades`: foreign keys may pass it on from row to row, without a bound; SQLite does not undo it where that ends.

    `rows_sql`, which takes the first `row_binds` of the values, gives rows for `sql`, which takes all values and those
    of one row; '' when `sql` stands by itself.

    For errors: `cells` are (column, position among the bound values) of what one row is given as it stands;
    `parents` the table's foreign keys, `children` the tables that refer to it, unless nothing of it goes.
    """

    sql: str
    binds: tuple[Bind, ...]
    verb: str
    table: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    per_row: bool = False
    returning: tuple[Output, ...] = ()
    static_names: bool = True
    cells: tuple[tuple[str, int], ...] = ()
    parents: tuple[Foreign, ...] = ()
    children: tuple[str, ...] = ()
    row_at: int = -1
    cascades: bool = False
    rows_sql: str = ""
    row_binds: int = 0


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """One row of the catalog made (`source` is the object's DDL in DirkDB's own SQL) or removed (`source` None).

    `kind`: table, view, domain, index. `name` as shown; `key` = NFC + casefold of it.
    """

    kind: str
    key: str
    name: str
    source: str | None


@dataclass(frozen=True, slots=True)
class DdlPlan:
    """CREATE, DROP or ALTER inside a database: SQLite statements and catalog changes, all or nothing.

    With `sql` empty and no `catalog`, nothing is to be done (IF EXISTS / IF NOT EXISTS); it still succeeds.
    `rebuilds`: a table is made anew, so foreign keys are not looked at, nor their actions taken, while `sql` runs.
    `checks`: the table whose rows must fulfil its foreign keys afterwards; '' for none.
    """

    sql: tuple[str, ...]
    catalog: tuple[CatalogChange, ...]
    verb: str
    kind: str
    name: str
    rebuilds: bool = False
    checks: str = ""


Plan = QueryPlan | ChangePlan | DdlPlan
