"""Random expressions in both languages over the columns in reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.parser.twin_text import (
    AND,
    ATOM,
    BITS,
    COMPARISON,
    DATES,
    INTEGERS,
    NOT,
    OR,
    PATTERNS,
    PRODUCT,
    REALS,
    SIGN,
    SUM,
    TEXTS,
    Choices,
    Twin,
    joint_truth,
)

#: What a column holds: NUMBER, TEXT, TRUTH, DATE, or numbers and texts (UNION).
NUMBER, TEXT, TRUTH, DATE, UNION = "number", "text", "truth", "date", "union"
_COMPARISONS = (("=", "="), ("<>", "<>"), ("!=", "<>"), ("<", "<"), ("<=", "<="), (">", ">"), (">=", ">="), ("==", "="))
#: Functions by the sorts of their arguments: n number, t text, a any; the same name in both languages but where given.
_NUMBER_CALLS = (
    *("abs:n", "round:n", "sign:n", "halava|length:a", "length:t", "instr:tt", "unicode:t"),
    *("ambony|max:nn", "min:nnn", "floor:n", "ceil:n", "trunc:n", "ceiling|ceil:n"),
)
_TEXT_CALLS = (
    *("lower:t", "upper:a", "trim:t", "ltrim:t", "rtrim:tt", "replace:ttt", "hex:t", "typeof:a", "quote:a"),
    *("concat:aa", "concat_ws:taa", "substring|substr:tn"),
)
_ANY_CALLS = ("coalesce:aa", "ifnull:aa", "nullif:aa", "max:aa", "ambany|min:aa")


@dataclass(frozen=True, slots=True)
class Visible:
    """A column in reach: what both languages call it."""

    ours: str
    theirs: str
    kind: str
    truth: bool | None

    def twin(self) -> Twin:
        """The reference."""
        return Twin(self.ours, self.theirs, truth=self.truth)


@dataclass(slots=True)
class Reach:
    """What an expression may use: columns, and subqueries of so many columns while `subqueries` says so.

    `strict`: both engines must fail alike, so anything may be divided by; else divisors are never zero, for an
    engine may evaluate an expression for rows that another has already dropped.
    """

    choices: Choices
    columns: list[Visible]
    scalar: Callable[[list[Visible]], Twin] | None = None
    rows: Callable[[list[Visible], int], Twin] | None = None
    outer: tuple[Visible, ...] = ()
    strict: bool = False

    def within(self) -> list[Visible]:
        """The columns that a subquery here may name from outside: with their table's name, for it has its own."""
        return [each for each in (*self.columns, *self.outer) if "." in each.theirs]


def number(reach: Reach, depth: int) -> Twin:
    """Something that is mostly a number."""
    choices = reach.choices
    form = choices.below(12) if depth > 0 else choices.below(3)
    if form == 0:
        return _column(reach, NUMBER) or choices.literal(choices.pick(INTEGERS))
    if form <= 2:
        return choices.literal(choices.pick(INTEGERS) if form == 1 else choices.pick(REALS))
    if form <= 5:
        return _binary(reach, depth)
    if form <= 7:
        return _call(reach, choices.pick(_NUMBER_CALLS), depth)
    if form == 8:
        return _signed(reach, depth)
    if form == 9:
        return _cast(reach, depth)
    return any_value(reach, depth - 1) if form == 10 else _division(reach, depth)


def text(reach: Reach, depth: int) -> Twin:
    """Something that is mostly a text."""
    choices = reach.choices
    form = choices.below(8) if depth > 0 else choices.below(3)
    if form == 0:
        return _column(reach, TEXT) or choices.literal(choices.pick(TEXTS))
    if form <= 2:
        return choices.literal(choices.pick(TEXTS if form == 1 else DATES))
    if form <= 4:
        return _call(reach, choices.pick(_TEXT_CALLS), depth)
    if form == 5:
        left, right = any_value(reach, depth - 1), text(reach, depth - 1)
        ours = f"{choices.inside(left, SUM)} || {choices.inside(right, PRODUCT)}"
        return Twin(ours, f"({left.theirs} || {right.theirs})", SUM)
    if form == 6:
        value, kind = any_value(reach, depth - 1), choices.pick(("TEXT", "LAHATSORATRA", "lahatsoratra(null,null)"))
        ours = f"{choices.word('CAST')}({value.ours} {choices.word('AS')} {kind})"
        return Twin(ours, f"(+CAST({value.theirs} AS TEXT))")
    return any_value(reach, depth - 1)


def truth(reach: Reach, depth: int) -> Twin:
    """A condition."""
    choices = reach.choices
    form = choices.below(12) if depth > 0 else choices.below(2)
    if form == 0:
        found = [each for each in reach.columns if each.kind == TRUTH]
        return choices.pick(found).twin() if found else choices.literal(choices.chance(50))
    if form in (1, 2):
        return _comparison(reach, depth)
    if form in (3, 4):
        return _logical(reach, depth)
    makers = (_negated, _is, _like, _between, _in_list, _in_rows, _row, _exists)
    return makers[form - 5 if form < 12 else 0](reach, depth) if form < 11 else choices.pick(makers)(reach, depth)


def any_value(reach: Reach, depth: int) -> Twin:
    """A value of any sort."""
    choices = reach.choices
    form = choices.below(12)
    if form <= 2 or (depth <= 0 and form > 4):
        return _column(reach, None) or choices.literal(choices.pick((1, "a", 0.5, True, None)))
    if form == 3:
        return choices.literal(choices.pick((None, True, False)))
    if form <= 5:
        return number(reach, depth)
    if form <= 7:
        return text(reach, depth)
    if form == 8:
        return truth(reach, depth)
    if form == 9:
        return _case(reach, depth)
    if form == 10 and reach.scalar is not None:
        return reach.scalar(reach.within())
    return _call(reach, choices.pick(_ANY_CALLS), depth)


def _column(reach: Reach, kind: str | None) -> Twin | None:
    found = [each for each in reach.columns if kind is None or each.kind in (kind, UNION)] or reach.columns
    if reach.outer and reach.choices.chance(30):
        found = list(reach.outer)
    return reach.choices.pick(found).twin() if found else None


def _binary(reach: Reach, depth: int) -> Twin:
    choices = reach.choices
    op, level = choices.pick((("+", SUM), ("-", SUM), ("*", PRODUCT), ("&", BITS), ("|", BITS), ("<<", BITS)))
    left, right = number(reach, depth - 1), number(reach, depth - 1)
    ours = f"{choices.inside(left, level)} {op} {choices.inside(right, level + 1)}"
    return Twin(ours, f"({left.theirs} {op} {right.theirs})", level)


def _division(reach: Reach, depth: int) -> Twin:
    choices = reach.choices
    op, function = choices.pick((("/", "their_div"), ("DIV", "their_idiv"), ("div", "their_idiv"), ("%", "their_mod")))
    left = number(reach, depth - 1)
    if reach.strict and choices.chance(60):
        right = any_value(reach, depth - 1)
    else:
        right = choices.literal(choices.pick((2, 3, -1, 7, -2, 2**53 + 1, -(2**63))))
    ours = f"{choices.inside(left, PRODUCT)} {op} {choices.inside(right, SIGN)}"
    return Twin(ours, f"{function}({left.theirs}, {right.theirs})", PRODUCT)


def _signed(reach: Reach, depth: int) -> Twin:
    choices = reach.choices
    op, operand = choices.pick(("-", "+", "~")), number(reach, depth - 1)
    return Twin(f"{op} {choices.inside(operand, SIGN)}", f"({op} {operand.theirs})", SIGN, operand.truth and None)


def _call(reach: Reach, spec: str, depth: int) -> Twin:
    makers = {"n": number, "t": text, "a": any_value}
    names, sorts = spec.split(":")
    ours, _, theirs = names.partition("|")
    arguments = [makers[sort](reach, depth - 1) for sort in sorts]
    truth_ = joint_truth(arguments) if spec in _ANY_CALLS or ours in ("max", "min", "ambony") else False
    return Twin(
        f"{ours}({', '.join(each.ours for each in arguments)})",
        f"{theirs or ours}({', '.join(each.theirs for each in arguments)})",
        truth=None if truth_ else truth_,
    )


def _cast(reach: Reach, depth: int) -> Twin:
    choices, value = reach.choices, any_value(reach, depth - 1)
    ours, theirs = choices.pick(
        (("ISA", "NUMERIC"), ("integer", "INTEGER"), ("BIGINT", "INTEGER"), ("real", "REAL"))
    )
    text_ = f"{choices.word('CAST')}({value.ours} {choices.word('AS')} {ours})"
    return Twin(text_, f"(+CAST({value.theirs} AS {theirs}))")


def _case(reach: Reach, depth: int) -> Twin:
    choices = reach.choices
    operand = any_value(reach, depth - 1) if choices.chance(40) else None
    ours = choices.word("CASE") + (f" {operand.ours}" if operand else "")
    theirs = "CASE" + (f" {operand.theirs}" if operand else "")
    results = []
    for _ in range(1 + choices.below(2)):
        test = any_value(reach, depth - 1) if operand else truth(reach, depth - 1)
        results.append(any_value(reach, depth - 1))
        when = choices.word(choices.pick(("WHEN", "RAHA")))
        ours += f" {when} {test.ours} {choices.word('THEN')} {results[-1].ours}"
        theirs += f" WHEN {test.theirs} THEN {results[-1].theirs}"
    if choices.chance(60):
        results.append(any_value(reach, depth - 1))
        ours += f" {choices.word('ELSE')} {results[-1].ours}"
        theirs += f" ELSE {results[-1].theirs}"
    return Twin(f"{ours} {choices.word('END')}", f"({theirs} END)", truth=joint_truth(results))


# --- conditions ----------------------------------------------------------------------------------------------


def _comparison(reach: Reach, depth: int) -> Twin:
    choices = reach.choices
    sort = choices.pick((number, text, any_value))
    left, right = sort(reach, depth - 1), sort(reach, depth - 1)
    ours_op, op = choices.pick(_COMPARISONS)
    ours = f"{choices.inside(left, COMPARISON)} {ours_op} {choices.inside(right, BITS)}"
    return Twin(ours, f"({left.theirs} {op} {right.theirs})", COMPARISON, True)


def _logical(reach: Reach, depth: int) -> Twin:
    choices = reach.choices
    token, level = choices.pick((("AND", AND), ("OR", OR)))
    parts = choices.several(2, 3, lambda: truth(reach, depth - 1))
    ours = choices.inside(parts[0], level)
    for part in parts[1:]:
        ours += f" {'#' if choices.chance(10) else ''}{choices.word(token)} {choices.inside(part, level + 1)}"
    return Twin(ours, "(" + f" {token} ".join(part.theirs for part in parts) + ")", level, True)


def _negated(reach: Reach, depth: int) -> Twin:
    choices, operand = reach.choices, truth(reach, depth - 1)
    if choices.chance(50):
        return Twin(f"!{choices.inside(operand, SIGN)}", f"(NOT {operand.theirs})", SIGN, True)
    return Twin(f"{choices.word('NOT')} {choices.inside(operand, NOT)}", f"(NOT {operand.theirs})", NOT, True)


def _is(reach: Reach, depth: int) -> Twin:
    choices, left = reach.choices, any_value(reach, depth - 1)
    right = choices.literal(None) if choices.chance(60) else any_value(reach, depth - 1)
    tokens = choices.pick((("IS",), ("IS", "NOT")))
    ours = f"{choices.inside(left, COMPARISON)} {choices.words(*tokens)} {choices.inside(right, BITS)}"
    return Twin(ours, f"({left.theirs} {' '.join(tokens)} {right.theirs})", COMPARISON, True)


def _not(choices: Choices) -> tuple[str, str]:
    return (choices.word("NOT") + " ", "NOT ") if choices.chance(30) else ("", "")


def _like(reach: Reach, depth: int) -> Twin:
    choices, left = reach.choices, text(reach, depth - 1)
    pattern = choices.literal(choices.pick(PATTERNS)) if choices.chance(70) else text(reach, depth - 1)
    ours_not, theirs_not = _not(choices)
    ours = f"{choices.inside(left, COMPARISON)} {ours_not}{choices.word('LIKE')} {choices.inside(pattern, BITS)}"
    theirs = f"{left.theirs} {theirs_not}LIKE {pattern.theirs}"
    if choices.chance(20):
        ours, theirs = f"{ours} {choices.word('ESCAPE')} '!'", f"{theirs} ESCAPE '!'"
    return Twin(ours, f"({theirs})", COMPARISON, True)


def _between(reach: Reach, depth: int) -> Twin:
    choices = reach.choices
    value, low, high = (any_value(reach, depth - 1) for _ in range(3))
    ours_not, theirs_not = _not(choices)
    ours = f"{choices.inside(value, COMPARISON)} {ours_not}{choices.word('BETWEEN')} {choices.inside(low, BITS)}"
    ours += f" {choices.word('AND')} {choices.inside(high, BITS)}"
    theirs = f"({value.theirs} {theirs_not}BETWEEN {low.theirs} AND {high.theirs})"
    return Twin(ours, theirs, COMPARISON, True)


def _in_list(reach: Reach, depth: int) -> Twin:
    choices, value = reach.choices, any_value(reach, depth - 1)
    items = choices.several(0, 4, lambda: any_value(reach, depth - 2))
    ours_not, theirs_not = _not(choices)
    ours = f"{choices.inside(value, COMPARISON)} {ours_not}{choices.word('IN')} ({', '.join(i.ours for i in items)})"
    theirs = f"({value.theirs} {theirs_not}IN ({', '.join(i.theirs for i in items)}))"
    return Twin(ours, theirs, COMPARISON, True)


def _in_rows(reach: Reach, depth: int) -> Twin:
    choices = reach.choices
    if reach.rows is None:
        return _in_list(reach, depth)
    width = 1 + choices.below(2)
    values = [any_value(reach, depth - 1) for _ in range(width)]
    inner = reach.rows(reach.within(), width)
    ours_not, theirs_not = _not(choices)
    left = values[0] if width == 1 else _row_of(values)
    ours = f"{choices.inside(left, COMPARISON)} {ours_not}{choices.word('IN')} {inner.ours}"
    return Twin(ours, f"({left.theirs} {theirs_not}IN {inner.theirs})", COMPARISON, True)


def _row_of(values: list[Twin]) -> Twin:
    ours, theirs = ", ".join(each.ours for each in values), ", ".join(each.theirs for each in values)
    return Twin(f"({ours})", f"({theirs})", ATOM)


def _row(reach: Reach, depth: int) -> Twin:
    left = _row_of([any_value(reach, depth - 1) for _ in range(2)])
    right = _row_of([any_value(reach, depth - 1) for _ in range(2)])
    ours_op, op = reach.choices.pick(_COMPARISONS)
    return Twin(f"{left.ours} {ours_op} {right.ours}", f"({left.theirs} {op} {right.theirs})", COMPARISON, True)


def _exists(reach: Reach, depth: int) -> Twin:
    if reach.rows is None:
        return _between(reach, depth)
    inner = reach.rows(reach.within(), 1)
    return Twin(f"{reach.choices.word('EXISTS')} {inner.ours}", f"(EXISTS {inner.theirs})", ATOM, True)
