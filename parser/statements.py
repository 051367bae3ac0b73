"""Shape → AST, for the whole process, and what can be said of a statement without a schema."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, Final, cast

from ply import yacc

from parser import depth, tables
from parser.errors import SqlError
from parser.lexer import Lexer, SyntaxFault, Token
from parser.nodes import Statement
from parser.plan import Route, Shaped
from parser.routes import route_of
from parser.syntax_errors import syntax_error

#: Parsed statements kept; longer shapes than this are parsed each time, so that they can't fill the memory.
CACHED_SHAPES: Final = 1024
CACHED_SHAPE_CHARACTERS: Final = 8192


class Statements:
    """Parsed statements by shape. Safe to use from native threads: each has a parser of its own."""

    def __init__(self, cached_shapes: int = CACHED_SHAPES) -> None:
        self._table = tables.load()
        self._own = threading.local()
        self._routes: dict[str, Route] = {}
        self._cached = lru_cache(maxsize=cached_shapes)(self._parse)

    def parse(self, shaped: Shaped) -> Statement:
        """The statement's AST.

        Raises SqlError: `syntax` or `ends_early` with line, column, source, found, expected and nearest;
        `too_deep`; `too_complex`.
        """
        shape = shaped.shape
        try:
            return self._cached(shape) if len(shape) <= CACHED_SHAPE_CHARACTERS else self._parse(shape)
        except SyntaxFault as fault:
            raise syntax_error(shaped, fault, self._fault_of) from None

    def _fault_of(self, shape: str) -> int | None:
        try:
            self._parse(shape)
        except SyntaxFault as fault:
            return fault.start
        except SqlError:
            return 0
        return None

    def route(self, shaped: Shaped) -> Route:
        """Where the statement goes. Raises what `parse` raises."""
        found = self._routes.get(shaped.shape)
        if found is None:
            found = route_of(self.parse(shaped))
            if len(shaped.shape) <= CACHED_SHAPE_CHARACTERS:
                if len(self._routes) >= CACHED_SHAPES:
                    self._routes.clear()
                self._routes[shaped.shape] = found
        return found

    def _parse(self, shape: str) -> Statement:
        lexer = Lexer(shape)
        statement = cast(Statement, self._parser().parse(lexer))
        if len(lexer.tokens) >= depth.FREE_TOKENS:
            depth.check(statement)
        return statement

    def _parser(self) -> GrammarParser:
        try:
            return cast(GrammarParser, self._own.parser)
        except AttributeError:
            self._own.parser = GrammarParser(self._table)
            return cast(GrammarParser, self._own.parser)


class GrammarParser:
    """PLY's parser over the tables. One thread at a time: the stacks are its own."""

    def __init__(self, table: Any) -> None:
        self._lr = yacc.LRParser(table, self._fail)
        self._lexer: Lexer | None = None

    def parse(self, lexer: Lexer) -> object:
        """The AST of the lexer's tokens. Raises SyntaxFault; SqlError from a rule."""
        self._lexer = lexer
        return self._lr.parse(lexer=lexer, tracking=True)

    def _fail(self, token: Token | None) -> None:
        lexer = cast(Lexer, self._lexer)
        end = len(lexer.shape)
        start, end = (token.lexpos, token.endlexpos) if token else (end, end)
        raise SyntaxFault(start, end, lexer, self._expected())

    def _expected(self) -> tuple[str, ...]:
        """The tokens that the parser could have shifted instead: LALR tables promise some that a later reduction
        refuses, so each is tried on a copy of the stack."""
        stack = list(self._lr.statestack)
        return tuple(token for token in self._lr.action[stack[-1]] if self._would_shift(token, stack))

    def _would_shift(self, token: str, stack: list[int]) -> bool:
        stack = list(stack)
        while True:
            action = self._lr.action[stack[-1]].get(token)
            if action is None:
                return False
            if action >= 0:
                return True
            production = self._lr.productions[-action]
            del stack[len(stack) - production.len :]
            stack.append(self._lr.goto[stack[-1]][production.name])


