"""Changes of the tables, most of them with a fault: a key that is there, a null, a value outside, a missing parent."""

from __future__ import annotations

import random
from dataclasses import dataclass

from dirk_parser.normalize.normalized_statement import Value
from tests.engine.constraints.oracle import Oracle
from tests.engine.constraints.tables import PARENTS, Features, columns

#: Rows of an INSERT: one, few, and as many as go into SQLite in blocks.
_ROWS = (1, 1, 1, 2, 3, 5, 12, 31)
_CONFLICTS = ("INSERT", "INSERT", "INSERT", "INSERT OR ABORT", "INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE")
_UPSERTS = (
    "ON CONFLICT DO NOTHING",
    "ON CONFLICT (u) DO NOTHING",
    "ON CONFLICT (u) DO UPDATE SET e = 'again', d = excluded.d",
    "ON CONFLICT (u) DO UPDATE SET x = 999",
    "ON CONFLICT (u) DO UPDATE SET e = NULL WHERE t.c > 20",
)


@dataclass(frozen=True)
class Statement:
    """One change, as both DirkDB and SQLite read it. `faults`: how many of its rows were made to break something."""

    text: str
    args: tuple[Value, ...] = ()
    faults: int = 1


def literal(value: Value) -> str:
    """A value as SQL writes it."""
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


class Changes:
    """Makes statements for tables with `features`; `oracle` tells what is in them now."""

    def __init__(self, rng: random.Random, features: Features, oracle: Oracle) -> None:
        self._rng = rng
        self._features = features
        self._oracle = oracle
        self._fresh = 100
        #: OR IGNORE passes over rows that break a constraint; a value outside its domain is refused all the same.
        self._spares_domains = False

    def statement(self) -> Statement:
        """The next change."""
        kinds = [self._insert] * 6 + [self._select, self._update, self._update, self._delete, self._parent]
        return self._rng.choice(kinds + ([self._child] if self._features.child else []))()

    def _insert(self) -> Statement:
        rng = self._rng
        head, tail = rng.choice(_CONFLICTS), ""
        if head == "INSERT" and rng.random() < 0.3:
            tail = f" {rng.choice(_UPSERTS)}"
        names = columns(self._features)
        is_plain = head in ("INSERT", "INSERT OR ABORT") and not tail
        if self._features.is_numbered and is_plain and rng.random() < 0.6:
            names = names[1:]
        self._spares_domains = head == "INSERT OR IGNORE"
        rows, faults = self._rows(rng.choice(_ROWS), names)
        self._spares_domains = False
        if rng.random() < 0.2:
            tail += f" RETURNING {rng.choice(('u', 'u, e, x', '*'))}"
        if len(rows) == 1 and rng.random() < 0.4:
            text, args = f"({', '.join('?' * len(names))})", tuple(rows[0])
        else:
            text, args = ", ".join(f"({', '.join(map(literal, row))})" for row in rows), ()
        return Statement(f"{head} INTO t ({', '.join(names)}) VALUES {text}{tail}", args, faults)

    def _select(self) -> Statement:
        rng, names = self._rng, columns(self._features)
        if rng.random() < 0.5:
            rows, faults = self._rows(rng.choice((1, 2, 3)), names)
            text = " UNION ALL ".join(f"SELECT {', '.join(map(literal, row))}" for row in rows)
            return Statement(f"INSERT INTO t ({', '.join(names)}) {text}", (), faults)
        shift = rng.choice((0, 1, 5000))
        own = ", s" if self._features.own else ""
        text = f"SELECT id + {shift}, u + {shift}, c + {shift}, NULL, e, x, y{own} FROM t ORDER BY u LIMIT 3"
        return Statement(f"INSERT INTO t ({', '.join(names)}) {text}", (), 3)

    def _update(self) -> Statement:
        rng, found = self._rng, self._oracle.values("t", "u")
        change = rng.choice(
            ("u = 7", "u = u + 1", "c = 0", "c = c - 20", "d = 21", "e = NULL", "e = 'w'", "x = 999", "y = 'none'",
             "x = 2, y = 'k3'", "d = 16", "id = 3", "c = 5", "u = u - 1000, e = 'far'")
        )  # fmt: skip
        # Whether a shift of all keys collides on its way hangs on the rows' order, which SQLite's own table has not.
        is_shift = "=" in change and change.partition(" = ")[2][:1] in ("u", "c")
        where = f" WHERE u = {rng.choice(found)}" if found and (is_shift or rng.random() < 0.7) else ""
        returning = " RETURNING u" if rng.random() < 0.15 else ""
        return Statement(f"UPDATE t SET {change}{where}{returning}", (), 2)

    def _delete(self) -> Statement:
        found = self._oracle.values("t", "u")
        # DirkDB's table has its rows in another order than SQLite's own.
        is_one = self._rng.random() < 0.9 or self._features.is_bound_to_order
        where = f" WHERE u = {self._rng.choice(found) if found else 0}" if is_one else ""
        return Statement(f"DELETE FROM t{where}", (), 2)

    def _parent(self) -> Statement:
        """A change of the table that others refer to: refused, or carried on to them."""
        rng = self._rng
        number = rng.randint(1, PARENTS + 1)
        kept = (
            f"UPDATE p SET id = id + 20 WHERE id = {number}",
            f"UPDATE p SET k = k || 'x' WHERE id = {number}",
            f"UPDATE p SET k = 'k1' WHERE id = {number}",
            f"INSERT INTO p VALUES ({number}, 'k{number}') ON CONFLICT (id) DO UPDATE SET k = 'up{number}'",
            f"INSERT OR IGNORE INTO p VALUES (1, 'k1'), (2, 'k2'), ({number}, 'k{number}'), (1, 'k9')",
        )
        gone = (
            f"DELETE FROM p WHERE id = {number}",
            f"REPLACE INTO p VALUES ({number}, 'k{number}')",
            f"REPLACE INTO p VALUES ({number}, 'new'), ({number + 1}, 'k{number}')",
            "DELETE FROM p WHERE id > 3 RETURNING id",
        )
        takes_several = self._features.on_delete == "CASCADE" and self._features.is_bound_to_order
        return Statement(rng.choice(kept if takes_several else kept + gone), (), 2)

    def _child(self) -> Statement:
        found = self._oracle.values("t", "u")
        given = [self._rng.choice((*found[-3:], 999_999)) for _ in range(self._rng.choice((1, 1, 2, 11)))]
        return Statement(f"INSERT INTO w (r) VALUES {', '.join(f'({one})' for one in given)}", (), len(given))

    # --- rows ------------------------------------------------------------------------------------------------

    def _rows(self, count: int, names: list[str]) -> tuple[list[list[Value]], int]:
        """Rows with at most one fault each, mostly one among them all; how many have one."""
        faulty = set(self._rng.sample(range(count), self._rng.choice((0, 1, 1, 1, 2)) if count > 1 else 1))
        if self._rng.random() < 0.25:
            faulty.clear()
        rows: list[dict[str, Value]] = []
        for number in range(count):
            rows.append(self._row(rows, names, number in faulty))
        return [[row[name] for name in names] for row in rows], len(faulty)

    def _row(self, before: list[dict[str, Value]], names: list[str], is_faulty: bool) -> dict[str, Value]:
        self._fresh += 10
        rng, fresh = self._rng, self._fresh
        known = [row["u"] for row in before] + self._oracle.values("t", "u")
        row: dict[str, Value] = {
            "id": fresh, "u": fresh, "c": fresh, "d": rng.choice((None, 0, 7, 15)), "e": rng.choice(("é", "x")),
            "x": rng.choice((None, *self._oracle.values("p", "id"))),
            "y": rng.choice((None, *self._oracle.values("p", "k"))), "s": rng.choice((None, fresh, *known[-2:])),
        }  # fmt: skip
        if is_faulty:
            # A number that is refused counts as given in SQLite: it must not be the highest.
            row["id"] = -fresh if self._features.is_numbered else fresh
            self._spoil(row, before, names)
        return row

    def _spoil(self, row: dict[str, Value], before: list[dict[str, Value]], names: list[str]) -> None:
        name = self._rng.choice([each for each in names if each != "c" or self._rng.random() < 0.5])
        there = [each[name] for each in before] + self._oracle.values("t", name)
        bad: dict[str, tuple[Value, ...]] = {
            "id": tuple(there[-3:]) if not self._features.is_numbered else tuple(self._oracle.values("t", "id")[:2]),
            "u": (*there[-3:], None, "text"), "c": (0, -1, *there[-2:]), "d": (21, -1, "seven", 16), "e": (None,),
            "x": (999, "k1"), "y": ("none",), "s": (999,),
        }  # fmt: skip
        if self._spares_domains:
            bad.update(u=(*there[-3:], None), d=(16,), x=(999,))
        if bad[name]:
            row[name] = self._rng.choice(bad[name])
