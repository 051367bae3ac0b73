"""What a text costs the parser is in proportion to its length, whatever it says."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from dirk_parser.errors import SqlError
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split, split_large_insert
from tests import hostile
from tests.seeds import chosen_seed

SIZE = 256 * 1024
#: Bytes of memory for a character of the statement, at the most, and what does not depend on it.
MOST_A_CHARACTER = 48
FREE_BYTES = 8 * 1024 * 1024
#: Some hundred times what the slowest needs: what is quadratic does not end in it.
MOST_SECONDS = 60


def cost(text: str, statements: Statements) -> int:
    """The bytes of memory that reading `text` takes at the most; in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            before_bytes = peak_bytes()
            for read in (split_large_insert, lambda one: statements.route(split(one))):
                with suppress(SqlError):
                    read(text)
            os.write(writing, b"%d" % (peak_bytes() - before_bytes))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    assert told, f"the process that read {text[:60]!r} … died"
    return int(told)


def peak_bytes() -> int:
    """The most memory that this process ever took."""
    (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def statements() -> Statements:
    found = Statements()
    found.route(split("select 1"))
    return found


@pytest.mark.timeout(MOST_SECONDS)
@pytest.mark.parametrize("name", [name for name, _ in hostile.named(10)])
def test_memory_is_in_proportion_to_the_text(name: str, statements: Statements) -> None:
    text = dict(hostile.named(SIZE))[name]
    taken_bytes = cost(text, statements)
    assert taken_bytes < FREE_BYTES + MOST_A_CHARACTER * len(text), f"{taken_bytes / len(text):.0f} bytes a character"


@pytest.mark.timeout(2 * MOST_SECONDS)
def test_memory_is_in_proportion_to_a_text_by_chance(statements: Statements) -> None:
    chance = Random(chosen_seed())
    for _ in range(40):
        text = hostile.random_text(chance, SIZE // 2)
        taken_bytes = cost(text, statements)
        assert taken_bytes < FREE_BYTES + MOST_A_CHARACTER * len(text), text[:200]
