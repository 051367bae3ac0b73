"""Shape → AST, for the whole process, and what can be said of a statement without a schema."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import lru_cache
from typing import Final, TypeAlias, cast

from dirk_parser.ast import depth
from dirk_parser.ast.statement import Statement
from dirk_parser.errors import SqlError
from dirk_parser.grammar import lr_tables
from dirk_parser.grammar.lr_machine import Machine
from dirk_parser.grammar.route import Route, route_of
from dirk_parser.grammar.syntax_errors import syntax_error
from dirk_parser.lexical.lexer import Lexer, SyntaxFault
from dirk_parser.lexical.tokens import InDatabase
from dirk_parser.normalize.name_characters import check_names
from dirk_parser.normalize.template import Shaped

#: Parsed statements kept; longer shapes than this are parsed each time, so that they can't fill the memory.
CACHED_SHAPES: Final = 1024
CACHED_SHAPE_CHARACTERS: Final = 8192


#: A statement, and what it says to be in a database.
_Parsed: TypeAlias = tuple[Statement, tuple[InDatabase, ...]]


class Statements:
    """Parsed statements by shape. Safe to use from native threads: each has a parser of its own."""

    def __init__(self, cached_shapes: int = CACHED_SHAPES) -> None:
        self._table = lr_tables.load()
        self._own = threading.local()
        self._routes: dict[str, Route] = {}
        self._cached = lru_cache(maxsize=cached_shapes)(self._parse)

    def parse(self, shaped: Shaped) -> Statement:
        """The statement's AST.

        Raises SqlError: `syntax`, `parameter_misplaced` or `ends_early` with line, column, source, found, expected
        and nearest; `too_deep`; `too_complex`.
        """
        shape = shaped.shape
        try:
            return self._found(shape)[0]
        except SyntaxFault as fault:
            raise syntax_error(shaped, fault, self._fault_of) from None

    def databases(self, shaped: Shaped) -> tuple[InDatabase, ...]:
        """What a statement says to be in a database. Raises what `parse` raises."""
        self.parse(shaped)
        return self._found(shaped.shape)[1]

    def _found(self, shape: str) -> _Parsed:
        return self._cached(shape) if len(shape) <= CACHED_SHAPE_CHARACTERS else self._parse(shape)

    def _fault_of(self, shape: str) -> int | None:
        try:
            self._parse(shape)
        except SyntaxFault as fault:
            return fault.start
        except SqlError:
            return 0
        return None

    def route(self, shaped: Shaped) -> Route:
        """Where the statement goes. Raises what `parse` raises, and `character_unassigned`."""
        found = self._routes.get(shaped.shape)
        if found is None:
            check_names(shaped.shape)
            found = route_of(self.parse(shaped))
            if "." in shaped.shape and (databases := self.databases(shaped)):
                found = replace(found, databases=databases)
            if len(shaped.shape) <= CACHED_SHAPE_CHARACTERS:
                if len(self._routes) >= CACHED_SHAPES:
                    self._routes.clear()
                self._routes[shaped.shape] = found
        return found

    def _parse(self, shape: str) -> _Parsed:
        lexer = Lexer(shape)
        statement = cast(Statement, self._parser().parse(lexer))
        if len(lexer.tokens) >= depth.FREE_TOKENS:
            depth.check(statement)
        return statement, tuple(lexer.databases)

    def _parser(self) -> Machine:
        try:
            return cast(Machine, self._own.parser)
        except AttributeError:
            self._own.parser = Machine(self._table)
            return cast(Machine, self._own.parser)
