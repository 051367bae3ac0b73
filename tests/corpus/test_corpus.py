"""Scripts written for SQLite run as they are: over the protocol with expected results, and beside SQLite itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from benchmarks.scripts import Scripts
from dirk_gevent.engine.errors.failures import statement_failure
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from dirk_parser.printer.printer import write
from tests.cluster import Cluster
from tests.corpus.difference import Comparison, compare
from tests.corpus.reader import CorpusError, Query, Statement, records
from tests.corpus.runner import Ask, Failure, Refused, Rows, asking, run
from tests.parser.small_database import STATEMENTS, SmallDatabase

SCRIPTS = Path(__file__).parent / "scripts"
ENGINE = "dirkdb"


def in_memory() -> Ask:
    """DirkDB's compiler over SQLite in this process."""
    database = SmallDatabase()

    def ask(sql: str) -> Rows | None:
        try:
            return [list(row) for row in database.run(sql)]
        except SqlError as error:
            raise Refused(str(error)) from error
        except apsw.ConstraintError as error:
            raise Refused(str(statement_failure(error))) from error

    return ask


def in_malagasy(ask: Ask) -> Ask:
    """Says every statement in Malagasy words; what is no statement stays as it is."""

    def say(sql: str) -> Rows | None:
        try:
            normalized = split(sql)
            text = write(STATEMENTS.parse(normalized), normalized, malagasy=True)
        except SqlError:
            text = sql
        return ask(text)

    return say


def statements(name: str) -> list[str]:
    """The statements of a script: one a line."""
    return [line.removesuffix(";") for line in (SCRIPTS / name).read_text(encoding="utf-8").splitlines()]


def for_dirkdb(ask: Ask) -> Ask:
    """The two changes that a script needs: a backslash in a string is doubled, a name is quoted with back quotes."""

    def say(sql: str) -> Rows | None:
        return ask(sql.replace("\\", "\\\\").replace('b "second"', "b AS `second`"))

    return say


def check(found: Comparison, at_least: int) -> None:
    assert not found.differences, str(found)
    assert found.counts.total() >= at_least


@pytest.mark.parametrize("malagasy", [False, True])
@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("*.sql")))
def test_a_script_answers_as_in_sqlite(name: str, malagasy: bool) -> None:
    ask = in_malagasy(in_memory()) if malagasy else in_memory()
    check(compare(statements(name), for_dirkdb(ask)), 20)


@pytest.mark.parametrize("seed", range(3))
def test_drawn_scripts_answer_as_in_sqlite(seed: int) -> None:
    ask = in_memory()
    script = [each.replace(" DIV ", " / ") for each in Scripts(seed).script(150)]
    check(compare(script, lambda sql: ask(sql.replace(" / ", " DIV "))), 150)


def test_a_corpus_runs_over_the_protocol(shared_cluster: Cluster) -> None:
    with shared_cluster.connect("proxy") as connection:
        for text in ("CREATE DATABASE corpus;", "USE corpus;"):
            connection.ask(text)
        found = run(records((SCRIPTS / "changes.test").read_text(encoding="utf-8"), ENGINE), asking(connection.ask))
        connection.ask("DROP DATABASE corpus;")
    assert not found.failures, str(found)
    assert found.ran == 21


CONDITIONS = """
# a comment
hash-threshold 8

skipif dirkdb
statement ok
A

onlyif dirkdb
statement error
B

onlyif sqlite
halt

query IT rowsort label-1
C
D
----
2
x

query I nosort
SELECT 3
----
3 values hashing to 0d599f0ec05c3bda8c3b8a68c32a1b47

halt

statement ok
after the end
"""


def test_a_file_is_read_with_its_conditions() -> None:
    assert list(records(CONDITIONS, ENGINE)) == [
        Statement("B", 9, fails=True),
        Query("C\nD", 16, "IT", "rowsort", ("2", "x")),
        Query("SELECT 3", 23, "I", "nosort", None, (3, "0d599f0ec05c3bda8c3b8a68c32a1b47")),
    ]
    with pytest.raises(CorpusError, match="line 2"):
        list(records("\nstatement perhaps\nX", ENGINE))


def answers() -> Iterator[tuple[str, str, Rows, str]]:
    """Types and expected values, the rows found, and what the runner says of them."""
    yield "I nosort", "1\n0\nNULL", [[True], [False], [None]], ""
    yield "R nosort", "1.500", [[1.5]], ""
    yield "I rowsort", "1\n2", [[2], [1]], ""
    yield "T nosort", "(empty)\na@b", [[""], ["a\nb"]], ""
    yield "I nosort", "1\n2", [[2], [1]], "found ['2', '1'], expected ['1', '2']"
    yield "I nosort", "1", [[1, 2]], "2 columns"
    yield "I nosort", "3 values hashing to 0d599f0ec05c3bda8c3b8a68c32a1b47", [[1], [2], [4]], "found 3 values"


@pytest.mark.parametrize(("head", "expected", "rows", "said"), list(answers()))
def test_answers_are_compared_as_the_format_says(head: str, expected: str, rows: Rows, said: str) -> None:
    found = run(records(f"query {head}\nS\n----\n{expected}", ENGINE), lambda _: rows).failures
    assert [each.found[: len(said)] for each in found] == ([said] if said else [])


def test_a_statement_that_ends_otherwise_is_a_failure() -> None:
    def refuse(_: str) -> None:
        raise Refused("Hadisoana : no")

    corpus = list(records("statement ok\nA\n\nstatement error\nB", ENGINE))
    assert run(corpus, refuse).failures == [Failure(corpus[0], "Hadisoana : no")]
    assert run(corpus, lambda _: None).failures == [Failure(corpus[1], "it succeeded")]
