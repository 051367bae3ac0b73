"""Domains: the union of atoms that a column accepts, as a test in pure SQL and as text in the language's notation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dirk_parser.ast.expression import Atom as AtomNode
from dirk_parser.ast.expression import Constant, DomainUnion, Literal, Name, Unary
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import Value

_DATE_GLOB = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_MOMENT_GLOB = _DATE_GLOB + " [0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
#: The greatest number that 64 bits hold as a real.
_GREATEST = "1.7976931348623157e308"

#: So much of a value is shown in an error.
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Number:
    """A number in [low, high] (None: open). `whole` numbers only; NUMERIC(precision, scale) rounds to `scale`."""

    low: int | float | None = None
    high: int | float | None = None
    whole: bool = False
    precision: int | None = None
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """Text whose length in characters is in [low, high] (None: open)."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """An ISO 8601 date, or date and time, that exists."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the listed values."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """marina or diso, stored as 1 and 0."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value, blobs included."""


@dataclass(frozen=True, slots=True)
class Named:
    """A domain made by CREATE DOMAIN, with what it meant then (a domain in use never changes)."""

    name: str
    atoms: tuple[Atom, ...]


Atom = Number | Text | Moment | Choice | Truth | Anything | Named
#: A column's domain: any atom may accept the value.
Atoms = tuple[Atom, ...]

_WHOLE_WORDS = ("integer", "int", "smallint", "bigint", "tinyint", "mediumint", "int2", "int4", "int8")
_WHOLE = (*_WHOLE_WORDS, *(f"{word} unsigned" for word in _WHOLE_WORDS), "unsigned big int", "long", "year", "signed")
_REAL = ("real", "float", "double", "double precision", "float4", "float8")
_DECIMAL = ("numeric", "decimal", "dec", "number")
_TEXT = (
    "text",
    "varchar",
    "char",
    "character",
    "character varying",
    "varying character",
    "nvarchar",
    "nchar",
    "native character",
    "national character",
    "varchar2",
    "nvarchar2",
    "string",
    "clob",
    "tinytext",
    "mediumtext",
    "longtext",
    "ntext",
    "json",
    "uuid",
    "time",
)
_MOMENT = ("daty", "date", "datetime", "timestamp")
_CHOICE = ("tanisa", "enum")
_TRUTH = ("boolean", "bool", "bit")
_ANYTHING = ("blob", "any", "bytea", "binary", "varbinary", "tinyblob", "mediumblob", "longblob")
_KNOWN = frozenset((*_WHOLE, *_REAL, *_DECIMAL, *_TEXT, *_MOMENT, *_CHOICE, *_TRUTH, *_ANYTHING, "isa", "lahatsoratra"))

#: Reads the value of a literal of the statement by its index.
ReadLiteral = Callable[[int], Value]
#: Finds a named domain by its name; raises unknown_domain.
FindDomain = Callable[[str], Named]


def is_built_in(name: str) -> bool:
    """True when `name` is an atom or a standard type, so that no domain may be called so."""
    return name.casefold() in _KNOWN


def is_real(node: DomainUnion) -> bool:
    """True when the domain is written as one of the standard's real types: a conversion to it makes a real number."""
    return len(node.atoms) == 1 and node.atoms[0].name.text.casefold() in _REAL


def built_in_names() -> Iterable[str]:
    """Atoms and standard types, for the nearest name of an unknown one."""
    return _KNOWN


def resolve(node: DomainUnion, read: ReadLiteral, find: FindDomain) -> Atoms:
    """The meaning of a domain's text. Raises unknown_domain (42704) or invalid_domain (42P17)."""
    return tuple(_placed_atom(atom, read, find) for atom in node.atoms)


def _placed_atom(atom: AtomNode, read: ReadLiteral, find: FindDomain) -> Atom:
    try:
        return _resolve_atom(atom, read, find)
    except SqlError as error:
        error.at(atom.place)
        raise


def _resolve_atom(atom: AtomNode, read: ReadLiteral, find: FindDomain) -> Atom:
    word = atom.name.text.casefold()
    if word not in _KNOWN:
        domain = find(atom.name.text)
        if atom.arguments:
            raise SqlError("invalid_domain", name=atom.name.text)
        return domain
    values = tuple(_argument(argument, read) for argument in atom.arguments)
    built = _build(word, values)
    if built is None:
        raise SqlError("invalid_domain", name=atom.name.text)
    return built


def _argument(node: Literal | Unary | Constant | Name, read: ReadLiteral) -> Value:
    if isinstance(node, Name):
        return node.text
    if isinstance(node, Constant):
        return None
    if isinstance(node, Literal):
        return read(node.index)
    if not isinstance(node.operand, Literal):
        return None
    value = read(node.operand.index)
    return -value if isinstance(value, int | float) else value


def _build(word: str, values: tuple[Value, ...]) -> Atom | None:
    """The built-in atom `word` with its arguments, or None when they make no sense."""
    if word in _CHOICE:
        return Choice(values) if values and None not in values else None
    if any(isinstance(value, str) for value in values):
        return None
    if word == "isa" or (word in _WHOLE and len(values) != 1):
        return _number(values, whole=word != "isa")
    if word in _WHOLE or word in _REAL:
        return Number(whole=word in _WHOLE) if len(values) <= 1 else None
    if word in _DECIMAL:
        return _decimal(values)
    if word == "lahatsoratra" or word in _TEXT:
        return _text(values)
    if word in _ANYTHING:
        return Anything() if len(values) <= 1 else None
    if values and word != "timestamp":
        return None
    return Moment() if word in _MOMENT else Truth()


def _number(values: tuple[Value, ...], whole: bool) -> Number | None:
    if not values:
        return Number(whole=whole)
    if len(values) != 2:
        return None
    low, high = (value if isinstance(value, int | float) else None for value in values)
    if low is not None and high is not None and low > high:
        return None
    return Number(low, high, whole)


def _decimal(values: tuple[Value, ...]) -> Number | None:
    if not values:
        return Number()
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) != len(values) or len(values) > 2:
        return None
    precision, scale = numbers[0], numbers[1] if len(numbers) == 2 else 0
    return Number(precision=precision, scale=scale) if 0 <= scale <= precision <= 1000 and precision else None


def _text(values: tuple[Value, ...]) -> Text | None:
    if not values:
        return Text()
    bounds = (None, *values) if len(values) == 1 else values
    if len(bounds) != 2 or any(not (bound is None or (isinstance(bound, int) and bound >= 0)) for bound in bounds):
        return None
    low, high = (bound if isinstance(bound, int) else None for bound in bounds)
    return None if low is not None and high is not None and low > high else Text(low, high)


# --- as SQL --------------------------------------------------------------------------------------------------


def accepts(atoms: Atoms, value: str, literal: Callable[[Value], str], truth: str) -> str:
    """A condition, never NULL for a value that is not, that holds when `value` (an SQL expression) is accepted.

    `truth`: what is true in SQLite's SQL where it stands.
    """
    return " OR ".join(_accepts_atom(atom, value, literal, truth) for atom in atoms)


def _accepts_atom(atom: Atom, value: str, literal: Callable[[Value], str], truth: str) -> str:
    match atom:
        case Named(atoms=atoms):
            return f"({accepts(atoms, value, literal, truth)})"
        case Number():
            return _accepts_number(atom, value, literal)
        case Text():
            conditions = [f"typeof({value})='text'"]
            conditions += [f"length({value})>={atom.low}"] if atom.low else []
            conditions += [f"length({value})<={atom.high}"] if atom.high is not None else []
            return f"({' AND '.join(conditions)})"
        case Moment():
            return (
                f"(typeof({value})='text' AND (({value} GLOB '{_DATE_GLOB}' AND date({value}) IS {value})"
                f" OR ({value} GLOB '{_MOMENT_GLOB}' AND datetime({value}) IS {value})))"
            )
        case Choice(values=values):
            return f"({value} IN ({', '.join(literal(allowed) for allowed in values)}))"
        case Anything():
            return truth
        case Truth():
            return f"(typeof({value})='integer' AND ({value}=0 OR {value}=1))"


def _accepts_number(atom: Number, value: str, literal: Callable[[Value], str]) -> str:
    whole = f"(typeof({value})='integer' OR (typeof({value})='real' AND {value}=CAST({value} AS INTEGER)))"
    is_open = atom.precision is None and (atom.low is None or atom.high is None)
    real = f"(typeof({value})='real' AND {finite(value)})" if is_open else f"typeof({value})='real'"
    conditions = [whole if atom.whole else f"(typeof({value})='integer' OR {real})"]
    if atom.low is not None:
        conditions.append(f"{value}>={literal(atom.low)}")
    if atom.high is not None:
        conditions.append(f"{value}<={literal(atom.high)}")
    if atom.precision is not None:
        conditions.append(f"{value}=round({value}, {atom.scale})")
        conditions.append(f"{value} BETWEEN -{_limit(atom)} AND {_limit(atom)}")
    return f"({' AND '.join(conditions)})"


def finite(value: str) -> str:
    """A condition that holds for a number that is no infinity. `value` is written once."""
    return f"{value} BETWEEN -{_GREATEST} AND {_GREATEST}"


def admits_infinity(atoms: Atoms) -> bool:
    """True when the own test of `atoms` lets an infinite number through."""
    return not atoms or any(
        isinstance(atom, Anything) or (isinstance(atom, Named) and admits_infinity(atom.atoms)) for atom in atoms
    )


def _limit(atom: Number) -> str:
    """The first magnitude that NUMERIC(precision, scale) can't hold."""
    return f"1e{(atom.precision or 0) - atom.scale}"


def rounding(atoms: Atoms) -> Number | None:
    """The NUMERIC(p, s) atom that rounds what a column of `atoms` is given, when there is one."""
    for atom in atoms:
        if isinstance(atom, Number) and atom.precision is not None:
            return atom
        if isinstance(atom, Named) and (inner := rounding(atom.atoms)):
            return inner
    return None


def rounded(atom: Number, value: str, beyond: str = "dirk_fail('out_of_range')") -> str:
    """`value` as NUMERIC(p, s) stores it, `beyond` where it has too many digits. `value` is written several times."""
    exact = f"round({value}, {atom.scale})"
    kept = f"CAST({exact} AS INTEGER)" if atom.scale == 0 and (atom.precision or 0) <= 18 else exact
    too_big = f"abs({exact}) >= {_limit(atom)}"
    return (
        f"CASE typeof({value}) WHEN 'integer' THEN CASE WHEN {too_big} THEN {beyond} ELSE {value} END"
        f" WHEN 'real' THEN CASE WHEN {too_big} THEN {beyond} ELSE {kept} END ELSE {value} END"
    )


def is_boolean(atoms: Atoms) -> bool:
    """True when values of `atoms` are only marina and diso."""
    return bool(atoms) and all(
        isinstance(atom, Truth) or (isinstance(atom, Named) and is_boolean(atom.atoms)) for atom in atoms
    )


def is_moment(atoms: Atoms) -> bool:
    """True when values of `atoms` are only dates."""
    return bool(atoms) and all(
        isinstance(atom, Moment) or (isinstance(atom, Named) and is_moment(atom.atoms)) for atom in atoms
    )


# --- as text -------------------------------------------------------------------------------------------------


def text(atoms: Atoms) -> str:
    """`atoms` in the language's own notation; a named domain by its name."""
    return ":".join(_atom_text(atom) for atom in atoms)


def _atom_text(atom: Atom) -> str:
    match atom:
        case Named(name=name):
            return name
        case Number(precision=int()):
            return f"NUMERIC({atom.precision}, {atom.scale})"
        case Number():
            return _with_bounds("INTEGER" if atom.whole else "ISA", atom.low, atom.high)
        case Text():
            return _with_bounds("LAHATSORATRA", atom.low, atom.high)
        case Moment():
            return "DATY"
        case Choice(values=values):
            return f"TANISA({', '.join(value_text(value) for value in values)})"
        case Truth():
            return "BOOLEAN"
        case Anything():
            return "BLOB"


def _with_bounds(word: str, low: Value, high: Value) -> str:
    if low is None and high is None:
        return word
    return f"{word}({value_text(low)}, {value_text(high)})"


def shown_value(value: Value | bytes) -> str:
    """As `value_text`, for an error: of a long text or blob the beginning. (An error is recorded with its request, and
    a value that was refused must not take room.)
    """
    if isinstance(value, str | bytes) and len(value) > _SHOWN_CHARACTERS:
        return value_text(value[:_SHOWN_CHARACTERS]) + "…"
    return value_text(value)


def value_text(value: Value | bytes) -> str:
    """A value in the language's notation: texts in double quotes, so that they are told apart from numbers."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if value is None:
        return "null"
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)
