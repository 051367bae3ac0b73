"""Random statements out of the grammar's own productions: whatever the language can say, in both vocabularies.

The grammar is read from the rules' docstrings, as PLY reads it, so that a form that is added is generated too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dirk_parser.grammar import grammar
from dirk_parser.lexical.keywords import KEYWORDS
from dirk_parser.lexical.lexer import SIGNS
from tests.parser.twin_text import Choices

Production = tuple[str, tuple[str, ...]]

_NAMES = ("t", "a", "élève", "`two words`", "`select`", "B", "count", "max", "`a``b`", "anarana", "f")
_TEXTS = ("'x'", "'it''s'", '"a \\"b\\" c"', "''", "'é\\n日本'")
_FIXED = {
    "ON_CONFLICT": "ON CONFLICT", "NOT_INDEXED": "NOT INDEXED", "INDEXED_BY": "INDEXED BY", "BLOB": "x'00ff'",
    "GENERATED_ALWAYS": "GENERATED ALWAYS", "NOT_DEFERRABLE": "NOT DEFERRABLE",
}  # fmt: skip
#: What lies in another database than the one in use is refused: the first name of these is the one in use.
_QUALIFIED = frozenset(
    (
        ("object_name", ("name", "DOT", "name")),
        ("column", ("name", "DOT", "name", "DOT", "name")),
        ("item", ("name", "DOT", "name", "DOT", "STAR")),
    )
)
#: A literal of rows that were collapsed: no text has it.
_NEVER = frozenset(("ANY",))


def productions() -> tuple[Production, ...]:
    """All productions of the grammar but those that no text leads to."""
    found = [each for rule in grammar.rules().values() for each in _read(rule.__doc__ or "")]
    return tuple(dict.fromkeys(each for each in found if _NEVER.isdisjoint(each[1])))


def _read(text: str) -> Iterator[Production]:
    """The productions of a docstring: `head : body | body`, one or more."""
    for line in text.splitlines():
        words = line.split()
        if words[1:2] == [":"]:
            head, words = words[0], words[1:]
        if words:
            assert words[0] in (":", "|"), text
            body = words[1:]
            yield head, tuple(body[: body.index("%prec")] if "%prec" in body else body)


@dataclass(frozen=True, slots=True)
class Grammar:
    """The productions by symbol, how deep each symbol is at least, and a way from the start to each symbol."""

    bodies: dict[str, list[tuple[str, ...]]]
    depths: dict[str, int]
    ways: dict[str, tuple[Production, ...]]

    @staticmethod
    def read() -> Grammar:
        """The language's."""
        bodies: dict[str, list[tuple[str, ...]]] = {}
        for head, body in productions():
            bodies.setdefault(head, []).append(body)
        depths: dict[str, int] = {}
        while len(depths) < len(bodies):
            known = {
                head: min(found)
                for head, all_ in bodies.items()
                if head not in depths and (found := [d for b in all_ if (d := _depth(b, bodies, depths)) is not None])
            }
            depths |= known
        return Grammar(bodies, depths, _ways(bodies))

    def sentence(self, choices: Choices, wanted: Production, budget: int) -> str:
        """A statement that uses `wanted`, its other parts at random, `budget` levels deep where they may be."""
        chosen = [*self.ways[wanted[0]], wanted]
        words: list[str] = []

        def expand(symbol: str, left: int) -> None:
            if symbol not in self.bodies:
                words.append(_written(choices, symbol))
                return
            if chosen and chosen[0][0] == symbol:
                body = chosen.pop(0)[1]
            else:
                fitting = [b for b in self.bodies[symbol] if (_depth(b, self.bodies, self.depths) or 0) <= left]
                body = choices.pick(fitting or [min(self.bodies[symbol], key=self._least)])
            if (symbol, body) in _QUALIFIED:
                words.append("main")
                body = body[1:]
            for each in body:
                expand(each, left - 1)

        expand("statement", budget)
        return " ".join(words)

    def _least(self, body: tuple[str, ...]) -> int:
        return _depth(body, self.bodies, self.depths) or 0


def _depth(body: tuple[str, ...], bodies: dict[str, list[tuple[str, ...]]], depths: dict[str, int]) -> int | None:
    inner = [depths.get(symbol) for symbol in body if symbol in bodies]
    return None if None in inner else 1 + max((each for each in inner if each is not None), default=0)


def _ways(bodies: dict[str, list[tuple[str, ...]]]) -> dict[str, tuple[Production, ...]]:
    """For each symbol the productions that lead to it from `statement`, shortest first found."""
    ways: dict[str, tuple[Production, ...]] = {"statement": ()}
    waiting = ["statement"]
    for head in waiting:
        for body in bodies[head]:
            for symbol in body:
                if symbol in bodies and symbol not in ways:
                    ways[symbol] = (*ways[head], (head, body))
                    waiting.append(symbol)
    return ways


def _written(choices: Choices, token: str) -> str:
    """One token as text."""
    if token in SIGNS:
        return SIGNS[token]
    makers: dict[str, Callable[[], str]] = {
        "ID": lambda: choices.pick(_NAMES),
        "TEXT": lambda: choices.pick(_TEXTS),
        "WHOLE": lambda: choices.pick(("1", "0", "42", "9223372036854775807")),
        "REAL": lambda: choices.pick(("1.5", "1e3", ".5")),
        "PARAMETER": lambda: choices.pick(("?", "$p")),
    }
    if token in makers:
        return makers[token]()
    return _FIXED[token] if token in _FIXED else choices.pick(KEYWORDS[token].standard + KEYWORDS[token].malagasy)
