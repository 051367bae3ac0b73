"""AST nodes of statements other than queries. `dirk_parser.ast` says what all nodes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from dirk_parser.ast.expression import DomainUnion, Expr, Literal, Name, OrderTerm, unplaced
from dirk_parser.ast.query import Item, Limit, Query, RowRange, Source, Star, TableRef, With

# --- statements that change rows ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assignment:
    """`a = e`, or `(a, b) = row`: then several columns."""

    columns: tuple[Name, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class Upsert:
    """ON CONFLICT [(target) [WHERE target_where]] DO NOTHING (no assignments) or DO UPDATE SET … [WHERE where]."""

    target: tuple[OrderTerm, ...] = ()
    target_where: Expr | None = None
    assignments: tuple[Assignment, ...] = ()
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class Insert:
    """INSERT. `source` None is DEFAULT VALUES. `conflict`: '' or the word after OR (replace, ignore, abort,
    fail, rollback; REPLACE INTO is replace)."""

    table: Name
    columns: tuple[Name, ...]
    source: Query | None
    alias: Name | None = None
    conflict: str = ""
    upserts: tuple[Upsert, ...] = ()
    returning: tuple[Item | Star, ...] = ()
    with_: With | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Update:
    """UPDATE table SET … [FROM sources] [WHERE …] [ORDER BY …] [LIMIT …]. `conflict` as in Insert."""

    table: TableRef
    assignments: tuple[Assignment, ...]
    sources: tuple[Source, ...] = ()
    where: Expr | None = None
    conflict: str = ""
    returning: tuple[Item | Star, ...] = ()
    order_by: tuple[OrderTerm, ...] = ()
    limit: Limit | RowRange | None = None
    with_: With | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE FROM table [WHERE …] [ORDER BY …] [LIMIT …]."""

    table: TableRef
    where: Expr | None = None
    returning: tuple[Item | Star, ...] = ()
    order_by: tuple[OrderTerm, ...] = ()
    limit: Limit | RowRange | None = None
    with_: With | None = None
    place: int = unplaced()


# --- definitions -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NotNull:
    """`tsy null` of a column."""

    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Default:
    """DEFAULT value (a literal, a signed literal, a constant, or any expression in parentheses or a call)."""

    value: Expr
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """CHECK (condition), of a column or of the table."""

    condition: Expr
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class PrimaryKey:
    """PRIMARY KEY; `columns` is empty when it stands in a column's definition."""

    columns: tuple[OrderTerm, ...] = ()
    descending: bool = False
    autoincrement: bool = False
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Unique:
    """UNIQUE; `columns` as in PrimaryKey."""

    columns: tuple[OrderTerm, ...] = ()
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """REFERENCES table (foreign_columns); `columns` is empty in a column's definition.

    `on_delete`, `on_update`: '', cascade, restrict, set null, set default, no action. `deferred`: DEFERRABLE INITIALLY
    DEFERRED; whatever else is said of that is how foreign keys are anyway.
    """

    columns: tuple[Name, ...]
    table: Name
    foreign_columns: tuple[Name, ...] = ()
    on_delete: str = ""
    on_update: str = ""
    deferred: bool = False
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Collation:
    """COLLATE name of a column."""

    collation: Name
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """[GENERATED ALWAYS] AS (value) [VIRTUAL | STORED] of a column: computed from its row, kept in it when `stored`."""

    value: Expr
    stored: bool = False
    name: Name | None = None


Constraint: TypeAlias = NotNull | Default | Check | PrimaryKey | Unique | ForeignKey | Collation | Generated


@dataclass(frozen=True, slots=True)
class ColumnDef:
    """A column of CREATE TABLE or ADD COLUMN; `domain` None: any value."""

    name: Name
    domain: DomainUnion | None = None
    constraints: tuple[Constraint, ...] = ()
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class CreateTable:
    """CREATE TABLE with columns and table constraints, or AS query (then `columns` is empty)."""

    name: Name
    columns: tuple[ColumnDef, ...]
    constraints: tuple[Constraint, ...] = ()
    query: Query | None = None
    optional: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class CreateDatabase:
    """CREATE DATABASE."""

    name: Name
    optional: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class CreateDomain:
    """CREATE DOMAIN name ( atoms ), also CREATE DOMAIN name AS atoms."""

    name: Name
    domain: DomainUnion
    optional: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class CreateView:
    """CREATE VIEW name [(columns)] AS query."""

    name: Name
    query: Query
    columns: tuple[Name, ...] = ()
    optional: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """CREATE [UNIQUE] INDEX name ON table (terms) [WHERE …]."""

    name: Name
    table: Name
    terms: tuple[OrderTerm, ...]
    unique: bool = False
    where: Expr | None = None
    optional: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Drop:
    """`kind`: database, table, domain, view, index. `optional` is IF EXISTS."""

    kind: str
    name: Name
    optional: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class AddColumn:
    """ALTER TABLE … ADD COLUMN."""

    column: ColumnDef


@dataclass(frozen=True, slots=True)
class DropColumn:
    """ALTER TABLE … DROP COLUMN."""

    name: Name


@dataclass(frozen=True, slots=True)
class RenameTable:
    """ALTER TABLE … RENAME TO."""

    name: Name


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """ALTER TABLE … RENAME old TO new."""

    old: Name
    new: Name


@dataclass(frozen=True, slots=True)
class AlterColumn:
    """ALTER TABLE … ALTER COLUMN name SET constraint, or DROP one of its class (`drops`; a Default's value is null)."""

    name: Name
    constraint: NotNull | Default
    drops: bool = False


@dataclass(frozen=True, slots=True)
class AddConstraint:
    """ALTER TABLE … ADD [CONSTRAINT name] constraint."""

    constraint: Constraint


@dataclass(frozen=True, slots=True)
class DropConstraint:
    """ALTER TABLE … DROP CONSTRAINT name."""

    name: Name


@dataclass(frozen=True, slots=True)
class RestartNumbers:
    """ALTER TABLE … AUTOINCREMENT = following."""

    following: Literal


Alteration: TypeAlias = (
    AddColumn | DropColumn | RenameTable | RenameColumn | AlterColumn | AddConstraint | DropConstraint
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlterTable:
    """ALTER TABLE."""

    table: Name
    action: Alteration | RestartNumbers
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Upkeep:
    """`verb`: reindex (of an index, a table or everything), analyze."""

    verb: str
    name: Name | None = None
    place: int = unplaced()


# --- the rest ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Show:
    """`what`: databases, tables, domains, views, indexes, servers, conflicts; of `table`: columns, and create table,
    create view, create domain, create index. `malagasy`: the words that it is asked in, for an answer in the same."""

    what: str
    table: Name | None = None
    malagasy: bool = field(default=False, compare=False)
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Describe:
    """DESCRIBE table-or-view."""

    name: Name
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN statement (`hazavao`; EXPLAIN QUERY PLAN is the same)."""

    statement: Statement
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Translate:
    """TRANSLATE [ho SQL | ho gasy] statement; `to`: sql (default), gasy."""

    statement: Statement
    to: str = "sql"
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Use:
    """USE database."""

    name: Name
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class SetLanguage:
    """SET LANGUAGE; `language.text` as written, not checked."""

    language: Name
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Begin:
    """BEGIN."""

    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Commit:
    """COMMIT."""

    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Rollback:
    """ROLLBACK."""

    place: int = unplaced()


Statement: TypeAlias = (
    Query | Insert | Update | Delete | CreateTable | CreateDatabase | CreateDomain | CreateView | CreateIndex | Drop
    | AlterTable | Upkeep | Show | Describe | Explain | Translate | Use | SetLanguage | Begin | Commit | Rollback
)  # fmt: skip
