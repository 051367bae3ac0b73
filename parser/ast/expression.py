"""AST nodes of expressions, domains and windows. `dirk_parser.ast` says what all nodes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from dirk_parser.ast.query import Query


def unplaced() -> int:
    """The field of a node's `place`: -1 by default, and no part of equality."""
    return field(default=-1, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier as written (back quotes taken off). `database`: the one that stands before it, '' for none."""

    text: str
    place: int = unplaced()
    database: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """`NormalizedStatement.literals[index]`.

    `kind`: text, whole, real, blob (its hexadecimal digits, after an x), or value (any of the first three or null,
    true, false: in VALUES rows only).
    """

    index: int
    kind: str
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Constant:
    """The words null (None), true and false."""

    value: bool | None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Parameter:
    """`?` (position from 0 in the statement, name None) or `$name` (name given, position -1)."""

    position: int
    name: str | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """A column reference, `name` or `table.name`."""

    name: Name
    table: Name | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Unary:
    """`op`: - + ~ not."""

    op: str
    operand: Expr
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Binary:
    """`op`: + - * / div % || & | << >> -> ->> = <> < <= > >=  (`==` is `=`, `!=` is `<>`).

    `place` is the operator's.
    """

    op: str
    left: Expr
    right: Expr
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Logical:
    """`op`: and, or. A chain `a or b or c` is one node with three operands (long chains stay shallow)."""

    op: str
    operands: tuple[Expr, ...]
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Is:
    """`left IS [NOT] right`: SQLite's null-safe equality. IS DISTINCT FROM is IS NOT; `dia tsy null` is negated.

    With `right` Constant(True/False) it is a truth test, as SQLite's IS TRUE.
    """

    left: Expr
    right: Expr
    negated: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Like:
    """`op`: like, glob. `escape` only with like."""

    operand: Expr
    pattern: Expr
    escape: Expr | None = None
    negated: bool = False
    op: str = "like"
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Between:
    """`operand BETWEEN low AND high`."""

    operand: Expr
    low: Expr
    high: Expr
    negated: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class InList:
    """`operand IN (items)`; the list may be empty."""

    operand: Expr
    items: tuple[Expr, ...]
    negated: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class InQuery:
    """`operand IN (query)`. `x IN t` arrives here as `x IN (SELECT * FROM t)`."""

    operand: Expr
    query: Query
    negated: bool = False
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Exists:
    """`EXISTS (query)`; NOT EXISTS is Unary('not', Exists)."""

    query: Query
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class ScalarQuery:
    """A query in parentheses used as a value (also the right side of a row comparison)."""

    query: Query
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class When:
    """One branch of a Case."""

    condition: Expr
    result: Expr


@dataclass(frozen=True, slots=True)
class Case:
    """CASE; `operand` None for the searched form."""

    operand: Expr | None
    branches: tuple[When, ...]
    otherwise: Expr | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Cast:
    """`CAST(operand AS domain)`."""

    operand: Expr
    domain: DomainUnion
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Collate:
    """`operand COLLATE name`."""

    operand: Expr
    collation: Name
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Call:
    """A function call. `name.text` is the standard name, lower case, when the word is known to
    `keywords.FUNCTIONS` (`isaina` is count, `androany()` and `today()` are current_date, `izao()` and `now()`
    are current_timestamp), else the text as written. `star` is `count(*)`. `over`: a window, or the name of
    one of the select's `windows`.
    """

    name: Name
    arguments: tuple[Expr, ...] = ()
    distinct: bool = False
    star: bool = False
    order_by: tuple[OrderTerm, ...] = ()
    filter: Expr | None = None
    over: Window | Name | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Row:
    """A row value `(a, b, …)` of two or more."""

    items: tuple[Expr, ...]
    place: int = unplaced()


Expr: TypeAlias = (
    Literal | Constant | Parameter | ColumnRef | Unary | Binary | Logical | Is | Like | Between | InList | InQuery
    | Exists | ScalarQuery | Case | Cast | Collate | Call | Row
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One key of ORDER BY or of an index. `nulls_first` None: not said."""

    expr: Expr
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a frame. `kind`: unbounded preceding, preceding, current row, following, unbounded following;
    `value` only with preceding and following."""

    kind: str
    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """`unit`: rows, range, groups. `exclude`: '', no others, current row, group, ties."""

    unit: str
    start: Bound
    end: Bound | None = None
    exclude: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """The window in OVER ( … ). `base`: a named window that this one refines, and takes PARTITION BY from."""

    partition_by: tuple[Expr, ...] = ()
    order_by: tuple[OrderTerm, ...] = ()
    frame: Frame | None = None
    base: Name | None = None


@dataclass(frozen=True, slots=True)
class NamedWindow:
    """`WINDOW name AS ( … )` of a select."""

    name: Name
    window: Window


@dataclass(frozen=True, slots=True)
class Atom:
    """One member of a domain's union. `name` as written (`DOUBLE PRECISION` is one name with one space).

    Arguments: Literal, Unary('-', Literal), Constant(None), or Name (a bare word of TANISA).
    """

    name: Name
    arguments: tuple[Literal | Unary | Constant | Name, ...] = ()
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class DomainUnion:
    """A union of atoms."""

    atoms: tuple[Atom, ...]
    place: int = unplaced()
