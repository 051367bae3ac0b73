"""Template → AST, for the whole process, and what can be said of a statement without a schema."""

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
from dirk_parser.normalize.normalized_statement import NormalizedStatement

#: Parsed statements kept; longer templates than this are parsed each time, so that they can't fill the memory.
CACHED_TEMPLATES: Final = 1024
CACHED_TEMPLATE_CHARACTERS: Final = 8192


#: A statement, and what it says to be in a database.
_Parsed: TypeAlias = tuple[Statement, tuple[InDatabase, ...]]


class Statements:
    """Parsed statements by template. Safe to use from native threads: each has a parser of its own."""

    def __init__(self, cached_templates: int = CACHED_TEMPLATES) -> None:
        self._table = lr_tables.load()
        self._own = threading.local()
        self._routes: dict[str, Route] = {}
        self._cached = lru_cache(maxsize=cached_templates)(self._parse)

    def parse(self, normalized: NormalizedStatement) -> Statement:
        """The statement's AST.

        Raises SqlError: `syntax`, `parameter_misplaced` or `ends_early` with line, column, source, found, expected
        and nearest; `too_deep`; `too_complex`.
        """
        template = normalized.template
        try:
            return self._found(template)[0]
        except SyntaxFault as fault:
            raise syntax_error(normalized, fault, self._fault_of) from None

    def databases(self, normalized: NormalizedStatement) -> tuple[InDatabase, ...]:
        """The names that a statement says to be in a database. Raises what `parse` raises."""
        self.parse(normalized)
        return self._found(normalized.template)[1]

    def _found(self, template: str) -> _Parsed:
        return self._cached(template) if len(template) <= CACHED_TEMPLATE_CHARACTERS else self._parse(template)

    def _fault_of(self, template: str) -> int | None:
        try:
            self._parse(template)
        except SyntaxFault as fault:
            return fault.start
        except SqlError:
            return 0
        return None

    def route(self, normalized: NormalizedStatement) -> Route:
        """Where the statement goes. Raises what `parse` raises, and `character_unassigned`."""
        route = self._routes.get(normalized.template)
        if route is None:
            check_names(normalized.template)
            route = route_of(self.parse(normalized))
            if "." in normalized.template and (databases := self.databases(normalized)):
                route = replace(route, databases=databases)
            if len(normalized.template) <= CACHED_TEMPLATE_CHARACTERS:
                if len(self._routes) >= CACHED_TEMPLATES:
                    self._routes.clear()
                self._routes[normalized.template] = route
        return route

    def _parse(self, template: str) -> _Parsed:
        lexer = Lexer(template)
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
