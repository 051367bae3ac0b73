"""A dump makes its database again, and no other: the same digest, whatever the names hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.driver.client_splitter import Statement, StatementReader
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.dump.dump import dump_file
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.sqlite_connection import open_reader
from dirk_parser.compile.ddl.catalog import load_schema
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import CatalogChange
from dirk_parser.printer.writer import quoted
from tests.engine.dumps.northwind import NORTHWIND
from tests.engine.dumps.schemas import Schemas
from tests.engine.plans import open_compiled, outcomes, rows_of
from tests.seeds import chosen_seed

#: Databases that a search for words, or the order of rows, once kept from being made again.
KNOWN = {
    "columns called like views": (
        "create table naoty (m text, v int)",
        "create view moyenne as select m, avg(v) as bilan from naoty group by m",
        "create view bilan as select m, bilan as moyenne from moyenne",
        "create view `Bulletin final` as select m from moyenne",
        "create view `A tous` as select m from `Bulletin final`",
    ),
    "a column called like a table": (
        "create table eleve (id integer primary key, absence int)",
        "create table absence (id integer primary key, e int references eleve(id))",
        "insert into eleve values (1, 0)",
        "insert into absence values (1, 1)",
    ),
    "names of several words": (
        "create table `Classes de 6e` (id integer primary key)",
        "create table `Absences du jour` (id integer primary key, c int references `Classes de 6e`(id))",
        "insert into `Classes de 6e` values (1)",
        "insert into `Absences du jour` values (1, 1)",
    ),
    "a row that refers to one far behind": (
        "create table prof (id integer primary key, chef int references prof(id))",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 350)"
        " insert into prof select i, case when i = 1 then 350 else 1 end from n",
    ),
    "a ring of 350 rows": (
        "create table prof (id integer primary key, chef int not null references prof(id))",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 350)"
        " insert into prof select i, case when i = 350 then 1 else i + 1 end from n",
    ),
    "two tables that refer to each other": (
        "create table a (id integer primary key, b int references b(id))",
        "create table b (id integer primary key, a int not null references a(id), u unique)",
        "insert into a values (1, null), (2, null), (3, null)",
        "insert into b values (1, 1, 'x'), (2, 1, 'y'), (5, 3, null)",
        "update a set b = 1 where id = 1",
        "update a set b = 2 where id = 3",
        "update b set a = 3 where id = 2",
    ),
    "a foreign key to a unique index": (
        "create table z (x, y)",
        "create unique index zx on z (x)",
        "create table a (r references z (x))",
        "insert into z values ('é', 1)",
        "insert into a values ('é')",
    ),
    "numbers that are gone": (
        "create table a (n integer primary key autoincrement, x ISA, g ISA AS (x * 2) STORED)",
        "insert into a (x) values (1), (2), (3)",
        "delete from a where n = 3",
        "create table b (n integer primary key autoincrement, x ISA check (n < 10 or x > 5))",
        "insert into b values (1, 1), (20, 9)",
        "delete from b where n = 20",
        "create table c (n integer primary key autoincrement, x text not null)",
        "insert into c values (9223372036854775807, 'x')",
        "delete from c",
    ),
    "numbers that an update gave": (
        "create table a (n integer primary key autoincrement, x unique)",
        "create table b (n integer primary key autoincrement references a(n) on update cascade)",
        "insert into a (x) values (1), (2), (3)",
        "insert into b values (1), (2)",
        "update a set n = 70 where n = 2",
        "update a set n = 50 where n = 3",
        "insert into a (x) values (1) on conflict (x) do update set n = 90",
        "update a set n = 5 where n = 70",
        "alter table b rename to c",
        "update a set n = 100 where n = 5",
        "alter table c rename column n to m",
        "update a set n = 6 where n = 100",
    ),
    "rows that are gone": (
        "create table t (a)",
        "insert into t values (1), (2), (3), (4)",
        "delete from t where a in (1, 3)",
    ),
    "a key that refers to the other table": (
        "create table a (b unique references b(id), id isa unique)",
        "create table b (id isa primary key, a references a(id))",
        "insert into a values (null, 1), (null, 2)",
        "insert into b values (5, 1), (6, 2)",
        "update a set b = id + 4",
    ),
    "a row that refers to itself by what refers to another table": (
        "create table a (id isa primary key, k isa unique references b(id), own isa references a(k))",
        "create table b (id isa primary key, a isa references a(id))",
        "insert into a values (1, null, null)",
        "insert into b values (5, 1)",
        "update a set k = 5, own = 5",
    ),
    "a key that is computed": (
        "create table a (b isa references b(id), key_ as (coalesce(b, 5) * 10) stored unique)",
        "create table b (id isa primary key, a references a(key_))",
        "insert into a values (null)",
        "insert into b values (5, 50)",
        "update a set b = 5",
    ),
    "columns that are called like SQLite's number of a row": (
        "create table a (rowid isa primary key, _rowid_ isa, oid isa references a(rowid))",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 250)"
        " insert into a select i, i * 2, case when i % 2 then 250 - i else 250 end from n",
        "create table b (oid isa primary key, rowid isa references c(oid), _rowid_ isa, dirk_place_0 isa)",
        "create table c (oid isa primary key, rowid isa references b(oid), _rowid_ isa)",
        "insert into b values (1, null, 2, 0)",
        "insert into c values (1, 1, 3)",
        "update b set rowid = 1",
    ),
    "zeros below zero": (
        "create table r (id integer primary key, r references r(id), v)",
        "insert into r values (1, 2, -0.0), (2, 1, 0.0), (3, null, x'00'), (4, 4, -0.0)",
        f"create table t ({', '.join(f'c{n}' for n in range(60))})",
        *[f"insert into t values {', '.join(['(-0.0' + ', -0.0' * 59 + ')'] * 60)}"] * 2,
    ),
    "a trading company": NORTHWIND,
    "wide rows with blobs": (
        f"create table t ({', '.join(f'c{n}' for n in range(400))})",
        *[f"insert into t values {', '.join(['(' + ', '.join(['x' + chr(39) * 2] * 400) + ')'] * 20)}"] * 2,
    ),
}


@pytest.fixture
def databases(memory_path: Path) -> Iterator[tuple[Database, Database]]:
    """Two empty databases of one engine."""
    engine = open_compiled(memory_path / "data")
    yield engine.create(1, "one"), engine.create(2, "copy")
    engine.close()


def apply(database: Database, *texts: str) -> list[str]:
    """How each statement ended, by SQLSTATE: '' for what was done."""
    return [one.sqlstate for one in outcomes(database, *texts)]


def dumped(database: Database, directory: Path, name: str = "one", table: str | None = None) -> str:
    """Its dump as a file holds it."""
    target = directory / "dump.sql"
    dump_file(database.file.path, target, name, (f"Database {name}.",), table)
    text = target.read_bytes().decode()
    target.unlink()
    return text


def statements_of(script: str) -> list[str]:
    """The statements that dirk-client sends."""
    reader, found = StatementReader(), []
    for line in script.split("\n"):
        found += [item.text for item in reader.feed(line + "\n") if isinstance(item, Statement)]
    assert reader.finish() is None
    return found


def check_made_again(one: Database, copy: Database, directory: Path) -> None:
    """The dump of `one` makes `copy` the same."""
    script = dumped(one, directory)
    texts = statements_of(script)
    ends = apply(copy, *texts[2:])
    refused = [(text[:300], end) for text, end in zip(texts[2:], ends, strict=True) if end]
    assert not refused
    assert dumped(copy, directory) == script
    assert one.upkeep.content_digest()[1] == copy.upkeep.content_digest()[1]


@pytest.mark.parametrize("name", KNOWN)
def test_a_dump_makes_the_database_again(name: str, databases: tuple[Database, Database], tmp_path: Path) -> None:
    one, copy = databases
    assert apply(one, *KNOWN[name]) == [""] * len(KNOWN[name])
    check_made_again(one, copy, tmp_path)


@pytest.mark.parametrize("run", range(8))
def test_any_database_is_made_again(run: int, databases: tuple[Database, Database], tmp_path: Path) -> None:
    one, copy = databases
    ends = apply(one, *Schemas(chosen_seed() + run).statements())
    assert "XX000" not in ends and "" in ends
    check_made_again(one, copy, tmp_path)


#: A name that ends a line of comment, and a statement behind it.
HOSTILE = "x\nravao ny tahiry vola; --"


def test_no_name_ends_the_heading(databases: tuple[Database, Database], tmp_path: Path) -> None:
    one, _ = databases
    assert apply(one, f"create table `{HOSTILE}` (a integer primary key autoincrement)") == [""]
    statements = statements_of(dumped(one, tmp_path, HOSTILE))
    assert [text.split()[0] for text in statements] == ["manamboara", "ampiasao", "create"]
    assert statements[0] == f"manamboara tahiry `{HOSTILE}`"


@pytest.mark.parametrize("run", range(2))
def test_a_table_that_was_altered_says_the_same_again(
    run: int, databases: tuple[Database, Database], tmp_path: Path
) -> None:
    """SQLite's own text of it is another then; definitions, rows, their order and numbers are the same."""
    one, copy = databases
    apply(one, *Schemas(chosen_seed() + run).statements())
    for table in sorted(load_schema(_catalog(one), 0).tables.values(), key=lambda table: table.key):
        name, column = quoted(table.name), quoted(table.columns[-1].name)
        apply(one, f"alter table {name} add column later ISA default 5", f"alter table {name} drop column {column}")
        renamed = quoted(f"{table.name}!")
        apply(one, f"alter table {name} rename column later to `d'été`", f"alter table {name} rename to {renamed}")
    script = dumped(one, tmp_path)
    texts = statements_of(script)[2:]
    assert apply(copy, *texts) == [""] * len(texts)
    assert dumped(copy, tmp_path) == script


def test_a_ring_that_only_alter_makes_is_closed_behind_its_rows(
    databases: tuple[Database, Database], tmp_path: Path
) -> None:
    """No row of it can come first: each must refer to another table's."""
    one, copy = databases
    made = (
        "create table a (id integer primary key autoincrement, b isa constraint to_b references b(id), n text)",
        "create unique index i on a (n)",
        "create table b (id isa primary key, a, c isa references c(id),"
        " foreign key (a) references a(n) on delete cascade)",
        "create table c (id isa primary key, d text default '; --')",
        "create view v as select a.*, b.c from a, b where b.a = a.n",
        "insert into a (n) values ('x'), ('y'), ('z')",
        "insert into c values (1, 'c')",
        "insert into b values (10, 'x', 1), (20, 'y', null)",
        "update a set b = 10",
        "update b set a = 'y' where id = 10",
        "delete from a where n = 'z'",
        "alter table a alter column b set not null",
        "alter table b alter column a set not null",
        "alter table c add column e isa default 1 references c(id)",
    )
    assert apply(one, *made) == [""] * len(made)
    script = dumped(one, tmp_path)
    texts = statements_of(script)[2:]
    assert apply(copy, *texts) == [""] * len(texts)
    assert sorted(statements_of(dumped(copy, tmp_path))) == sorted(statements_of(script))
    for each in ("select * from a", "select * from b", "select * from c", "select * from v"):
        assert rows_of(one, each) == rows_of(copy, each)
    broken = (
        "insert into a (b, n) values (11, 'q')",
        "insert into b values (30, 'q', null)",
        "alter table a drop constraint to_b",
    )
    assert apply(copy, *broken, "delete from a") == apply(one, *broken, "delete from a") == ["23503", "23503", "", ""]
    assert rows_of(one, "select * from b") == rows_of(copy, "select * from b") == []


def test_a_number_that_an_update_gave_does_not_come_again(databases: tuple[Database, Database]) -> None:
    one, _ = databases
    made = (
        "create table t (id integer primary key autoincrement, a)",
        "insert into t (a) values (1), (2)",
        "update t set id = 9 where id = 2",
        "delete from t where id = 9",
        "insert into t (a) values (3)",
        "alter table t rename to u",
        "update u set id = 20 where id = 10",
        "delete from u where id = 20",
        "insert into u (a) values (4)",
    )
    assert apply(one, *made) == [""] * len(made)
    assert rows_of(one, "select id from u") == [(1,), (21,)]


def test_one_table_comes_with_what_it_needs(databases: tuple[Database, Database], tmp_path: Path) -> None:
    one, copy = databases
    made = (
        "create domain inner_ (ISA)",
        "create domain outer_ (inner_:LAHATSORATRA)",
        "create domain other (ISA)",
        "create table u (a other)",
        "create table t (id integer primary key autoincrement, a outer_, u)",
        "create index i on t (a)",
        "insert into t (a, u) values (1, 2), ('x', null), (3, 3)",
        "delete from t where id = 3",
        "create view v as select * from t",
    )
    assert apply(one, *made) == [""] * len(made)
    script = dumped(one, tmp_path, table="T")
    texts = statements_of(script)
    assert apply(copy, *texts) == [""] * len(texts)
    assert {row.name for row in _catalog(copy)} == {"inner_", "outer_", "t", "i"}
    assert dumped(copy, tmp_path, table="t") == script
    assert "AUTOINCREMENT = 4" in script
    with pytest.raises(SqlError, match="view_not_dumped"):
        dumped(one, tmp_path, table="V")
    with pytest.raises(SqlError, match="unknown_table"):
        dumped(one, tmp_path, table="w")


def test_numbers_go_on_where_a_statement_says(databases: tuple[Database, Database]) -> None:
    one, _ = databases
    made = ("create table t (id integer primary key autoincrement, a)", "create table plain (id integer primary key)")
    assert apply(one, *made) == ["", ""]
    given = ("alter table t autoincrement = 7", "insert into t (a) values (1)", "alter table t autoincrement = 3")
    assert apply(one, *given, "insert into t (a) values (2)") == [""] * 4
    assert rows_of(one, "select id from t") == [(7,), (8,)]
    refused = ("table plain autoincrement = 7", "table t autoincrement = 0", "table t autoincrement = 1.5")
    assert apply(one, *(f"alter {each}" for each in refused)) == ["55000", "22003", "22003"]


def test_a_row_has_the_place_that_an_insert_gives_it(databases: tuple[Database, Database]) -> None:
    one, _ = databases
    given = ("insert into t (dirk_rowid, a) values (9, 'last'), (4, 'first')", "insert into t values (5)")
    assert apply(one, "create table t (a)", *given) == [""] * 3
    assert rows_of(one, "select a from t") == [("first",), ("last",), (5,)]
    refused = ("null", "'x'", "0", "1.5", str(2**63 - 1))
    assert apply(one, *(f"insert into t (dirk_rowid, a) values ({value}, 1)" for value in refused)) == ["23514"] * 5
    assert apply(one, "insert into t (a, dirk_rowid) select 1, 9", "update t set dirk_rowid = 1") == ["23505", "42703"]


def _catalog(database: Database) -> list[CatalogChange]:
    connection = open_reader(database.file.path, EntryContext())
    try:
        return stored_records.read_catalog(connection)
    finally:
        connection.close()
