"""Constraints, indexes, upserts, RETURNING and ALTER against SQLite's own, on random tables in both vocabularies."""

from __future__ import annotations

from typing import Any

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from dirk_gevent.engine.errors.failures import statement_failure
from dirk_parser.errors import SqlError
from tests.parser.small_database import SmallDatabase
from tests.parser.test_against_sqlite import PHASES, QUIET
from tests.parser.twin_tables import TwinTables
from tests.parser.twin_text import Choices, Twin

CHANGES_A_DATABASE = 14

Answer = list[tuple[Any, ...]] | str


class Databases:
    """Both engines, asked the same."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.ours = SmallDatabase()
        self.theirs = apsw.Connection(":memory:")
        self.theirs.execute("PRAGMA foreign_keys=ON")
        self.said: list[Twin] = []
        self.tables = TwinTables(choices)

    def run(self, twin: Twin) -> str:
        """Run a statement in both: alike answers, or alike failures. The failure's key."""
        self.said.append(twin)
        mine, other = self._mine(twin.ours), self._other(twin.theirs)
        self.choices.arguments.clear()
        if "foreign_key_violation" in (mine, other) and isinstance(mine, str) and isinstance(other, str):
            # Of two rows that are both refused, which one is said differs: a foreign key is looked at last.
            mine = other
        assert mine == other, self.story(f"{mine}\n{other}")
        return mine if isinstance(mine, str) else ""

    def compare(self) -> None:
        """All tables hold the same."""
        for table in self.tables.tables:
            names = ", ".join(each.ours for each in table.shown), ", ".join(each.theirs for each in table.shown)
            mine = self.ours.run(f"alaivo {names[0]} ao@ {table.ours}")
            other = self.theirs.execute(f"SELECT {names[1]} FROM {table.theirs}").fetchall()
            assert _sorted(mine) == _sorted(other), self.story(f"{table.ours}\n{mine}\n{other}")

    def story(self, end: str) -> str:
        """Everything that was said, and how it ended."""
        return "\n".join(f"ours:   {each.ours}\ntheirs: {each.theirs}" for each in self.said) + f"\n{end}"

    def _mine(self, text: str) -> Answer:
        try:
            return _sorted(self.ours.run(text, self.choices.arguments))
        except (SqlError, apsw.ConstraintError) as error:
            key = statement_failure(error).key
            assert statement_failure(error).sqlstate.startswith("23"), self.story(repr(error))
            return "check_violation" if key == "domain_violation" else key

    def _other(self, text: str) -> Answer:
        if not text:
            return []
        try:
            return _sorted(self.theirs.execute(text).fetchall())
        except apsw.ConstraintError as error:
            return statement_failure(error).key


def _sorted(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, derandomize=True, database=None, phases=PHASES, suppress_health_check=QUIET)
def test_tables_keep_and_refuse_what_sqlite_does(random: object) -> None:
    choices = Choices(random.randrange)  # type: ignore[attr-defined]
    databases = Databases(choices)
    for _ in range(1 + choices.below(2)):
        databases.run(databases.tables.create())
    for _ in range(CHANGES_A_DATABASE):
        form = choices.below(10)
        if form == 0:
            databases.run(databases.tables.index())
        elif form == 1:
            databases.run(databases.tables.alter())
        else:
            databases.run(databases.tables.change())
        databases.compare()
