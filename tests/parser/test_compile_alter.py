"""ALTER TABLE: the rows, the checks, the indexes and the views after it."""

from __future__ import annotations

import pytest

from tests.parser.small_database import SmallDatabase


@pytest.fixture
def database() -> SmallDatabase:
    made = SmallDatabase()
    made.run("create table t (a ISA(0, 9) primary key, b TEXT tsy null sanda fototra 'd', check (a <> 5))")
    made.run("insert into t values (1, 'x'), (2, 'y')")
    made.run("create index i on t (b, a)")
    return made


def test_add_column(database: SmallDatabase) -> None:
    database.run("create view v as select * from t")
    database.run("ovay ny tabilao t ampio tsanganana c ISA(0, 100)")
    assert database.run("select * from t") == [(1, "x", None), (2, "y", None)]
    assert database.run("select * from v where a = 1") == [(1, "x", None)]
    assert database.error("update t set c = 101").params["column"] == "c"
    database.run("alter table t add d TEXT default 'n'")
    assert database.run("select d from v") == [("n",), ("n",)]


def test_rename_column(database: SmallDatabase) -> None:
    database.run("alter table t rename column a to k")
    assert database.run("select k from t") == [(1,), (2,)]
    error = database.error("insert into t values (10, 'z')")
    assert (error.key, error.params["column"]) == ("domain_violation", "k")
    assert database.run("asehoy ny tondro") == [("i",)]
    assert database.run("lazao t")[0] == ("k", "ISA(0, 9)", True, None, True)


def test_drop_column(database: SmallDatabase) -> None:
    assert database.error("alter table t drop column b").key == "in_use"
    assert database.error("alter table t drop column a").key == "in_use"
    database.run("drop index i")
    database.run("ovay ny tabilao t esory tsanganana b")
    assert database.run("select * from t") == [(1,), (2,)]
    assert database.error("alter table t drop column a").key == "in_use"


def test_rename_table(database: SmallDatabase) -> None:
    database.run("ovay ny tabilao t soloy anarana `Vao`")
    assert database.run("select b from vao where a = 1") == [("x",)]
    assert database.error("select * from t").key == "unknown_table"
    database.run("create view v as select a from vao")
    assert database.error("alter table vao rename to w").key == "in_use"
    database.run("create table other (z ISA)")
    assert database.error("alter table other rename to VAO").key == "duplicate_table"


def test_a_referenced_table_stays(database: SmallDatabase) -> None:
    database.run("create table kid (p ISA references t(a))")
    assert database.error("alter table t rename column a to k").key == "in_use"
    database.run("alter table t add column c ISA")
    assert database.run("select c from t where a = 1") == [(None,)]
