"""The grammar: no conflict, the whole language, errors that teach, tables that are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest
from ply import yacc

from dirk_parser.ast.expression import Binary, Unary
from dirk_parser.ast.query import Item, Query, Select
from dirk_parser.errors import SqlError
from dirk_parser.grammar import grammar, lr_tables
from dirk_parser.grammar.route import Kind, Route
from dirk_parser.grammar.statements import Statements
from dirk_parser.lexical import keywords
from dirk_parser.normalize.normalizer import source_text, split
from dirk_parser.printer import printer
from tests.parser.small_database import SmallDatabase

_STATEMENT = re.compile(r"""(?:'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|--[^\n]*|[^;])+;""")


class Collected:
    """An errorlog that keeps what PLY says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, message: str, *values: object) -> None:
        self.lines.append(message % values)

    error = critical = warning

    def info(self, message: str, *values: object) -> None:
        """PLY's listing of the states: not wanted."""

    debug = info


def test_the_grammar_has_no_conflict_and_nothing_unused() -> None:
    log = Collected()
    yacc.yacc(
        module=grammar.for_ply(lambda _token: None),
        debug=True,
        write_tables=False,
        errorlog=log,
        debuglog=Collected(),
    )
    assert log.lines == []


def test_the_examples_parse_whole(statements: Statements) -> None:
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.dirkdb")):
        found = _STATEMENT.findall(path.read_text(encoding="utf-8"))
        assert len(found) >= 6
        for text in found:
            statements.parse(split(text))


def test_every_form_parses(statements: Statements, identity_lines: list[str]) -> None:
    for line in identity_lines:
        assert statements.parse(split(line)) == statements.parse(split(line + " ;")), line


def test_both_vocabularies_make_one_tree(statements: Statements) -> None:
    malagasy = "alaivo a.x, isaina(*) antso n #ao@ t a #rehefa a.x anaty (1, 2) na !b #vondrona (a.x) #alaharo n midina"
    standard = "SELECT a.x, COUNT(*) AS n FROM t AS a WHERE a.x IN (1, 2) OR (NOT b) GROUP BY a.x ORDER BY n DESC"
    assert statements.parse(split(malagasy)) == statements.parse(split(standard))


def test_precedence_of_both_nots(statements: Statements) -> None:
    query = statements.parse(split("alaivo tsy a = b, !a = b"))
    assert isinstance(query, Query) and isinstance(query.body, Select)
    loose, tight = (item.expr for item in query.body.items if isinstance(item, Item))
    assert isinstance(loose, Unary) and isinstance(loose.operand, Binary)
    assert isinstance(tight, Binary) and isinstance(tight.left, Unary)


def test_items_know_their_source(statements: Statements) -> None:
    normalized = split("SELECT a  +\n 1, count( * ), 'x' || b AS n, (2) FROM t")
    query = statements.parse(normalized)
    assert isinstance(query, Query) and isinstance(query.body, Select)
    items = [item for item in query.body.items if isinstance(item, Item)]
    names = [source_text(item.source, item.first_literal, normalized) for item in items]
    assert names == ["a + 1", "count( * )", "'x' || b", "(2)"]


def fault(statements: Statements, text: str) -> SqlError:
    """The error of a statement that must not parse."""
    with pytest.raises(SqlError) as caught:
        statements.parse(split(text))
    return caught.value


def test_a_syntax_error_says_where_and_what_could_stand_there(statements: Statements) -> None:
    error = fault(statements, "alaivo 'é',\n b #ao@ t frm x")
    assert (error.params["line"], error.params["column"], error.params["found"]) == (2, 15, "x")
    assert error.params["source"] == " b #ao@ t frm x"
    assert {"rehefa", "alaharo", "tonona"} <= set(str(error.params["expected"]).split(", "))


def test_expected_words_are_in_the_statement_s_vocabulary(statements: Statements) -> None:
    assert "WHERE" in str(fault(statements, "SELECT * FROM t 5").params["expected"])
    assert "rehefa" in str(fault(statements, "alaivo * ao t 5").params["expected"])
    assert "rehefa/WHERE" in str(fault(statements, "alaivo * FROM t 5").params["expected"])
    assert "SELECT" in str(fault(statements, "selct 1").params["expected"])
    assert "avia" not in str(fault(statements, "alaivo * ao t u v").params["expected"])


@pytest.mark.parametrize("text", ["alaivo 1 +", "alaivo * ao@", "SELECT a FROM t WHERE", "create table t (a isa,"])
def test_a_statement_that_ends_too_early_says_so(statements: Statements, text: str) -> None:
    error = fault(statements, text)
    assert (error.key, error.params["column"], error.params["source"]) == ("ends_early", len(text) + 1, text)
    assert error.params["expected"]


@pytest.mark.parametrize(
    ("text", "wrong", "meant"),
    [
        ("insert into t values (1), (2) rturning a", "rturning", "RETURNING"),
        ("insert into t valeus (1, 2)", "valeus", "VALUES"),
        ("alaivo * form t", "form", "FROM"),
        ("alaivo a form t", "form", "FROM"),
        ("selct 1", "selct", "SELECT"),
        ("alaivo a ao@ t rehfa a = 'x' ary b = 1", "rehfa", "rehefa"),
        ("select a from t grop by a", "grop", "GROUP"),
        ("fafao ao@ t rehefa a anelanelna 1 ary 2", "anelanelna", "anelanelana"),
        ("manamboara tabilo t (a isa)", "tabilo", "tabilao"),
        ("alaivo count(* ao@ t", "ao", ""),
        ("alaivo a `form` t", "t", ""),
    ],
)
def test_a_misspelt_keyword_is_named_where_it_stands(
    statements: Statements, text: str, wrong: str, meant: str
) -> None:
    error = fault(statements, text)
    assert (error.params["found"], error.params["nearest"]) == (wrong, meant)
    assert error.params["column"] == text.rindex(wrong) + 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("manamboara tabilao alaivo (a ISA)", "alaivo"),
        ("CREATE TABLE t (order INT)", "order"),
        ("CREATE TABLE t (a INT, Group TEXT)", "Group"),
        ("DROP TABLE order", "order"),
        ("ravao ny tabilao fafao", "fafao"),
        ("INSERT INTO t (a, order) VALUES (1, 2)", "order"),
        ("SELECT order FROM t", "order"),
        ("SELECT a AS order FROM t", "order"),
        ("alaivo a ao@ t rehefa t.daholo = 1", "daholo"),
        ("SELECT FROM t", ""),
        ("alaivo ao@ t", ""),
        ("DELETE FROM WHERE a = 1", ""),
        ("SELECT a FROM t WHERE ORDER BY a", ""),
    ],
)
def test_a_reserved_word_where_a_name_was_meant_is_named(statements: Statements, text: str, word: str) -> None:
    """In back quotes it is a name: the statement is then one, wherever this is said."""
    error = fault(statements, text)
    assert error.params["reserved"] == word
    if word:
        statements.parse(split(text.replace(word, f"`{word}`")))


@pytest.mark.parametrize(
    "text", ["", ";", "alaivo", "alaivo 1; alaivo 2", "alaivo a b c", "select (1", "select 1)", "(", "5"]
)
def test_what_is_no_statement(statements: Statements, text: str) -> None:
    assert fault(statements, text).sqlstate == "42601"


@pytest.mark.parametrize(
    "text",
    [
        "alaivo " + "(" * 10_000 + "1" + ")" * 10_000,
        "alaivo " + "1+" * 5_000 + "1",
        "alaivo " + "tsy " * 5_000 + "1",
        "alaivo " + "- " * 5_000 + "1",
        "alaivo 1" + " ary 1" * 5_000,
        "alaivo 1" + " ankambana alaivo 1" * 5_000,
        "alaivo " + "tranga raha 1 omeo " * 500 + "1" + " farany" * 500,
    ],
)
def test_too_deep_is_a_clean_error(statements: Statements, text: str) -> None:
    assert fault(statements, text).sqlstate == "54001"


def test_chains_of_ordinary_length_are_fine(statements: Statements) -> None:
    statements.parse(split("alaivo 1" + " na a = 2" * 500 + ", 1" + " + 1" * 150))


def long_texts() -> Iterator[tuple[str, int]]:
    """Queries as long as SQLite takes them, and their answers."""
    yield "select sum(x) from (" + " union all ".join(f"select {number} as x" for number in range(500)) + ")", 124_750
    yield "select length(" + " || ".join(["'ab'"] * 890) + ")", 1_780
    yield "select " + " - ".join(["1"] * 890), -888
    yield "select count(*) from (select 1 as a) where " + " or ".join(f"a = {number}" for number in range(5_000)), 1
    yield "select count(*) from (select 1 as a) where a in (" + ", ".join(map(str, range(14_000))) + ")", 1
    yield "select count(*) from " + " join ".join(f"(select 1) t{number}" for number in range(64)), 1
    yield "select " + "(" * 200 + "1" + " + 1)" * 200, 201
    yield "select c999 from (select " + ", ".join(f"{number} as c{number}" for number in range(2_000)) + ")", 999


@pytest.mark.parametrize(("text", "answer"), list(long_texts()))
def test_what_is_long_is_answered_and_survives_translation(statements: Statements, text: str, answer: int) -> None:
    assert SmallDatabase().run(text) == [(answer,)]
    normalized = split(text)
    tree = statements.parse(normalized)
    for malagasy in (True, False):
        said = printer.write(tree, normalized, malagasy)
        again = split(said)
        assert printer.write(statements.parse(again), again, malagasy) == said


def test_one_more_than_sqlite_takes_is_refused() -> None:
    database = SmallDatabase()
    assert database.error(" union all ".join(["select 1"] * 501)).sqlstate == "54001"
    assert database.error("select " + ", ".join(["1"] * 2_001)).sqlstate == "54001"
    sources = ", ".join(f"(select 1) t{number}" for number in range(65))
    assert database.error(f"select 1 from {sources}").sqlstate == "54001"


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("alaivo 1", Route(Kind.READ, "select")),
        ("manampia ao@ t sanda (1)", Route(Kind.WRITE, "insert", "t")),
        ("CREATE DATABASE IF NOT EXISTS d", Route(Kind.WRITE, "create_database", "d", True)),
        ("ravao ny jery v", Route(Kind.WRITE, "drop_view", "v")),
        ("ampiasao d", Route(Kind.SESSION, "use", "d")),
        ("SET LANGUAGE fr", Route(Kind.SESSION, "set_language", "fr")),
        ("atombohy", Route(Kind.SESSION, "begin")),
        ("asehoy ny mpizara", Route(Kind.ADMIN, "show", show="servers")),
        ("SHOW COLUMNS FROM t", Route(Kind.READ, "show", "t", show="columns")),
        ("hazavao fafao ao@ t", Route(Kind.READ, "explain", "t")),
    ],
)
def test_routes(statements: Statements, text: str, route: Route) -> None:
    assert statements.route(split(text)) == route


def test_non_reserved_words_are_names(statements: Statements) -> None:
    for word in sorted(set(keywords.TOKENS) - keywords.RESERVED):
        statements.parse(split(f"SELECT {word}.{word} AS {word} FROM {word} AS {word}"))
        statements.parse(split(f"CREATE TABLE {word} ({word} INTEGER)"))


def test_reserved_words_need_quotes(statements: Statements) -> None:
    for word in sorted(keywords.RESERVED):
        statements.parse(split(f"CREATE TABLE `{word}` (`{word}` INTEGER)"))


def test_threads_share_the_statements(statements: Statements) -> None:
    texts = [f"alaivo a{i}, b + {i} ao t{i} rehefa x{i} tahaka 'y'" for i in range(200)]
    alone = [statements.parse(split(text)) for text in texts]
    fresh = Statements()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: fresh.parse(split(text)), texts)) == alone


@pytest.fixture
def building(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The tables' building, which takes seconds: its result is what was built or read before, and calls are counted."""
    found = lr_tables.load()
    productions = [(each.str, each.name, each.len, each.func, None, 0) for each in found.lr_productions]
    built = Mock(return_value=(found.lr_action, found.lr_goto, productions))
    monkeypatch.setattr(lr_tables, "build", built)
    return built


def test_tables_are_kept_and_damage_is_harmless(
    tmp_path: Path, building: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Statements()
    Statements()
    assert building.call_count == 1
    (kept,) = (tmp_path / "dirkdb").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    Statements().parse(split("alaivo 1"))
    assert building.call_count == 2
    # Read again, not compared by bytes: equal tables marshal to other bytes when other references to them live.
    Statements().parse(split("alaivo 1"))
    assert building.call_count == 2


def test_tables_without_a_place_to_keep_them(
    tmp_path: Path, building: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert lr_tables.load().lr_action
    assert building.call_count == 1
