"""A column that ALTER TABLE adds to rows has the default that CREATE TABLE would give it, or is refused as there."""

from __future__ import annotations

import pytest

from dirk_gevent.engine.errors.failures import DATA_ERRORS, statement_failure
from tests.parser.small_database import SmallDatabase

DOMAINS = ("", "TEXT", "NUMERIC(5, 2)", "rounds", "ISA(0, 9)", "BOOLEAN")
CONSTRAINTS = ("", "not null", "check (z is not null)")
VALUES = (
    *("null", "1", "2.555", "'x'", "''", "x'00'", "marina", "9223372036854775808", "9e999", "'é'"),
    *("1 + 1", "lower('X')", "current_date"),
)
FORMS = ("{}", "({})", "-{}", "+{}", "not {}", "~{}", "- -{}", "+ -{}", "- {} collate nocase", "not not {}")


def added(domain: str, constraint: str, value: str) -> object:
    """What a row that was there has in a new column; the SQLSTATE where it is refused."""
    database = SmallDatabase()
    database.run("create domain rounds (NUMERIC(5, 1))")
    database.run("create table t (a ISA)")
    database.run("insert into t values (1)")
    try:
        database.run(f"alter table t add column z {domain} {constraint} default ({value})")
        return database.run("select z, typeof(z) from t")
    except DATA_ERRORS as error:
        return statement_failure(error).sqlstate


def created(domain: str, constraint: str, value: str) -> object:
    """The same of a row that comes into a table with that column."""
    database = SmallDatabase()
    database.run("create domain rounds (NUMERIC(5, 1))")
    try:
        database.run(f"create table t (a ISA, z {domain} {constraint} default ({value}))")
        database.run("insert into t (a) values (1)")
        return database.run("select z, typeof(z) from t")
    except DATA_ERRORS as error:
        return statement_failure(error).sqlstate


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_a_default_is_the_same_in_a_new_column_and_in_a_new_table(domain: str, constraint: str) -> None:
    for value in VALUES:
        for form in FORMS:
            default = form.format(value)
            found = added(domain, constraint, default)
            assert found == created(domain, constraint, default) != "XX000", default
