"""AST → text → AST is exact in both vocabularies, for every form that the grammar knows and every kind of node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dirk_parser.ast import expression, query, statement
from dirk_parser.ast.statement import Statement
from dirk_parser.errors import SqlError
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import split
from dirk_parser.printer import printer
from tests.parser.names_kept import as_it_was
from tests.parser.sentences import Grammar, Production, productions
from tests.parser.twin_text import Choices

NODE_MODULES = (expression, query, statement)
GRAMMAR = Grammar.read()
ALL = productions()
#: Statements made for each production; most parse, some are refused by what one token ahead can't tell.
TRIES = 12


def parsed(statements: Statements, text: str) -> tuple[Statement, NormalizedStatement] | None:
    """The statement's tree, None when it is none."""
    try:
        normalized = split(text)
        return statements.parse(normalized), normalized
    except SqlError as error:
        assert error.sqlstate in ("42601", "54001", "22003", "0A000"), (error, text)
        return None


def there_and_back(statements: Statements, text: str) -> Statement | None:
    """The tree of a text, after it went through both vocabularies unchanged."""
    found = parsed(statements, text)
    if found is None:
        return None
    tree, normalized = found
    for malagasy in (True, False):
        printed = printer.write(tree, normalized, malagasy)
        again = parsed(statements, printed)
        assert again is not None, f"{text}\n{printed}"
        back = as_it_was(tree, again[0], normalized)
        assert back == tree, f"{text}\n{printed}\n{tree}\n{back}"
        assert again[1].literals == normalized.literals, f"{text}\n{printed}"
    return tree


def kinds(node: object) -> Iterator[type]:
    """The class of every node in a tree."""
    if isinstance(node, tuple):
        for each in node:
            yield from kinds(each)
    elif is_dataclass(node):
        yield type(node)
        for field in fields(node):
            yield from kinds(getattr(node, field.name))


def some_statement(statements: Statements, choices: Choices, wanted: Production) -> Statement | None:
    """A statement with this production, gone there and back; None when none of some tries is a statement."""
    for attempt in range(TRIES):
        found = there_and_back(statements, GRAMMAR.sentence(choices, wanted, attempt % 7 + 3))
        if found is not None:
            return found
    return None


def test_every_production_and_every_kind_of_node_survives(statements: Statements) -> None:
    state = [20_260_000]

    def below(limit: int) -> int:
        state[0] = (state[0] * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return (state[0] >> 33) % limit

    choices = Choices(below)
    seen: set[type] = set()
    silent = []
    for wanted in ALL:
        tree = some_statement(statements, choices, wanted)
        if tree is None:
            silent.append(wanted)
        else:
            seen.update(kinds(tree))
    assert silent == []
    nodes = {each for module in NODE_MODULES for each in vars(module).values() if is_dataclass(each)}
    assert sorted(each.__name__ for each in nodes - seen) == []


@given(st.randoms(use_true_random=False), st.sampled_from(ALL), st.integers(4, 12))
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
def test_any_statement_survives(statements: Statements, random: object, wanted: Production, budget: int) -> None:
    choices = Choices(random.randrange)  # type: ignore[attr-defined]
    there_and_back(statements, GRAMMAR.sentence(choices, wanted, budget))


@pytest.fixture(scope="module")
def statements() -> Statements:
    """One parser for all."""
    return Statements()
