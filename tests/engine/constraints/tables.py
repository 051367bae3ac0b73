"""Tables over the cross product of column features, in DirkDB's SQL and in SQLite's own."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

#: How a table's key is made: given, two columns, numbered by itself, numbered and never twice.
KEYS = ("given", "pair", "numbered", "sequenced")
ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")
GENERATED = ("", "VIRTUAL", "STORED")
#: Of a table that refers to the one under test: none, or what its key does, and whether it may be null.
CHILDREN = ("", *(f"{action}{null}" for action in ACTIONS for null in ("", " NOT NULL")))
PARENTS = 6


@dataclass(frozen=True)
class Features:
    """What the tables of one run have. `own`: what a key of the table to itself does, '' without one."""

    key: str
    on_delete: str
    on_update: str
    generated: str
    own: str
    child: str
    partial_index: bool

    @property
    def is_numbered(self) -> bool:
        """Whether `id` may be left out."""
        return self.key in ("numbered", "sequenced")

    @property
    def is_bound_to_order(self) -> bool:
        """Whether a DELETE of several rows hangs on which goes first: RESTRICT looks at each row as it goes."""
        return self.own == "RESTRICT"


_CHOICES: tuple[tuple[Any, ...], ...] = (KEYS, ACTIONS, ACTIONS, GENERATED, ("", *ACTIONS), CHILDREN, (False, True))


def sampled(rng: random.Random, count: int) -> list[Features]:
    """`count` combinations in which every value of every feature occurs about equally often."""
    columns = []
    for choices in _CHOICES:
        column = [choices[number % len(choices)] for number in range(count)]
        rng.shuffle(column)
        columns.append(column)
    return [Features(*row) for row in zip(*columns, strict=True)]


def every_pair(rng: random.Random) -> list[Features]:
    """Combinations in which every two values of two features occur together at least once."""
    places = range(len(_CHOICES))
    missing = {
        ((one, first), (other, second))
        for one, other in combinations(places, 2)
        for first, second in product(_CHOICES[one], _CHOICES[other])
    }
    found = []
    while missing:
        row = dict(rng.choice(sorted(missing, key=repr)))
        for place in rng.sample(places, len(places)):
            if place not in row:
                row[place] = max(_CHOICES[place], key=lambda value, at=place: len(_pairs({**row, at: value}) & missing))
        missing -= _pairs(row)
        found.append(Features(*(row[place] for place in places)))
    return found


def _pairs(row: dict[int, Any]) -> set[tuple[tuple[int, Any], tuple[int, Any]]]:
    return set(combinations(sorted(row.items()), 2))


def columns(features: Features) -> list[str]:
    """The columns of `t` that are given values."""
    return ["id", "u", "c", "d", "e", "x", "y"] + (["s"] if features.own else [])


def setup(features: Features, is_plain: bool) -> list[str]:
    """The definitions and the first rows; `is_plain`: as SQLite alone wants them."""
    texts = [_parents(is_plain), _table(features, is_plain)]
    if features.child:
        action, _, null = features.child.partition(" NOT ")
        null = f"NOT {null}" if null else ""
        texts.append(
            f"CREATE TABLE w (id INTEGER PRIMARY KEY AUTOINCREMENT, r {_number(is_plain)} {null} DEFAULT 0"
            f" {_reference('t(u)', action, action, is_plain)}{_check('r', is_plain)})"
        )
    if features.partial_index:
        texts.append("CREATE UNIQUE INDEX late ON t (d) WHERE d > 15")
    texts += [f"INSERT INTO p VALUES ({number}, 'k{number}')" for number in range(1, PARENTS + 1)]
    return texts


def _parents(is_plain: bool) -> str:
    key = "id NOT NULL PRIMARY KEY" if is_plain else "id ISA PRIMARY KEY"
    return f"CREATE TABLE p ({key}, k TEXT UNIQUE{_check('id', is_plain)})"


def _reference(parent: str, on_delete: str, on_update: str, is_plain: bool) -> str:
    """A foreign key. SQLite alone gets it twice: where one is set to null, it lets a REPLACE or an upsert refer to a
    row that is not there, in whichever table; the one without actions it always looks at.
    """
    again = f" REFERENCES {parent}" if is_plain else ""
    return f"REFERENCES {parent} ON DELETE {on_delete} ON UPDATE {on_update}{again}"


def _table(features: Features, is_plain: bool) -> str:
    number = _number(is_plain)
    actions = features.on_delete, features.on_update
    parts = [
        _key(features, is_plain),
        f"u {number} NOT NULL UNIQUE",
        f"c {number} CHECK (c > 0)",
        "d CHECK (d IS NULL OR (typeof(d) IN ('integer', 'real') AND d BETWEEN 0 AND 20))"
        if is_plain
        else "d ISA(0, 20)",
        "e TEXT NOT NULL",
        f"x {number} DEFAULT 1 {_reference('p(id)', *actions, is_plain)}",
        f"y TEXT {_reference('p(k)', *actions, is_plain)}",
    ]
    if features.own:
        parts.append(f"s {number} {_reference('t(u)', features.own, features.own, is_plain)}")
    if features.generated:
        parts.append(f"g AS (c * 2) {features.generated}")
    if features.key == "pair":
        parts.append("PRIMARY KEY (id, u)")
    if features.generated:
        parts.append("UNIQUE (g)")
    checked = ["c", "x", "u"] if features.is_numbered else ["c", "x", "u", "id"]
    return f"CREATE TABLE t ({', '.join(parts)}{''.join(_check(name, is_plain) for name in checked)})"


def _key(features: Features, is_plain: bool) -> str:
    if features.key == "given":
        return "id NOT NULL PRIMARY KEY" if is_plain else "id ISA PRIMARY KEY"
    if features.key == "pair":
        return "id NOT NULL" if is_plain else "id ISA"
    return f"id INTEGER PRIMARY KEY{' AUTOINCREMENT' if features.key == 'sequenced' else ''}"


def _number(is_plain: bool) -> str:
    return "" if is_plain else "ISA"


def _check(name: str, is_plain: bool) -> str:
    """A number's domain, for SQLite."""
    return f", CHECK ({name} IS NULL OR typeof({name}) IN ('integer', 'real'))" if is_plain else ""
