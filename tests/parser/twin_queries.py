"""Random queries in both languages: joins, groups, windows, set operators, common tables, ordering and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.parser.twin_expressions import NUMBER, TRUTH, UNION, Reach, Visible, any_value, number, text, truth
from tests.parser.twin_sources import Column, From, Relation, Sources, TwinQuery
from tests.parser.twin_text import ATOM, Twin, joint_truth

_AGGREGATES = ("count:a", "isaina|count:a", "sum:n", "avg:n", "total:n", "min:a", "ambony|max:a", "count*")
_SET_OPERATORS = (
    (("ankambana", "#+", "UNION", "#ankambana@"), "UNION"),
    (("ankambana daholo", "UNION ALL", "ankambana ALL"), "UNION ALL"),
    (("analana", "#-", "EXCEPT"), "EXCEPT"),
    (("atifitra", "#^", "INTERSECT"), "INTERSECT"),
)
_BARE_SIGNS = {"UNION": "+", "EXCEPT": "-", "INTERSECT": "^"}
_WINDOWED = ("rank", "dense_rank", "percent_rank", "cume_dist")
_TOTAL_WINDOWED = ("row_number()", "lag({})", "lead({}, 1)", "first_value({})", "last_value({})", "ntile(3)")


class Queries(Sources):
    """Makes queries over `relations`; inner ones are smaller by `depth`."""

    def query(self, depth: int, outer: list[Visible] | None = None, width: int | None = None) -> TwinQuery:
        """A whole query, which may name the columns `outer` from around it."""
        choices, outer = self.choices, outer or []
        kept = self.relations
        with_ours, with_theirs = self._with(depth) if depth > 1 and choices.chance(15) else ("", "")
        body = self._body(depth, outer, width)
        self.relations = kept
        ours, theirs, total = self._ordered(body)
        return replace(body, ours=with_ours + ours, theirs=with_theirs + theirs, total=total, with_=bool(with_ours))

    def _body(self, depth: int, outer: list[Visible], width: int | None) -> TwinQuery:
        if depth <= 0 or not self.choices.chance(20):
            return self.select(depth, outer, width)
        width = width or 1 + self.choices.below(3)
        whole = self._operand(depth - 1, outer, width, first=True)
        for _ in range(1 + self.choices.below(2)):
            right = self._operand(depth - 1, outer, width, first=False)
            spellings, op = self.choices.pick(_SET_OPERATORS)
            columns = tuple(
                replace(mine, truth=joint_truth([Twin("", "", truth=mine.truth), Twin("", "", truth=other.truth)]))
                for mine, other in zip(whole.columns, right.columns, strict=True)
            )
            # Before a parenthesis a bare sign may belong to an expression.
            bare = _BARE_SIGNS.get(op, "") if op == "INTERSECT" or not right.ours.startswith("(") else ""
            said = bare if bare and self.choices.chance(30) else self.choices.pick(spellings)
            ours = f"{whole.ours} {said} {right.ours}"
            whole = TwinQuery(ours, f"{whole.theirs} {op} {right.theirs}", columns, compound=True)
        return whole

    def _operand(self, depth: int, outer: list[Visible], width: int, first: bool) -> TwinQuery:
        if not self.choices.chance(30):
            return self.select(depth, outer, width)
        inner = self.query(depth, outer, width)
        return replace(inner, ours=f"({inner.ours})", theirs=f"SELECT * FROM ({inner.theirs})")

    # --- order and limit ---

    def _ordered(self, body: TwinQuery) -> tuple[str, str, bool]:
        choices, width = self.choices, len(body.columns)
        if not choices.chance(40):
            return body.ours, body.theirs, False
        numbers = list(range(1, width + 1))
        start = choices.below(width)
        ours_terms, theirs_terms = [], []
        for position in numbers[start:] + numbers[:start]:
            column = body.columns[position - 1]
            mark = choices.pick(("", "ASC", "DESC", "DESC"))
            ours = column.ours if column.has_name and choices.chance(30) else str(position)
            ours += f" {choices.word(mark)}" if mark else ""
            theirs = f"{position} {mark}"
            nulls = choices.pick(("", "", "", " NULLS FIRST", " NULLS LAST"))
            ours_terms.append(ours + nulls)
            theirs_terms.append(theirs + nulls)
        ours = ", ".join(ours_terms)
        ours = f"({ours})" if choices.chance(30) else ours
        by = f" {choices.word('BY')}" if choices.chance(50) else ""
        limit_ours, limit_theirs = self._limit() if choices.chance(50) else ("", "")
        return (
            f"{body.ours} {choices.clause('ORDER')}{by} {ours}{limit_ours}",
            f"{body.theirs} ORDER BY {', '.join(theirs_terms)}{limit_theirs}",
            True,
        )

    def _limit(self) -> tuple[str, str]:
        choices = self.choices
        low, high = choices.below(4), choices.below(7)
        word = choices.clause("LIMIT")
        form = choices.below(4)
        if form == 0:
            return f" {word} {high}", f" LIMIT {high}"
        if form == 1:
            return f" {word} {high} {choices.clause('OFFSET')} {low}", f" LIMIT {high} OFFSET {low}"
        if form == 2:
            return f" {word} {low} {high}", f" LIMIT {max(high - low, 0)} OFFSET {low}"
        return f" {word} {low}, {high}", f" LIMIT {low}, {high}"

    def _with(self, depth: int) -> tuple[str, str]:
        choices, name = self.choices, self.choices.fresh("w")
        word, as_ = choices.word("WITH"), choices.word("AS")
        if choices.chance(20):
            last = 1 + choices.below(6)
            body = f"union all select n * 2 + 1 from {name} where n < {last}"
            self.relations = [*self.relations, Relation(name, name, (Column("n", "n", NUMBER),))]
            head = f"{word} {choices.word('RECURSIVE')} {name}(n) {as_} ({choices.word('SELECT')} 1 {body}) "
            return head, f"WITH RECURSIVE {name}(n) AS (SELECT 1 {body}) "
        inner = self.query(depth - 1)
        relation = Relation(name, name, inner.columns)
        heads = ""
        if choices.chance(40):
            columns = tuple(replace(each, ours=f"h{n}", theirs=f"h{n}") for n, each in enumerate(inner.columns))
            relation = Relation(name, name, columns)
            heads = f"({', '.join(each.ours for each in columns)})"
        self.relations = [*self.relations, relation]
        return f"{word} {name}{heads} {as_} ({inner.ours}) ", f"WITH {name}{heads} AS ({inner.theirs}) "

    # --- one select ---

    def select(self, depth: int, outer: list[Visible], width: int | None) -> TwinQuery:
        """A select without ordering."""
        choices = self.choices
        width = width or 1 + choices.below(3)
        if choices.chance(6):
            return self._values(Reach(choices, []), width)
        if choices.chance(6):
            return self._finish("", [any_value(self._reach([], outer, depth), 2) for _ in range(width)], "", "")
        source = self.sources(depth, outer)
        reach = self._reach(source.columns, outer, depth)
        ours, theirs = f" {choices.clause('FROM')} {source.ours}", f" FROM {source.theirs}"
        if choices.chance(50):
            kept = truth(reach, 2)
            ours, theirs = f"{ours} {choices.clause('WHERE')} {kept.ours}", f"{theirs} WHERE {kept.theirs}"
        form = choices.below(10)
        if form <= 1:
            return self._grouped(source, outer, width, ours, theirs)
        if form == 2:
            return self._finish("", [self._aggregate(source.columns) for _ in range(width)], ours, theirs)
        if form == 3:
            return self._finish("", [self._windowed(source.columns) for _ in range(width)], ours, theirs)
        items = [any_value(reach, 2) for _ in range(width)]
        return self._finish("DISTINCT" if form == 4 else "", items, ours, theirs)

    def _values(self, reach: Reach, width: int) -> TwinQuery:
        rows = self.choices.several(1, 3, lambda: [any_value(reach, 1) for _ in range(width)])
        ours = ", ".join(f"({', '.join(each.ours for each in row)})" for row in rows)
        theirs = ", ".join(f"({', '.join(each.theirs for each in row)})" for row in rows)
        columns = tuple(
            Column(f"column{number}", f"column{number}", truth=joint_truth(cells))
            for number, cells in enumerate(zip(*rows, strict=True), 1)
        )
        return TwinQuery(f"{self.choices.word('VALUES')} {ours}", f"SELECT * FROM (VALUES {theirs})", columns)

    def _finish(self, quantifier: str, items: list[Twin], ours: str, theirs: str) -> TwinQuery:
        choices = self.choices
        aliases = [choices.fresh("x") for _ in items]
        names = [self._text_as_name(item, items) if choices.chance(25) else "" for item in items]
        ours_items = [
            item.ours
            if name
            else item.ours + (f" {choices.word('AS')} " if choices.chance(50) else " ") + self._spelt(alias)
            for item, alias, name in zip(items, aliases, names, strict=True)
        ]
        theirs_items = [f"{item.theirs} AS {alias}" for item, alias in zip(items, aliases, strict=True)]
        word = f" {choices.word(quantifier)}" if quantifier else ""
        columns = tuple(
            Column(name or alias, alias, TRUTH if item.truth else UNION, item.truth, not name)
            for item, alias, name in zip(items, aliases, names, strict=True)
        )
        return TwinQuery(
            f"{choices.clause('SELECT')}{word} {', '.join(ours_items)}{ours}",
            f"SELECT {quantifier} {', '.join(theirs_items)}{theirs}",
            columns,
        )

    def _text_as_name(self, item: Twin, items: list[Twin]) -> str:
        """What an item is called that has no name, as others may write it; '' where it can't be told from here."""
        text = item.ours
        is_plain = not any(mark in text for mark in "`\\\"[\n") and " ".join(text.split()) == text
        is_alone = sum(each.ours.lower() == text.lower() for each in items) == 1
        # A column of a table has its own name, whatever its text; a call or an operator is none.
        return f"`{text}`" if is_plain and is_alone and "(" in text else ""

    def _spelt(self, name: str) -> str:
        return f"`{name}`" if self.choices.chance(10) else name

    def _reach(self, columns: list[Visible], outer: list[Visible], depth: int) -> Reach:
        if depth <= 0:
            return Reach(self.choices, columns, outer=tuple(outer))
        return Reach(self.choices, columns, self.scalar(depth), self.rows(depth), tuple(outer))

    def scalar(self, depth: int) -> Callable[[list[Visible]], Twin]:
        """Makes subqueries of one value, an aggregate; they may name the columns given."""

        def make(outer: list[Visible]) -> Twin:
            source = self.sources(0, outer)
            reach = self._reach(source.columns, outer, depth - 1)
            kept = truth(reach, 2)
            ours = f" {self.choices.clause('FROM')} {source.ours} {self.choices.clause('WHERE')} {kept.ours}"
            found = self._finish(
                "", [self._aggregate(source.columns)], ours, f" FROM {source.theirs} WHERE {kept.theirs}"
            )
            return Twin(f"({found.ours})", f"({found.theirs})", ATOM, found.truths[0])

        return make

    def rows(self, depth: int) -> Callable[[list[Visible], int], Twin]:
        """Makes subqueries of so many columns; they may name the columns given."""

        def make(outer: list[Visible], width: int) -> Twin:
            inner = self.query(depth - 1, outer, width)
            return Twin(f"({inner.ours})", f"({inner.theirs})")

        return make

    # --- groups and windows ---

    def _aggregate(self, columns: list[Visible]) -> Twin:
        choices = self.choices
        reach = Reach(choices, columns)
        spec = choices.pick(_AGGREGATES)
        if spec == "count*":
            twin = Twin(choices.pick(("count(*)", "isaina( * )")), "count(*)")
        elif choices.chance(10):
            value, order = text(reach, 1), number(reach, 1)
            inside = f"{value.ours}, '|' {choices.words('ORDER', 'BY')} {order.ours}, {value.ours}"
            theirs = f"{value.theirs}, '|' ORDER BY {order.theirs}, {value.theirs}"
            twin = Twin(f"group_concat({inside})", f"group_concat({theirs})")
        else:
            names, sort = spec.split(":")
            ours, _, other = names.partition("|")
            value = number(reach, 1) if sort == "n" else any_value(reach, 1)
            distinct = choices.chance(20) and sort == "a"
            truth_ = (value.truth and None) if (other or ours) in ("min", "max") else False
            ours_distinct = choices.word("DISTINCT") + " " if distinct else ""
            theirs = f"{other or ours}({'DISTINCT ' if distinct else ''}{value.theirs})"
            twin = Twin(f"{ours}({ours_distinct}{value.ours})", theirs, truth=truth_)
        if choices.chance(15):
            kept = truth(reach, 1)
            ours = f"{twin.ours} {choices.word('FILTER')} ({choices.word('WHERE')} {kept.ours})"
            return Twin(ours, f"{twin.theirs} FILTER (WHERE {kept.theirs})", truth=twin.truth)
        return twin

    def _grouped(self, source: From, outer: list[Visible], width: int, ours: str, theirs: str) -> TwinQuery:
        choices = self.choices
        keys = choices.several(1, 2, lambda: any_value(Reach(choices, source.columns), choices.below(2)))
        keys = [each for each in keys if _names_a_column(each, source.columns)] or [source.columns[0].twin()]
        ours_keys = ", ".join(each.ours for each in keys)
        ours_keys = f"({ours_keys})" if choices.chance(30) else ours_keys
        by = f" {choices.word('BY')}" if choices.chance(50) else ""
        ours += f" {choices.clause('GROUP')}{by} {ours_keys}"
        theirs += f" GROUP BY {', '.join(each.theirs for each in keys)}"
        if choices.chance(40):
            left, right = self._aggregate(source.columns), self._aggregate(source.columns)
            op = choices.pick(("<", ">=", "<>", "="))
            ours += f" {choices.clause('HAVING')} {left.ours} {op} {right.ours}"
            theirs += f" HAVING {left.theirs} {op} {right.theirs}"
        items = [choices.pick(keys) if choices.chance(40) else self._aggregate(source.columns) for _ in range(width)]
        return self._finish("DISTINCT" if choices.chance(10) else "", items, ours, theirs)

    def _windowed(self, columns: list[Visible]) -> Twin:
        choices, reach = self.choices, Reach(self.choices, columns)
        value, order = any_value(reach, 1), number(reach, 1)
        part = any_value(reach, 1)
        ours_by = f"PARTITION {choices.word('BY')} {part.ours} " if choices.chance(50) else ""
        theirs_by = f"PARTITION BY {part.theirs} " if ours_by else ""
        truth_: bool | None = False
        if choices.chance(40) and len(columns) <= 8:
            call = choices.pick(_TOTAL_WINDOWED)
            truth_ = (value.truth and None) if "{" in call else False
            ours, theirs = call.format(value.ours), call.format(value.theirs)
            ours_order = ", ".join([order.ours, *(each.ours for each in columns)])
            theirs_order = ", ".join([order.theirs, *(each.theirs for each in columns)])
        else:
            aggregate = self._aggregate(columns) if choices.chance(50) else Twin(f"{choices.pick(_WINDOWED)}()", "")
            ours, theirs = aggregate.ours, aggregate.theirs or aggregate.ours
            ours_order, theirs_order, truth_ = order.ours, order.theirs, aggregate.truth
            if "ORDER" in theirs or "DISTINCT" in theirs:
                ours, theirs = "count(*)", "count(*)"
        if choices.chance(50):
            ours_order, theirs_order = f"{ours_order} {choices.word('DESC')}", f"{theirs_order} DESC"
        window = f"({ours_by}{choices.words('ORDER', 'BY')} {ours_order})"
        return Twin(f"{ours} OVER {window}", f"{theirs} OVER ({theirs_by}ORDER BY {theirs_order})", truth=truth_)


def _names_a_column(twin: Twin, columns: list[Visible]) -> bool:
    """Constants in GROUP BY may be numbers of columns, and differently so in both."""
    return any(each.theirs in twin.theirs for each in columns)
