"""A query whose rows are answered as the language writes them: to be the rows of an INSERT, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import apsw

from dirk_gevent.engine.results import Row
from dirk_gevent.engine.sqlite_connection import MOST_VALUE_BYTES
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Output, QueryPlan

#: What stands between two rows.
_BETWEEN_BYTES = len(", ")


@dataclass(frozen=True, slots=True)
class InLiterals:
    """Rows of `database` as literals, `limit_bytes` of UTF-8 in all."""

    database: str
    limit_bytes: int

    def plan(self, plan: QueryPlan) -> QueryPlan:
        """The plan of the same rows, each as one text: its values as literals, in parentheses. The only column is named
        by how many values there are.

        Raises not_supported for EXPLAIN, whose rows are none of SQLite's.
        """
        if plan.explained is not None:
            raise SqlError("not_supported", what="EXPLAIN")
        heads = [f"c{number}" for number in range(1, len(plan.columns) + 1)]
        row = _joined(["'('", *_between(heads), "')'"])
        # With an OFFSET, SQLite works each column out once, however often its name stands behind.
        rows = f"SELECT * FROM ({plan.sql}) LIMIT -1 OFFSET 0"
        sql = f"WITH dirk_copied ({', '.join(heads)}) AS ({rows}) SELECT {row} FROM dirk_copied"
        return replace(plan, sql=sql, columns=(Output(str(len(heads)), plan.relation),), static_names=True)

    def rows(self, begin: Callable[[], Iterator[Row]]) -> Iterator[Row]:
        """The rows that `begin` asks for, one at a time. Raises copy_too_large instead of the one that is too much."""
        size_bytes = -_BETWEEN_BYTES
        try:
            for row in begin():
                size_bytes += _BETWEEN_BYTES + len(row[0].encode())
                if size_bytes > self.limit_bytes:
                    raise self._too_large()
                yield row
        except apsw.TooBigError as error:
            # A row that is longer than SQLite's longest value is longer than the limit, unless somebody raised that.
            raise (self._too_large() if self.limit_bytes <= MOST_VALUE_BYTES else error) from error

    def _too_large(self) -> SqlError:
        return SqlError("copy_too_large", database=self.database, limit_bytes=self.limit_bytes)


def _between(heads: Sequence[str]) -> Iterator[str]:
    """The literal of each value, with what stands between two."""
    for head in heads:
        if head != heads[0]:
            yield "', '"
        # In the language a backslash in a text is an escape; SQLite's quote() knows none, and ends at a NUL. It has one
        # zero for both: the angle tells them apart.
        literal = f"replace(quote({head}), '\\', '\\\\')"
        with_nul = f"'CAST(x''' || hex({head}) || ''' AS TEXT)'"
        has_nul = f"typeof({head}) = 'text' AND instr({head}, char(0))"
        is_below = f"typeof({head}) = 'real' AND {head} = 0 AND atan2({head}, -1) < 0"
        yield f"CASE WHEN {has_nul} THEN {with_nul} WHEN {is_below} THEN '-0.0' ELSE {literal} END"


def _joined(parts: Sequence[str]) -> str:
    """The parts as one text. SQLite reads no chain of a thousand operators, but a tree of as many."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({_joined(parts[:middle])} || {_joined(parts[middle:])})"
