"""WITH: common table expressions, each compiled behind those that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from dirk_parser.ast.query import Cte, Query, With
from dirk_parser.compile.base.context import Context
from dirk_parser.compile.base.result import Compiled, fields_of
from dirk_parser.compile.base.scope import CommonTable, Field, Scope
from dirk_parser.compile.base.sql import UNSAFE_ANY
from dirk_parser.compile.query.recursion import check_recursion, leftmost, names, references
from dirk_parser.errors import SqlError
from dirk_parser.names import key


def with_clause(context: Context, with_: With | None, scope: Scope) -> str:
    """The WITH clause ('' without one); each table is put into `scope` for the statement behind it.

    Raises duplicate_cte (42712), not_supported (0A000) for tables that need each other, recursion_invalid (42P19), and
    what the queries raise.
    """
    if with_ is None:
        return ""
    _check_names(context, with_.ctes)
    # What else is called so in the statement around: a name means that, but where its own table is in reach.
    taken = frozenset(key(common.name.text) for common in with_.ctes if _is_taken(context, common, scope))
    texts = []
    for cte in _ordered(with_, taken):
        with _without_later(scope, with_, cte, taken):
            texts.append(_cte(context, with_, cte, scope, taken))
    return f"WITH {'RECURSIVE ' if with_.recursive else ''}{', '.join(texts)} "


def _check_names(context: Context, ctes: Sequence[Cte]) -> None:
    seen: set[str] = set()
    for cte in ctes:
        if key(cte.name.text) in seen:
            context.refuse(SqlError("duplicate_cte", name=cte.name.text, place=cte.name.place))
        seen.add(key(cte.name.text))


def _is_taken(context: Context, cte: Cte, scope: Scope) -> bool:
    return scope.common_table(cte.name.text) is not None or context.relation(cte.name.text) is not None


def _cte(
    context: Context, with_: With, cte: Cte, scope: Scope, taken: frozenset[str]
) -> str:
    """One table's text; it is in `scope` then."""
    # Of DirkDB's own: `WITH t1 AS (SELECT … FROM "t1")` would read itself where a table is called so.
    sql_name = f"dirk_{context.alias()}"
    context.findings.shown[sql_name] = cte.name.text
    name_key = key(cte.name.text)
    # Without the word RECURSIVE too, as in SQLite, where nothing else is called so.
    if (with_.recursive or name_key not in taken) and names(cte.query, name_key):
        check_recursion(context, cte)
        start = Query(leftmost(cte.query.body), with_=cte.query.with_)
        first = context.compilers.query(_apart(context), start, scope, named=True)
        scope.common[name_key] = _unknown(_common(context, cte, first, sql_name))
    compiled = context.compilers.query(context, cte.query, scope, named=True)
    common = scope.common[name_key] = _common(context, cte, compiled, sql_name)
    hint = {None: "", True: "MATERIALIZED ", False: "NOT MATERIALIZED "}[cte.materialized]
    heads = ", ".join(column.sql for column in common.columns)
    return f"{sql_name}({heads}) AS {hint}({compiled.sql})"


# --- order ---------------------------------------------------------------------------------------------------


def _ordered(with_: With, taken: frozenset[str]) -> list[Cte]:
    """The tables, each behind those that it names, also where these are written behind it: with RECURSIVE, or where
    nothing else has the name. Raises not_supported (0A000) for a ring of several."""
    places = {key(cte.name.text): place for place, cte in enumerate(with_.ctes)}
    needs = [list(_needed(with_, place, places, taken)) for place in range(len(with_.ctes))]
    ordered: list[Cte] = []
    settled, open_ = set[int](), list[tuple[int, Iterator[int]]]()
    for start in range(len(with_.ctes)):
        open_ = [] if start in settled else [(start, iter(needs[start]))]
        while open_:
            place, rest = open_[-1]
            needed = next((common for common in rest if common not in settled), None)
            if needed is None:
                settled.add(place)
                ordered.append(with_.ctes[open_.pop()[0]])
            elif any(needed == common for common, _ in open_):
                raise _ring(with_.ctes[place], with_.ctes[needed])
            else:
                open_.append((needed, iter(needs[needed])))
    return ordered


def _needed(with_: With, place: int, places: Mapping[str, int], taken: frozenset[str]) -> Iterator[int]:
    """The places of the other tables that the one at `place` names."""
    for name in sorted({key(reference.name.text) for reference in references(with_.ctes[place].query)} & places.keys()):
        needed = places[name]
        if needed < place or (needed > place and (with_.recursive or name not in taken)):
            yield needed


def _ring(one: Cte, other: Cte) -> SqlError:
    what = f"WITH RECURSIVE {other.name.text} … {one.name.text} … {other.name.text}"
    return SqlError("not_supported", what=what, place=one.name.place)


@contextmanager
def _without_later(
    scope: Scope, with_: With, cte: Cte, taken: frozenset[str]
) -> Iterator[None]:
    """Without RECURSIVE, a name that means something else is that to the tables before the one of the name, whichever
    was compiled first."""
    later = with_.ctes[with_.ctes.index(cte) :] if taken and not with_.recursive else ()
    names_later = (key(common.name.text) for common in later)
    hidden = {name: scope.common.pop(name) for name in names_later if name in taken and name in scope.common}
    try:
        yield
    finally:
        scope.common.update({name: table for name, table in hidden.items() if name not in scope.common})


# --- columns -------------------------------------------------------------------------------------------------


def _apart(context: Context) -> Context:
    """A context for a first look at a query: what it gathers is gathered again by the real compilation."""
    return replace(
        context,
        findings=replace(context.findings, tables={}, uses=set(), domains=set()),
        variables=context.variables.shared(),
    )


def _unknown(common: CommonTable) -> CommonTable:
    """A table that its own query reads: what the rows after the first hold is not known from the first."""
    return replace(common, columns=tuple(replace(column, unsafe=UNSAFE_ANY) for column in common.columns))


def _common(context: Context, cte: Cte, compiled: Compiled, sql_name: str) -> CommonTable:
    fields: Sequence[Field] = fields_of(context.literals, compiled, "", cte.name.text)
    if cte.columns:
        if len(cte.columns) != len(fields):
            raise SqlError("column_count", wanted=len(cte.columns), found=len(fields), place=cte.name.place)
        fields = [
            replace(field, name=name.text, key=key(name.text)) for field, name in zip(fields, cte.columns, strict=True)
        ]
    return CommonTable(sql_name, cte.name.text, tuple(fields))
