"""A foreign key with SET NULL holds whatever the statement's own actions have set to null before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from tests.engine.plans import made_by, outcomes, rows_of

_SETUP = (
    "CREATE TABLE deleted (id ISA PRIMARY KEY, u ISA UNIQUE, s ISA REFERENCES deleted(u) ON DELETE SET NULL)",
    "CREATE TABLE updated (id ISA PRIMARY KEY, u ISA UNIQUE, s ISA REFERENCES updated(u) ON UPDATE SET NULL)",
    "CREATE TABLE near (id ISA PRIMARY KEY, f ISA REFERENCES far(id) ON DELETE SET NULL)",
    "CREATE TABLE far (id ISA PRIMARY KEY, n ISA REFERENCES near(id) ON DELETE CASCADE)",
    "CREATE TABLE altered (id ISA PRIMARY KEY, u ISA UNIQUE, s ISA)",
    "ALTER TABLE altered ADD CONSTRAINT k FOREIGN KEY (s) REFERENCES altered(u) ON DELETE SET NULL",
    "CREATE TABLE widened (id ISA PRIMARY KEY, u ISA UNIQUE)",
    "ALTER TABLE widened ADD COLUMN s ISA REFERENCES widened(u) ON DELETE SET NULL",
)
_TABLES = ("deleted", "updated", "altered", "widened")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Tables whose keys lead back to themselves, each with one row."""
    rows = [f"INSERT INTO {table} VALUES (1, 1, 1)" for table in _TABLES]
    with made_by(tmp_path, (*_SETUP, *rows, "INSERT INTO near VALUES (1, NULL)")) as (made, _):
        yield made


@pytest.mark.parametrize("table", _TABLES)
@pytest.mark.parametrize(
    "change",
    [
        "REPLACE INTO {} VALUES (2, 2, 999)",
        "REPLACE INTO {} VALUES (1, 2, 999)",
        "INSERT OR REPLACE INTO {} SELECT 2, 2, 999",
        "REPLACE INTO {} VALUES (2, 2, 2), (3, 3, 999)",
        "INSERT INTO {} VALUES (2, 2, 999) ON CONFLICT (u) DO UPDATE SET u = 9",
        "INSERT INTO {} VALUES (2, 1, 1) ON CONFLICT (u) DO UPDATE SET u = 9, s = 999",
        "INSERT INTO {} VALUES (2, 2, 2), (3, 3, 999) ON CONFLICT (id) DO UPDATE SET u = 9",
    ],
)
def test_a_row_refers_to_no_row_that_is_not_there(database: Database, table: str, change: str) -> None:
    (outcome,) = outcomes(database, change.format(table))
    assert outcome.sqlstate == "23503"
    assert rows_of(database, f"SELECT * FROM {table}") == [(1, 1, 1)]


def test_nor_where_the_keys_of_two_tables_lead_back(database: Database) -> None:
    (outcome,) = outcomes(database, "REPLACE INTO near VALUES (2, 999)")
    assert outcome.sqlstate == "23503"
    assert rows_of(database, "SELECT * FROM near") == [(1, None)]


def test_the_actions_themselves_are_taken(database: Database) -> None:
    fine = ("INSERT INTO deleted VALUES (2, 2, 1)", "REPLACE INTO deleted VALUES (1, 1, 2)")
    assert [each.sqlstate for each in outcomes(database, *fine)] == ["", ""]
    assert rows_of(database, "SELECT * FROM deleted ORDER BY id") == [(1, 1, 2), (2, 2, None)]
    (outcome,) = outcomes(database, "UPDATE updated SET u = 5")
    assert (outcome.sqlstate, rows_of(database, "SELECT * FROM updated")) == ("", [(1, 5, None)])
    (outcome,) = outcomes(database, "DELETE FROM deleted WHERE id = 2")
    assert (outcome.sqlstate, rows_of(database, "SELECT * FROM deleted")) == ("", [(1, 1, None)])
