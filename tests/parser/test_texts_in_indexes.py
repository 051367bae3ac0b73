"""A text in the terms of an index is that text, however it is wrapped and whatever the table's columns are called."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import apsw
import pytest

from tests.parser.small_database import SmallDatabase
from tests.seeds import chosen_seed

#: Some are the names of columns, in other letters too, some look like the SQL around them.
TEXTS = ("a", "A", "b", "é", "É", "rowid", "t", "nosuch", "", "'", "a' COLLATE NOCASE)", "x y", "1", "main", "a ")
COLLATIONS = ("nocase", "binary", "rtrim")
ROWS = [(a, b) for a in ("p", "P", "q", "é") for b in (1, 2, 3)]


def quoted(text: str) -> str:
    """A text as a statement says it."""
    return "'" + text.replace("'", "''") + "'"


def wrapped(chance: Random, text: str) -> str:
    """A term that is this text."""
    found = quoted(text)
    for _ in range(chance.randrange(5)):
        way = chance.choice(("{} collate %s", "{} collate %s", "({})", "+{}", "likely({})", "unlikely({})"))
        found = way.replace("%s", chance.choice(COLLATIONS)).format(found)
    return found


def terms(chance: Random) -> Iterator[list[str]]:
    """Texts alone and beside the column b, at any place."""
    for number in range(600):
        found = [wrapped(chance, chance.choice(TEXTS)) for _ in range(chance.choice((1, 1, 2)))]
        if number % 2:
            found.insert(chance.randrange(len(found) + 1), "b")
        yield found


def a_table() -> SmallDatabase:
    """A table without rows, whose columns have the names of texts."""
    database = SmallDatabase()
    database.run("create table t (a TEXT, b ISA, `é` TEXT)")
    return database


@pytest.mark.parametrize("upsert", [False, True])
def test_a_unique_index_holds_rows_apart_by_its_columns_alone(upsert: bool) -> None:
    """And ON CONFLICT finds it by the same terms."""
    chance = Random(chosen_seed())
    for found in terms(chance):
        database, listed = a_table(), ", ".join(found)
        database.run(f"create unique index x on t ({listed})")
        kept: dict[object, tuple[str, int]] = {}
        for a, b in chance.sample(ROWS, 6):
            key = b if "b" in found else None
            text = f"insert into t (a, b, `é`) values ({quoted(a)}, {b}, {quoted(a)})"
            if upsert:
                database.run(f"{text} on conflict ({listed}) do update set a = excluded.a, b = excluded.b")
                kept[key] = (a, b)
            elif key in kept:
                with pytest.raises(apsw.ConstraintError):
                    database.run(text)
            else:
                database.run(text)
                kept[key] = (a, b)
        assert sorted(database.run("select a, b from t")) == sorted(kept.values()), listed


def test_a_query_answers_the_same_with_the_index_and_without() -> None:
    """Whether it asks for the terms or for the columns of those names, and whatever the index holds."""
    chance = Random(chosen_seed())
    for found in terms(chance):
        database, asked = a_table(), chance.choice(found)
        for a, b in ROWS:
            database.run(f"insert into t (a, b, `é`) values ({quoted(a)}, {b}, {quoted(a)})")
        compared = quoted(chance.choice((*TEXTS, "p", "P")))
        where = chance.choice((asked, "a", "a collate nocase", "`é`", "`é` collate nocase", "b"))
        condition = chance.choice(("", f" where {chance.choice(found)} = {compared}"))
        queries = [
            f"select a, b from t where {where} = {compared} order by {asked}, a, b",
            f"select a, b from t order by ({asked}), {where}, a, b",
            f"select a, b from t where {where} in ({compared}, 'q', 2) and {asked} < 'c' order by a, b",
            f"select a, count(*) from t group by ({asked}), a order by a",
        ]
        expected = [database.run(text) for text in queries]
        database.run(f"create index x on t ({', '.join(found)}){condition}")
        assert [database.run(text) for text in queries] == expected, (found, queries)


def test_the_collation_stays_the_one_in_effect() -> None:
    """As SQLite says it of the index: that which stands outermost, BINARY where there is none."""
    for term, collation in (
        ("'a'", "BINARY"),
        ("'a' collate nocase", "NOCASE"),
        ("(+('nosuch' collate rtrim))", "RTRIM"),
        ("('a' collate nocase) collate rtrim", "RTRIM"),
        ("(('a' collate nocase)) collate binary", "BINARY"),
    ):
        database = a_table()
        database.run(f"create index x on t ({term})")
        ((found, column),) = database.connection.execute("select coll, cid from pragma_index_xinfo('x') where key")
        assert (found, column) == (collation, -2), term


def test_an_index_of_2_2_0_is_on_the_column_until_an_alter_makes_it_anew() -> None:
    """It goes on as it was made; a UNIQUE one then says that its value is there twice, and can be dropped."""
    database = a_table()
    database.run("create unique index x on t ('a' collate nocase)")
    database.connection.execute("drop index x")
    database.connection.execute("""CREATE UNIQUE INDEX "x" ON "t" (('a' COLLATE NOCASE))""")
    database.run("insert into t (a, b) values ('p', 1), ('q', 2)")
    with pytest.raises(apsw.ConstraintError):
        database.run("insert into t (a) values ('P')")
    with pytest.raises(apsw.ConstraintError):
        database.run("alter table t add column z unique")
    database.run("drop index x")
    database.run("alter table t add column z unique")
    assert database.run("select a, b, z from t order by a") == [("p", 1, None), ("q", 2, None)]


@pytest.mark.parametrize("term", ["'a'", "('a' collate nocase)", "+('b' collate rtrim)"])
def test_a_condition_s_text_is_a_text_too(term: str) -> None:
    """The rows of a partial index are those for which it holds: none, or all."""
    for comparison, holds in (("= 'nosuch'", False), ("<> 'nosuch'", True)):
        database = a_table()
        database.run(f"create unique index x on t (b) where {term} {comparison}")
        database.run("insert into t (a, b) values ('nosuch', 1)")
        if holds:
            with pytest.raises(apsw.ConstraintError):
                database.run("insert into t (a, b) values ('p', 1)")
        else:
            database.run("insert into t (a, b) values ('p', 1)")


@pytest.mark.parametrize("constraint", ["unique", "primary key"])
def test_a_key_takes_columns_alone(constraint: str) -> None:
    for term in ("'a'", "('a' collate nocase)", "a collate nocase"):
        assert SmallDatabase().error(f"create table n (a TEXT, {constraint} ({term}))").sqlstate == "0A000"
