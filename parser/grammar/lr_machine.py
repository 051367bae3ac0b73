"""The machine that runs the LALR tables: what PLY's own does, for this grammar alone and several times as fast.

PLY makes the tables; its driver pays on every token for what no rule here uses (error recovery, a value stack of its
own kind). Here a production is a list, and a rule that only hands its one symbol on is not called at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from dirk_parser.grammar.base import P, grows, passes
from dirk_parser.lexical.lexer import Lexer, SyntaxFault
from dirk_parser.lexical.tokens import Token

_END: Final = "$end"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol of a production: the grammar's name of it, or the token's type, and its value."""

    type: str
    value: Any


class Stack(list[Any]):
    """The symbols read so far, and the production that is being reduced: the list itself holds that one's values by
    position, 0 for the result. The four lists belong together: an entry of each is one symbol."""

    __slots__ = ("base", "ends", "lexer", "starts", "types", "values")

    def __init__(self, lexer: Lexer) -> None:
        super().__init__((None,))
        self.lexer = lexer
        self.base = 0
        self.types: list[str] = []
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    @property
    def slice(self) -> list[Symbol]:
        """The production's symbols by position."""
        types, values = self.types[self.base :], self.values[self.base :]
        return [Symbol("", None), *map(Symbol, types, values)]

    def lexpos(self, position: int) -> int:
        """Where a symbol begins in the template; 0 for an empty one."""
        return self.starts[self.base + position - 1]

    def lexspan(self, position: int) -> tuple[int, int]:
        """Where a symbol begins and ends in the template."""
        at = self.base + position - 1
        return self.starts[at], self.ends[at]

    def push(self, token: Token) -> None:
        """One more token."""
        self.types.append(token.type)
        self.values.append(token.value)
        self.starts.append(token.lexpos)
        self.ends.append(token.endlexpos)

    def reduce(self, name: str, count: int, rule: Callable[[P], None], lists: tuple[int, ...]) -> None:
        """Replaces the last `count` symbols by the one called `name` that `rule` makes of them. The symbols at `lists`
        are complete now."""
        values = self.values
        base = self.base = len(values) - count
        self[1:] = values[base:]
        for position in lists:
            self[position] = tuple(self[position])
        rule(cast(P, self))
        if count == 1:
            values[base] = self[0]
            self.types[base] = name
        elif count:
            values[base:] = (self[0],)
            self.types[base:] = (name,)
            self.ends[base:] = self.ends[-1:]
            del self.starts[base + 1 :]
        else:
            values.append(self[0])
            self.types.append(name)
            self.starts.append(0)
            self.ends.append(0)
        self[0] = None


#: A production: its head, how many symbols it has, its rule (None: it hands its one symbol on), where lists stand in it
#: that are complete with it.
Rule: TypeAlias = tuple[str, int, Callable[[P], None] | None, tuple[int, ...]]


def _rules(productions: Sequence[Any]) -> list[Rule]:
    """PLY's productions as the machine runs them."""
    lists = {production.name for production in productions if grows(production.callable)}
    rules: list[Rule] = []
    for production in productions:
        symbols = production.str.partition(" -> ")[2].split()[: production.len]
        own = production.name if grows(production.callable) else ""
        complete = tuple(at for at, symbol in enumerate(symbols, 1) if symbol in lists and symbol != own)
        is_called = production.len != 1 or bool(complete) or not passes(production.callable)
        rules.append((production.name, production.len, production.callable if is_called else None, complete))
    return rules


class Machine:
    """The tables, ready to run. One thread at a time: the stack of states is its own."""

    def __init__(self, table: Any) -> None:
        self._action: list[dict[str, int]] = [table.lr_action[state] for state in range(len(table.lr_action))]
        self._goto: list[dict[str, int]] = [table.lr_goto.get(state, {}) for state in range(len(self._action))]
        #: The one thing that a state can do whatever follows: a reduction, or 0.
        self._default = [_only_reduction(actions) for actions in self._action]
        self._rules = _rules(table.lr_productions)
        self._states: list[int] = []

    def parse(self, lexer: Lexer) -> object:
        """The AST of the lexer's tokens. Raises SyntaxFault; SqlError from a rule."""
        action, goto, default, rules = self._action, self._goto, self._default, self._rules
        end = len(lexer.template)
        following = iter(lexer.tokens)
        token = next(following, None) or Token(_END, "", end, end)
        states = self._states = [0]
        stack = Stack(lexer)
        state = 0
        while True:
            step = default[state] or action[state].get(token.type)
            if step is None:
                raise self._fault(lexer, token)
            if step > 0:
                stack.push(token)
                token = next(following, None) or Token(_END, "", end, end)
                state = step
            elif step < 0:
                name, count, rule, lists = rules[-step]
                if rule is None:
                    states.pop()
                else:
                    stack.reduce(name, count, rule, lists)
                    if count:
                        del states[-count:]
                state = goto[states[-1]][name]
            else:
                return stack.values[-1]
            states.append(state)

    def _fault(self, lexer: Lexer, token: Token) -> SyntaxFault:
        return SyntaxFault(token.lexpos, token.endlexpos, lexer, self._expected())

    def _expected(self) -> tuple[str, ...]:
        """The tokens that could have been shifted instead: LALR tables promise some that a later reduction refuses, so
        each is tried on a copy of the stack."""
        return tuple(token for token in self._action[self._states[-1]] if self._would_shift(token, self._states))

    def _would_shift(self, token: str, stack: list[int]) -> bool:
        stack = list(stack)
        while True:
            step = self._action[stack[-1]].get(token)
            if step is None:
                return False
            if step >= 0:
                return True
            name, count, *_ = self._rules[-step]
            del stack[len(stack) - count :]
            stack.append(self._goto[stack[-1]][name])


def _only_reduction(actions: dict[str, int]) -> int:
    steps = list(actions.values())
    return steps[0] if len(steps) == 1 and steps[0] < 0 else 0
