"""ALTER TABLE: the rows, the checks, the indexes and the views after it."""

from __future__ import annotations

import apsw
import pytest

from dirk_gevent.engine.failures import statement_failure
from parser.compile import rebuild
from tests.parser.small_database import SmallDatabase


@pytest.fixture(params=[rebuild._RENAMED_CHARACTERS, 0], ids=["renamed", "through aside"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SmallDatabase:
    """Tables made anew in the one way and in the other, which long definitions go."""
    monkeypatch.setattr(rebuild, "_RENAMED_CHARACTERS", request.param)
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


def test_a_column_changes_what_it_requires_and_gets(database: SmallDatabase) -> None:
    database.run("ovay ny tabilao t ovay tsanganana b ova sanda fototra 'e'")
    database.run("insert into t (a) values (3)")
    assert database.run("select b from t where a = 3") == [("e",)]
    database.run("alter table t alter column b drop default")
    with pytest.raises(apsw.ConstraintError):
        database.run("insert into t (a) values (4)")
    database.run("ovay ny tabilao t ovay tsanganana b esory tsy null")
    database.run("insert into t (a) values (4)")
    with pytest.raises(apsw.ConstraintError) as refused:
        database.run("alter table t alter column b set not null")
    assert statement_failure(refused.value, "t").params["table"] == "t"
    assert database.run("asehoy ny tondro") == [("i",)]
    assert database.error("alter table t alter column zz set not null").place == len("alter table t alter column ")


def test_constraints_come_and_go(database: SmallDatabase) -> None:
    database.run("alter table t add constraint k unique (b)")
    with pytest.raises(apsw.ConstraintError):
        database.run("insert into t values (3, 'x')")
    database.run("create table child (b TEXT references t(b))")
    assert database.error("alter table t drop constraint k").key == "in_use"
    database.run("drop table child")
    database.run("alter table t drop constraint k")
    database.run("insert into t values (3, 'x')")
    assert database.error("alter table t drop constraint k").key == "unknown_constraint"
    assert database.error("alter table t add primary key (b)").key == "two_primary_keys"
    assert database.error("alter table t add check (zz > 1)").key == "unknown_column"
    with pytest.raises(apsw.ConstraintError):
        database.run("alter table t add check (a > 1)")
    assert len(database.run("select * from t")) == 3
