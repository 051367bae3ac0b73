"""What is printed runs and answers the same under the same names: TRANSLATE both ways, SHOW CREATE of a view, a table
made by a query, over random queries whose columns often have only their text for a name."""

from __future__ import annotations

import random
from typing import Any

import apsw
import pytest

from dirk_parser.errors import SqlError
from tests.parser.small_database import SmallDatabase
from tests.parser.twin_databases import TwinDatabases
from tests.parser.twin_queries import Queries
from tests.parser.twin_text import Choices

SEED = 20_261_130
DATABASES = 40
QUERIES_A_DATABASE = 3
#: What a query may fail of, whatever it was written as.
FAILURES = (apsw.SQLError, SqlError)


def answered(database: SmallDatabase, text: str, arguments: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """Names and rows; the rows in no set order."""
    rows = database.run(text, arguments)
    return database.names(text), sorted(rows, key=repr)


@pytest.mark.parametrize("seed", range(SEED, SEED + DATABASES))
def test_a_printed_query_is_the_query(seed: int) -> None:
    choices = Choices(random.Random(seed).randrange)
    databases = TwinDatabases()
    relations = databases.fill(choices)
    for _ in range(QUERIES_A_DATABASE):
        choices.arguments.clear()
        query, arguments = Queries(choices, relations).query(2), choices.arguments
        try:
            expected = answered(databases.ours, query.ours, arguments)
        except FAILURES:
            # Division by zero and the like: other tests say so.
            continue
        for words in ("SQL", "gasy"):
            ((text,),) = databases.ours.run(f"adikao ho {words} {query.ours}")
            if query.total or " fetra " not in query.ours.lower():
                assert answered(databases.ours, text, arguments) == expected, f"{query.ours}\n{text}"
            # A limit without a whole order may keep other rows; what is printed once more stays as it is.
            assert databases.ours.names(text) == expected[0], f"{query.ours}\n{text}"
            assert databases.ours.run(f"adikao ho {words} {text}") == [(text,)]
        if not arguments and len({name.lower() for name in expected[0]}) == len(expected[0]):
            check_definitions(databases.ours, query.ours)


def check_definitions(database: SmallDatabase, query: str) -> None:
    """A view and a table of the query have its names, and so has the view made by what SHOW CREATE says of it."""
    names = database.names(query)
    database.run(f"create view printed as {query}")
    before = answered(database, "select * from printed", {})
    assert before[0] == names, query
    for question in ("show create view printed", "asehoy ny manamboara jery printed"):
        ((text,),) = database.run(question)
        database.run("drop view printed")
        database.run(text)
        assert answered(database, "select * from printed", {})[0] == names, f"{query}\n{text}"
    database.run("drop view printed")
    database.run(f"create table printed as {query}")
    assert database.names("select * from printed") == names, query
    database.run("drop table printed")
