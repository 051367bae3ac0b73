"""FROM in both languages: tables, views and subqueries, and every kind of join between them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.parser.twin_expressions import UNION, Reach, Visible, truth
from tests.parser.twin_text import Choices, joint_truth

_SIDES = (
    ("tonona:anatiny", "JOIN"),
    ("INNER JOIN", "JOIN"),
    ("tonona:avia@", "LEFT JOIN"),
    ("Left Outer Join", "LEFT JOIN"),
    ("tonona:ankavanana", "RIGHT JOIN"),
    ("tonona : avanana", "RIGHT JOIN"),
    ("RIGHT JOIN", "RIGHT JOIN"),
    ("tonona:feno", "FULL JOIN"),
    ("FULL OUTER JOIN", "FULL JOIN"),
)
_MERGING = (
    ("NATURAL JOIN", "NATURAL JOIN"),
    ("tonona:natoraly", "NATURAL JOIN"),
    ("tonona:natoraly avia", "NATURAL LEFT JOIN"),
    ("natural full join", "NATURAL FULL JOIN"),
    ("NATURAL RIGHT OUTER JOIN", "NATURAL RIGHT JOIN"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation: what both languages call it there. `has_name`: more than its text."""

    ours: str
    theirs: str
    kind: str = UNION
    truth: bool | None = False
    has_name: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or common table."""

    ours: str
    theirs: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class TwinQuery:
    """A query. `total`: its order leaves no choice; else its rows come in any order."""

    ours: str
    theirs: str
    columns: tuple[Column, ...]
    total: bool = False
    compound: bool = False
    with_: bool = False

    @property
    def truths(self) -> list[bool | None]:
        """For each column whether it comes out as a boolean."""
        return [each.truth for each in self.columns]


@dataclass(frozen=True, slots=True)
class From:
    """A FROM: its texts, the columns in reach, how many columns have each name (as SQLite has it)."""

    ours: str
    theirs: str
    columns: list[Visible]
    named: dict[str, int]


class Sources:
    """Makes FROMs over `relations`."""

    def __init__(self, choices: Choices, relations: list[Relation]) -> None:
        self.choices = choices
        self.relations = relations

    def query(self, depth: int, outer: list[Visible] | None = None, width: int | None = None) -> TwinQuery:
        """A whole query, which may name the columns `outer` from around it."""
        raise NotImplementedError

    def sources(self, depth: int, outer: list[Visible]) -> From:
        """Up to three tables, views and subqueries, joined; subqueries while `depth` lasts."""
        whole = self._source(depth, outer)
        joins = self.choices.pick((0, 0, 0, 1, 1, 2))
        for number_ in range(joins):
            whole = self._joined(whole, self._source(depth, outer), outer, number_ == joins - 1)
        return whole

    def _source(self, depth: int, outer: list[Visible]) -> From:
        choices, alias = self.choices, self.choices.fresh("a")
        as_ = f" {choices.word('AS')} " if choices.chance(40) else " "
        if depth > 0 and choices.chance(20):
            inner = self.query(depth - 1)
            return self._offered(f"({inner.ours}){as_}{alias}", f"({inner.theirs}) AS {alias}", alias, inner.columns)
        relation = choices.pick(self.relations)
        name = relation.ours.upper() if relation.ours.isidentifier() and choices.chance(20) else relation.ours
        return self._offered(f"{name}{as_}{alias}", f"{relation.theirs} AS {alias}", alias, relation.columns)

    def _offered(self, ours: str, theirs: str, alias: str, columns: tuple[Column, ...]) -> From:
        seen = [Visible(f"{alias}.{each.ours}", f"{alias}.{each.theirs}", each.kind, each.truth) for each in columns]
        return From(ours, theirs, seen, {each.theirs: 1 for each in columns})

    def _joined(self, left: From, right: From, outer: list[Visible], last: bool) -> From:
        """A comma binds looser than JOIN in the language, in SQLite it does not: it is the last here."""
        choices = self.choices
        columns = _both(left, right)
        named = {name: left.named.get(name, 0) + right.named.get(name, 0) for name in {**left.named, **right.named}}
        common = [name for name in right.named if name in left.named]
        if common and all(left.named[name] == 1 for name in common) and choices.chance(50):
            return self._merged(left, right, common, named)
        if choices.chance(25):
            ours = choices.pick(("," if last else " JOIN", " CROSS JOIN", f" {choices.word('JOIN')}", " tonona:@"))
            return From(f"{left.ours}{ours} {right.ours}", f"{left.theirs} JOIN {right.theirs}", columns, named)
        ours, theirs = choices.pick(_SIDES)
        test = truth(Reach(choices, columns, outer=tuple(outer)), 1)
        return From(
            f"{left.ours} {ours} {right.ours} {choices.clause('ON')} {test.ours}",
            f"{left.theirs} {theirs} {right.theirs} ON {test.theirs}",
            columns,
            named,
        )

    def _merged(self, left: From, right: From, common: list[str], named: dict[str, int]) -> From:
        choices = self.choices
        ours, theirs = choices.pick(_MERGING)
        if choices.chance(50):
            (ours, theirs), name = choices.pick(_SIDES), choices.pick(common)
            mine = next(each.ours for each in left.columns + right.columns if each.theirs.endswith("." + name))
            common = [name]
            using = f" {choices.word('USING')} ({mine.split('.', 1)[1]})", f" USING ({name})"
        else:
            using = "", ""
        columns = _both(left, right)
        for name in common:
            pair = [each for each in left.columns + right.columns if each.theirs.split(".")[-1] == name]
            both = joint_truth([each.twin() for each in pair])
            columns.append(Visible(pair[0].ours.split(".", 1)[-1], name, pair[0].kind, both))
        named = {name: 1 if name in common else count for name, count in named.items()}
        return From(
            f"{left.ours} {ours} {right.ours}{using[0]}",
            f"{left.theirs} {theirs} {right.theirs}{using[1]}",
            columns,
            named,
        )


def _both(left: From, right: From) -> list[Visible]:
    """The columns of both; a merged one of the left is gone when the right has its name too."""
    return [each for each in left.columns if "." in each.theirs or each.theirs not in right.named] + right.columns
