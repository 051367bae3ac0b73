"""A query whose rows are answered as the language writes them: to be the rows of an INSERT, exactly."""

from __future__ import annotations

from dataclasses import replace

from parser.errors import SqlError
from parser.plan import Output, Query


def in_literals(plan: Query) -> Query:
    """The plan of the same rows, each as one text: its values as literals, in parentheses. The only column is named by
    how many values there are.

    Raises not_supported for EXPLAIN, whose rows are none of SQLite's.
    """
    if plan.explained is not None:
        raise SqlError("not_supported", what="EXPLAIN")
    heads = [f"c{number}" for number in range(1, len(plan.columns) + 1)]
    # In the language a backslash in a text is an escape; SQLite's quote() knows none.
    cells = " || ', ' || ".join(f"replace(quote({head}), '\\', '\\\\')" for head in heads)
    sql = f"WITH dirk_copied ({', '.join(heads)}) AS ({plan.sql}) SELECT '(' || {cells} || ')' FROM dirk_copied"
    return replace(plan, sql=sql, columns=(Output(str(len(heads)), plan.relation),), static_names=True)
