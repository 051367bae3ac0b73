"""DirkDB's answers against SQLite's own, on random databases and random queries in both vocabularies."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.parser.twin_changes import ANYTHING, CREATE_ANYTHING, change
from tests.parser.twin_databases import TwinDatabases
from tests.parser.twin_expressions import Reach, any_value, number, truth
from tests.parser.twin_queries import Queries
from tests.parser.twin_sources import Column, TwinQuery
from tests.parser.twin_text import Choices, Twin

#: The same examples each time: a failure prints the two texts, which is all that is needed to see it again. They are
#: not shrunk: that would take minutes.
PHASES = (Phase.explicit, Phase.generate)
QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.filter_too_much)
QUERIES_A_DATABASE = 3


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, derandomize=True, database=None, phases=PHASES, suppress_health_check=QUIET)
def test_queries_answer_as_sqlite_does(random: object) -> None:
    choices = Choices(random.randrange)  # type: ignore[attr-defined]
    databases = TwinDatabases()
    relations = databases.fill(choices)
    for _ in range(QUERIES_A_DATABASE):
        choices.arguments.clear()
        databases.compare(choices, Queries(choices, relations).query(2))


@given(st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None, derandomize=True, database=None, phases=PHASES, suppress_health_check=QUIET)
def test_expressions_are_worth_and_fail_as_in_sqlite(random: object) -> None:
    choices = Choices(random.randrange)  # type: ignore[attr-defined]
    reach = Reach(choices, [], strict=True)
    value: Twin = choices.pick((any_value, number, truth))(reach, 4)
    column = (Column("x", "x", truth=value.truth),)
    query = TwinQuery(f"{choices.clause('SELECT')} {value.ours} x", f"SELECT {value.theirs} AS x", column)
    TwinDatabases().compare(choices, query, strict=True)


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=PHASES, suppress_health_check=QUIET)
def test_changes_leave_what_sqlite_leaves(random: object) -> None:
    choices = Choices(random.randrange)  # type: ignore[attr-defined]
    databases = TwinDatabases()
    relations = databases.fill(choices)
    databases.ours.run(CREATE_ANYTHING)
    databases.theirs.execute(CREATE_ANYTHING)
    for _ in range(5):
        choices.arguments.clear()
        databases.change(choices, *change(choices, [*relations, ANYTHING]))
