"""The checks of a run, on histories made by hand: a bank's reads are of states that the client was allowed to see."""

from __future__ import annotations

import pytest

from tests.chaos.checks import Checker
from tests.chaos.clients import ACCOUNTS, FIRST_BALANCE
from tests.chaos.found import Found, Ran
from tests.chaos.history import Operation

_BEFORE = [FIRST_BALANCE] * ACCOUNTS
_AFTER = [FIRST_BALANCE - 7, FIRST_BALANCE + 7, *_BEFORE[2:]]
_MOVED_AT = 5


def _violations(client: int, level: str, result: list[int], index: int) -> list[str]:
    """What is said of one read, after client 0 was told of a transfer at index 5."""
    transfer = Operation(0, 0, "transfer", 0, [0, 1, 7, 11], "", "id", 1, 2, "ok", "", 1, _MOVED_AT)
    read = Operation(1, client, "accounts", 0, None, level, "", 3, 4, "ok", result, 1, index)
    ran = (Ran("id", _MOVED_AT, b""),)
    found = Found("m1", _MOVED_AT, b"", b"", ran, {}, {}, {}, tuple(_AFTER), (11,), {})
    return [one.what for one in Checker([transfer, read], [found]).violations()]


@pytest.mark.parametrize(
    ("client", "level", "result", "index", "words"),
    [
        (0, "session", _AFTER, 5, ""),
        (0, "session", _BEFORE, 4, "though 5 had been seen"),
        (0, "any", _BEFORE, 4, ""),
        (1, "session", _BEFORE, 4, ""),
        (1, "strong", _BEFORE, 4, "though 5 had been seen"),
        (1, "any", _BEFORE, 5, "META says 5"),
        (1, "any", [*_AFTER[1::-1], *_AFTER[2:]], 5, "never there"),
    ],
)
def test_a_read_of_the_bank(client: int, level: str, result: list[int], index: int, words: str) -> None:
    said = _violations(client, level, result, index)
    assert any(words in one for one in said) if words else not said, said
