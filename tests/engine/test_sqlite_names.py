"""Names that SQLite has a meaning of its own for, or does not take for the same as the language does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dirk_gevent.engine.database import Database
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, open_compiled, outcomes

pytestmark = pytest.mark.usefixtures("unwatched")


@pytest.fixture
def database(memory_path: Path) -> Iterator[Database]:
    engine = open_compiled(memory_path / "data")
    yield engine.create(1, "one")
    engine.close()


def apply(database: Database, *texts: str) -> list[str]:
    """How each statement ended, by its error's key: '' for what was done."""
    return [one.key for one in outcomes(database, *texts)]


def rows(database: Database, text: str) -> list[tuple[Any, ...]]:
    return list(database.reads.read(split(text), (), START_MS).rows)


def test_a_view_may_have_columns_called_true_and_false(database: Database) -> None:
    made = (
        "create table t (a isa, c isa)",
        "insert into t values (1, 2)",
        "create view v as select true, a, false as `False`, 3 as column1, 4 as column1_ from t",
        "create view w (`TRUE`) as select v.`true` from v",
        "create view x as select * from t",
        "insert into t select column1, `true` from v",
        "alter table t rename column a to b",
        "alter table t rename to u",
    )
    assert apply(database, *made) == [""] * len(made)
    assert rows(database, "select * from v order by b") == [(True, 1, False, 3, 4), (True, 3, False, 3, 4)]
    assert rows(database, "select `true`, `false`, column1, v.column1_ from v where b = 1") == [(True, False, 3, 4)]
    assert rows(database, "select * from w union select c from x order by `true`") == [(True,), (2,)]


def test_true_is_true_where_a_column_is_called_so(database: Database) -> None:
    made = (
        "create domain anything (isa(0, 5):blob)",
        "create table t (id isa primary key, b boolean, any_ anything default 1, w text default (lower('A')),"
        " check (id > 0 or true))",
        "create view v as select id, true as yes, b is true as so from t",
        "alter table t add column `true` isa default 0",
        "create table u (z isa, `false` isa)",
        "insert into t (id, b, any_) values (0, true, 'zz'), (1, false, 7)",
        "insert into u values (1, 1)",
    )
    assert apply(database, *made) == [""] * len(made)
    texts = {
        "select id, true, `true` from t": [(0, True, 0), (1, True, 0)],
        "select id from t where true and b": [(0,)],
        "select false, 2 is true, 2 is not true from u": [(False, True, False)],
        "select 0 is false, null is not false, null is true from u": [(True, True, False)],
        "select t.id, z from t left join u on z = id and true": [(0, None), (1, 1)],
        "select count(*) as n from t natural join u": [(2,)],
        "select count(*) as n from t full join u on true": [(2,)],
        "select cast(id as boolean), cast(id as isa:blob) from t": [(False, 0), (True, 1)],
        "select yes, so from v": [(True, True), (True, False)],
        "select id from t order by true, id desc": [(1,), (0,)],
    }
    for text, expected in texts.items():
        assert rows(database, text) == expected, text


def test_a_long_definition_keeps_what_is_in_a_column_called_true(database: Database) -> None:
    """Its rows are put aside while the table is made anew."""
    columns = ", ".join(f"c{number}_{'x' * 150}" for number in range(450))
    made = (
        f"create table t (id isa primary key, `true`, {columns}, r references t(id))",
        "insert into t (id, `true`, r) values (1, 'yes', 2), (2, x'00', 2)",
        "create view v as select `true` from t",
        "alter table t add column last default 5 unique check (last < 9)",
        "alter table t rename column `true` to `false`",
        "alter table t rename column id to rowid",
        "alter table t drop column r",
    )
    assert apply(database, *made) == ["", "", "", "unique_violation", "", "", ""]
    found = rows(database, "select rowid, quote(t.`false`), v.`false` = t.`false` from t join v using (`false`)")
    assert found == [(1, "'yes'", True), (2, "X'00'", True)]


@pytest.mark.parametrize("name", ["rowid", "_rowid_", "oid", "ROWID"])
def test_a_key_called_like_the_number_of_a_row_is_renamed(database: Database, name: str) -> None:
    made = (
        f"create table p ({name} isa primary key, a isa)",
        f"create table k (id integer primary key autoincrement, r isa references p({name}) on delete cascade)",
        "create index i on k (r)",
        f"create view v as select k.id, p.{name} from k, p where p.{name} = k.r",
        "create view w as select id + 1 from k",
        "create view x as select * from v, w",
        "insert into p values (1, 2)",
        "insert into k (r) values (1), (1)",
        "delete from k where id = 2",
    )
    assert apply(database, *made) == [""] * len(made)
    for old, new in ((name, "number"), ("number", name), (name, "oid" if name != "oid" else "rowid")):
        assert apply(database, f"alter table p rename column {old} to {new}") == [""]
        assert apply(database, "insert into k (r) values (7)") == ["foreign_key_violation"]
        assert rows(database, "select * from x") == [(1, 1, 2)]
    assert apply(database, "insert into k (r) values (1)", "delete from p") == ["", ""]
    assert rows(database, "select count(*) from k") == [(0,)]
    assert apply(database, "insert into p values (1, 1)", "insert into k (r) values (1)") == ["", ""]
    assert rows(database, "select id from k") == [(4,)]


def test_a_foreign_key_is_refused_where_the_number_of_a_row_has_no_name(database: Database) -> None:
    made = ("create table p (id isa primary key)", "create table t (rowid, _rowid_, oid)")
    assert apply(database, *made, "insert into t values (1, 1, 1)") == [""] * 3
    added = "alter table t add column p default 7 references p(id)"
    assert apply(database, added, "insert into p values (7)", added) == ["foreign_key_violation", "", ""]


@pytest.mark.parametrize(
    ("said", "name"),
    [("É", "é"), ("é", "É"), ("e\u0301", "é"), ("é", "e\u0301"), ("STRASSE", "Straße"), ("K", "\u212a")],
)
@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_foreign_key_finds_its_table_however_it_was_written(
    database: Database, said: str, name: str, is_renamed: bool
) -> None:
    """It was there before its table: SQLite has it as it was written."""
    made = (
        f"create table child (id integer primary key, r references `{said}`(`{said}`) on update cascade, u unique)",
        "create table z (u references child(u))",
        "create index i on child (r)",
        "create view v as select id, r from child",
        *((f"create table t (`{name}` unique)", f"alter table t rename to `{name}`") if is_renamed else ()),
        *(() if is_renamed else (f"create table `{name}` (`{name}` unique)",)),
        f"insert into `{said}` values (1)",
        "insert into child values (1, 1, 5)",
        "insert into z values (5)",
        f"update `{name}` set `{name}` = 2",
    )
    assert apply(database, *made) == [""] * len(made)
    assert rows(database, "select * from v") == [(1, 2)]
    assert apply(database, "insert into child values (2, 1, 6)") == ["foreign_key_violation"]
    assert apply(database, f"delete from `{name}`") == ["foreign_key_violation"]
    assert apply(database, "delete from child") == ["foreign_key_in_use"]
    assert apply(database, f"alter table `{name}` rename to other", "insert into child values (2, 2, 6)") == ["", ""]
    assert apply(database, "delete from other") == ["foreign_key_violation"]


def test_a_foreign_key_to_an_index_of_its_own_table_is_refused_as_such(database: Database) -> None:
    assert apply(database, "create table t (a, b)", "create unique index i on t (a)") == ["", ""]
    assert apply(database, "alter table t add foreign key (b) references t (a)") == ["foreign_key_invalid"]
