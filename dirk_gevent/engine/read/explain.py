"""The answer of EXPLAIN: the plan's own tree, and below it SQLite's plan in the words of the statement."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dirk_gevent.engine.results import Row
from dirk_parser.plan.plan import Explained

_HEAD = "SQLite"
#: An alias that the compiler made, where SQLite names what it reads or makes.
_ALIAS = re.compile(r"^(SCAN|SEARCH|CO-ROUTINE|MATERIALIZE) ((?:dirk_)?t\d+)\b")


def explanation(explained: Explained, plan: Iterable[Row]) -> list[Row]:
    """One text a row. `plan` is what EXPLAIN QUERY PLAN gave: id, parent, (unused), detail; parents come first."""
    names = dict(explained.aliases)
    depths: dict[object, int] = {0: 0}
    below: list[Row] = []
    for number, parent, _, detail in plan:
        depths[number] = depth = depths.get(parent, 0) + 1
        shown = _ALIAS.sub(lambda found: f"{found[1]} {names.get(found[2], found[2])}", str(detail))
        below.append(("  " * depth + shown,))
    return [*((line,) for line in explained.tree), *([(_HEAD,), *below] if below else [])]
