"""INSERT … SELECT from another database: taken apart into the query that is asked there, and the INSERT of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace

from dirk_parser.ast.expression import ColumnRef, Name, Parameter
from dirk_parser.ast.query import Query, Star, TableRef
from dirk_parser.ast.statement import Insert, Statement
from dirk_parser.ast.walk import find_all
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Kind, Route
from dirk_parser.names import key
from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement
from dirk_parser.printer.printer import write


@dataclass(frozen=True, slots=True)
class Copy:
    """`query` is the text to be asked in `database` with `query_args`; its rows, as literals, make an INSERT of `head`
    and `tail`, which takes `args`. `place`: where the template names the database.
    """

    database: str
    place: int
    query: str
    query_args: Args
    head: str
    tail: str
    args: Args

    def insert(self, rows: Sequence[str], width: int) -> str:
        """The INSERT of `rows`, each as the text of `width` literals in parentheses."""
        nothing = f"SELECT {', '.join(['null'] * width)} WHERE false"
        source = f"VALUES {', '.join(rows)}" if rows else nothing
        return f"{self.head}{source}{self.tail}"


def names_others(route: Route, database: str | None) -> bool:
    """True when an INSERT names another database than `database`, which it is run in: it may be a copy."""
    own = None if database is None else key(database)
    is_insert = route.kind is Kind.WRITE and route.verb == "insert"
    return is_insert and any(key(named.database) != own for named in route.databases)


def copy_of(statement: Statement, normalized: NormalizedStatement, args: Args, route: Route, database: str) -> Copy:
    """The parts of an INSERT for which `names_others` holds.

    Raises SqlError: other_database where anything but its query names another database, copy_mixed where the query does
    not read that one alone.
    """
    if not isinstance(statement, Insert) or statement.source is None:
        raise _refused(route, database)
    query = statement.source
    if statement.with_ is not None:
        if query.with_ is not None:
            raise _refused(route, database)
        query = replace(query, with_=statement.with_)
    other = _other(query, route, database)
    bare = replace(statement, source=None, with_=None)
    head = write(replace(bare, upserts=(), returning=()), normalized)
    tail = write(bare, normalized).removeprefix(head)
    parameters = list(find_all(query, Parameter))
    rest = list(find_all(bare, Parameter))
    return Copy(
        database=other.database,
        place=other.place,
        query=write(query, normalized),
        query_args=_args_of(args, parameters, 0),
        head=head.removesuffix("DEFAULT VALUES"),
        tail=tail,
        args=_args_of(args, rest, sum(parameter.name is None for parameter in parameters)),
    )


def _other(query: Query, route: Route, database: str) -> Name:
    """The first name of the only other database, which everything named outside of `database` is in."""
    own = key(database)
    tables = [table_ref.name for table_ref in find_all(query, TableRef)]
    columns = [column_ref.table for column_ref in find_all(query, ColumnRef)] + [
        star.table for star in find_all(query, Star)
    ]
    named = [*tables, *(table for table in columns if table is not None)]
    others = [name for name in named if name.database and key(name.database) != own]
    is_elsewhere = len(others) < sum(key(in_database.database) != own for in_database in route.databases)
    if not others or is_elsewhere:
        raise _refused(route, database)
    other = others[0]
    for name in _read(query):
        if key(name.database) != key(other.database):
            raise SqlError("copy_mixed", database=other.database, name=name.text, place=name.place)
    return other


def _read(query: Query) -> Iterator[Name]:
    """The tables that a query reads, without what is a common table where it stands."""
    waiting: list[tuple[object, frozenset[str]]] = [(query, frozenset())]
    while waiting:
        node, common = waiting.pop()
        if isinstance(node, TableRef):
            if node.name.database or key(node.name.text) not in common:
                yield node.name
        elif isinstance(node, tuple):
            waiting += [(item, common) for item in reversed(node)]
        elif is_dataclass(node):
            if isinstance(node, Query) and node.with_ is not None:
                common |= {key(cte.name.text) for cte in node.with_.ctes}
            waiting += [(getattr(node, field.name), common) for field in reversed(fields(node))]


def _refused(route: Route, database: str) -> SqlError:
    named = next(in_database for in_database in route.databases if key(in_database.database) != key(database))
    return SqlError("other_database", database=named.database, name=named.name, place=named.place)


def _args_of(args: Args, parameters: Sequence[Parameter], before: int) -> Args:
    """The arguments that `parameters` take, behind the first `before` of those without a name."""
    if isinstance(args, Mapping):
        return {
            parameter.name: args[parameter.name]
            for parameter in parameters
            if parameter.name is not None and parameter.name in args
        }
    return args[before : before + sum(parameter.name is None for parameter in parameters)]
