"""What the parser's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirk_parser.grammar.statements import Statements


@pytest.fixture(scope="session")
def statements() -> Statements:
    """One process-wide parser, as in the programs."""
    return Statements()


@pytest.fixture(scope="session")
def identity_lines() -> list[str]:
    """Statements of every form, one a line."""
    return (Path(__file__).parent / "identity.dirkdb").read_text(encoding="utf-8").splitlines()
