"""Random INSERT … SELECT, UPDATE and DELETE in both languages."""

from __future__ import annotations

from tests.parser.twin_expressions import Reach, Visible, any_value, truth
from tests.parser.twin_queries import Queries
from tests.parser.twin_sources import Column, Relation
from tests.parser.twin_text import Choices

#: A table that takes anything, and what makes it.
ANYTHING = Relation("anything", "anything", (Column("p", "p"), Column("q", "q")))
CREATE_ANYTHING = "create table anything (p, q)"


def change(choices: Choices, relations: list[Relation]) -> tuple[str, str]:
    """A statement that changes the table of anything."""
    queries, form = Queries(choices, relations), choices.below(5)
    if form <= 1:
        inner = queries.query(2, width=2)
        ours = f"{choices.word('INSERT')} {choices.pick(('INTO', 'ao@', '# ao'))} anything {inner.ours}"
        return ours, f"INSERT INTO anything {inner.theirs}"
    columns = [
        Visible(f"anything.{each.ours}", f"anything.{each.theirs}", each.kind, None) for each in ANYTHING.columns
    ]
    reach = Reach(choices, columns, queries.scalar(1), queries.rows(1))
    kept = truth(reach, 2)
    where = f"{choices.clause('WHERE')} {kept.ours}"
    if form == 2:
        head = f"{choices.word('DELETE')} {choices.clause('FROM')} anything"
        return f"{head} {where}", f"DELETE FROM anything WHERE {kept.theirs}"
    if form == 3:
        count, skipped = choices.below(4), choices.below(2)
        ours = f"{choices.word('DELETE')} {choices.clause('FROM')} anything {where} {choices.clause('ORDER')} p"
        ours += f" {choices.word('LIMIT')} {count} {choices.word('OFFSET')} {skipped}"
        first = f"SELECT rowid FROM anything WHERE {kept.theirs} ORDER BY p, rowid LIMIT {count} OFFSET {skipped}"
        return ours, f"DELETE FROM anything WHERE rowid IN ({first})"
    p, q = any_value(reach, 2), any_value(reach, 2)
    ours = f"{choices.word('UPDATE')} anything {choices.clause('SET')} p = {p.ours}, Q = {q.ours} {where}"
    return ours, f"UPDATE anything SET p = {p.theirs}, q = {q.theirs} WHERE {kept.theirs}"
