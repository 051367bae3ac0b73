"""The contents of one database: tables, views, domains and indexes, immutable, found by the key of their name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType

from dirk_parser.schema.domains import Atoms, Number


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or view, named as created.

    `atoms` is its domain (empty: any value), `domain` the domain's text. `rounding` is the NUMERIC(p, s) that
    values are rounded to. `default` is SQLite's text of the default value, None without one;
    `generated` that of what computes the column, None for a column that is given values.
    """

    name: str
    key: str
    is_boolean: bool = False
    atoms: Atoms = ()
    domain: str = ""
    not_null: bool = False
    default: str | None = None
    rounding: Number | None = None
    generated: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: `columns` of the table refer to `foreign_columns` of `table` (keys; none: its primary key), which
    may not be there yet. `cascades`: a change of that table may write to this one."""

    columns: tuple[str, ...]
    table: str
    foreign_columns: tuple[str, ...]
    cascades: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `source` is its DDL in DirkDB's SQL; `domains` are the keys of the named domains it uses.

    `unique`: column keys of each PRIMARY KEY and UNIQUE, the primary key first when there is one (`has_primary`).
    `numbered`: the key of the column that gets a number where none is given, '' without one; `sequenced`: no number
    comes twice.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    source: str
    domains: frozenset[str] = frozenset()
    unique: tuple[tuple[str, ...], ...] = ()
    has_primary: bool = False
    references: tuple[Reference, ...] = ()
    numbered: str = ""
    sequenced: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A view. `tables`: names, as created, of the tables and views that a read of it reads, itself first.

    `uses`: keys of what its own text names. `repeatable` is false when the clock or random takes part. One that
    `is_outdated` means nothing to this build: an earlier one made it. It has no columns, and can only be dropped.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    source: str
    tables: tuple[str, ...]
    uses: frozenset[str]
    repeatable: bool = True
    is_outdated: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """A named domain and the keys of the named domains in its text."""

    name: str
    key: str
    atoms: Atoms
    source: str
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Index:
    """An index on a table; `columns` are the keys of the columns it names anywhere.

    `key_columns`: those that it keeps unique in every row, which a foreign key may refer to; empty otherwise.
    """

    name: str
    key: str
    table: str
    source: str
    unique: bool = False
    columns: frozenset[str] = frozenset()
    key_columns: tuple[str, ...] = ()


_serials = count(1)
#: Anything that the catalog lists.
Thing = Table | View | Domain | Index


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything of one database by key. Tables and views share one space of names.

    `version` is the log index of the last DDL. Objects that a DDL did not touch stay the same objects, so that plans
    which use only them stay good. `serial` is no other schema's in this process: a version may come again with other
    objects (in another history of the log, after what was rolled back).
    """

    version: int = 0
    tables: Mapping[str, Table] = field(default_factory=lambda: MappingProxyType({}))
    views: Mapping[str, View] = field(default_factory=lambda: MappingProxyType({}))
    domains: Mapping[str, Domain] = field(default_factory=lambda: MappingProxyType({}))
    indexes: Mapping[str, Index] = field(default_factory=lambda: MappingProxyType({}))
    serial: int = field(default_factory=lambda: next(_serials), init=False, compare=False, repr=False)

    def referring(self) -> dict[str, list[Table]]:
        """The tables whose foreign keys refer to a table, by that one's key; one of its own counts."""
        children: dict[str, list[Table]] = {}
        for table in self.tables.values():
            for parent in dict.fromkeys(reference.table for reference in table.references):
                children.setdefault(parent, []).append(table)
        return children

    def relation(self, name_key: str) -> Table | View | None:
        """The table or view of that key."""
        return self.tables.get(name_key) or self.views.get(name_key)
