"""The fast ways of the parser end as the long way does, whatever the corpora, the grammar and the generators say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from dirk_gevent.protocol.splitter import StatementSplitter
from dirk_parser.ast.query import Query, Values
from dirk_parser.ast.statement import Insert
from dirk_parser.errors import SqlError
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import fill, split
from tests.corpus.reader import records
from tests.parser.sentences import Grammar, productions
from tests.parser.twin_changes import ANYTHING, CREATE_ANYTHING, change
from tests.parser.twin_sources import Column, Relation
from tests.parser.twin_tables import TwinTables
from tests.parser.twin_text import Choices
from tests.parser.two_ways import TwoWays, plainly_split

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path
    for folder in ("tests/corpus/scripts", "tests/golden/scripts", "examples", "tests/parser")
    for path in (ROOT / folder).iterdir()
    if path.suffix in (".sql", ".test", ".dirkdb")
)
SEED = 20_260
GRAMMAR = Grammar.read()


def statements_of(path: Path) -> list[str]:
    """The statements of a script or of a corpus."""
    if path.suffix == ".test":
        return [each.sql for each in records(path.read_text(encoding="utf-8"), "sqlite")]
    text = path.read_bytes()
    if path.parent.name == "parser":
        return text.decode().splitlines()
    return [each.decode() for each in StatementSplitter().feed(text)]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_end_alike(path: Path, statements: Statements) -> None:
    ways = TwoWays()
    for text in statements_of(path):
        same_tree(statements, text)
        ways.run(text, [1, "x", 2.5, None])
    assert ways.accepted or path.name == "identity.dirkdb"


def same_tree(statements: Statements, text: str) -> None:
    """The literals are split off alike, and so is the tree, but for rows that one row stands for."""
    try:
        quick, plain = split(text), plainly_split(text)
    except SqlError:
        return
    assert quick.literals == plain.literals or "'v'" in quick.template, text
    if "'v'" not in quick.template:
        assert quick.template == plain.template, text
    else:
        # Only an INSERT whose source is VALUES, and nothing besides, may have been taken for one.
        try:
            tree = statements.parse(plain)
        except SqlError:
            return
        assert isinstance(tree, Insert) and tree.source is not None, text
        assert isinstance(tree.source.body, Values) and tree.source == Query(tree.source.body), text


# --- random statements ---------------------------------------------------------------------------------------

_COLUMNS = ("a", "élève", "`two words`", "`select`", "B", "count", "max", "`a``b`", "anarana", "f")
#: Tables by all the names that the grammar's sentences use, so that some of these mean something.
_TABLES = ("t", "a", "élève", "`two words`", "B", "f")


def named_tables(ways: TwoWays) -> None:
    """Makes the tables, each with columns of all names and two rows."""
    for name in _TABLES:
        ways.run(f"create table {name} ({', '.join(_COLUMNS)})")
        for first in ("1", "'x'"):
            ways.run(f"insert into {name} values ({', '.join([first] * len(_COLUMNS))})")


#: Literals of a kind that mean something else than others of it, here and there.
_OTHERS = {
    "s": ("'x'", "'y z'", "''", "'now'", "'subsec'", "'localtime'", "'2024-02-29'"),
    "i": ("0", "1", "2", "7"),
    "r": ("0.5", "2e0", "9223372036854775808"),
}


def variants(random: Random, text: str) -> Iterator[str]:
    """The same template with other literals: to the fast way, the plan is known."""
    try:
        plain = plainly_split(text)
    except SqlError:
        return
    if plain.texts:
        for _ in range(2):
            kinds = ({str: "s", int: "i"}.get(type(value), "r") for value in plain.literals)
            yield fill(plain.template, [random.choice(_OTHERS[kind]) for kind in kinds])


def run_all(random: Random, ways: TwoWays, text: str) -> None:
    """A statement, and what shares its plan."""
    args = {"p": 1} if "$" in text else [1] * text.count("?")
    for each in (text, *variants(random, text)):
        ways.run(each, args)


@pytest.mark.parametrize("part", range(4))
def test_the_grammar_s_sentences_end_alike(part: int, statements: Statements) -> None:
    random = Random(SEED + part)
    print(f"seed {SEED + part}")
    choices = Choices(random.randrange)
    ways = TwoWays()
    named_tables(ways)
    for wanted in productions()[part::4]:
        for attempt in range(4):
            text = GRAMMAR.sentence(choices, wanted, attempt + 3)
            same_tree(statements, text)
            run_all(random, ways, text)
    assert ways.accepted > 20


#: What may stand between the head of an INSERT and VALUES, and behind the rows.
_BEFORE = (
    "select a, b from t union all ",
    "select 1, 2 except ",
    "alaivo * ao@ t ankambana daholo ",
    "values (1, 2) union ",
    "default ",
    "select a, b from t where a in (select 1) intersect ",
)
_AFTER = (
    " union all values (5, 6)",
    " except values (1, 2)",
    " limit 1",
    " order by 1",
    " on conflict do nothing",
    " on conflict (a) do update set b = excluded.b",
    " ka conflict do nothing",
    " returning a, b + 1",
    ";",
    " union select a, b from t",
    ", (select 1, 2)",
    ", (7, 8)",
    " -- end",
    " returning 'v', count(*)",
)


def insert(random: Random) -> str:
    """Something like INSERT … VALUES: in what stands before the rows, in the rows, and in what follows."""

    def pick(*items: str) -> str:
        return random.choice(items)

    def row(width: int) -> str:
        plain = ("1", "2", "-3", "'x'", "'a), (b'", '"q"', "null", "diso")
        any_ = ("- 1", "abs(2)", "1 + 1", "?", "'it''s'")
        cells = [pick(*(any_ if random.random() < 0.05 else plain)) for _ in range(width)]
        return f"({pick(', ', ',', ' , ').join(cells)})"

    verb = pick("insert", "INSERT", "manampia", "replace", "insert or ignore", "INSERT OR replace", "insert na abort")
    into = pick("into", "INTO", "ao@", "#ao", "from", "ny into")
    table = pick("t", "T", "main.t", "`t`", "t as x", "t antso ny `x y`", "[t]", "t /* c */")
    width = random.randrange(1, 3)
    heads = pick("(a, b)", "( a , `b`)", "(b, a)") if width == 2 else "(a)"
    heads = pick("", "", "", " " + heads, heads, f" {heads} #") if width == 2 else f" {heads} "
    before, after = pick(*[""] * 8, *_BEFORE), pick(*[""] * 8, *_AFTER)
    values = pick("values", "VALUES", "sanda", "values@", "#sanda", "sanda ny")
    gap = pick(", ", ",", ",\n", " , ", ", -- c\n", ", /* (9, 9), */")
    lists = gap.join(row(width) for _ in range(random.choice((1, 1, 2, 3, 12, 40))))
    with_ = pick(*[""] * 9, "with w as (values (1, 2), (3, 4)) ")
    return f"{with_}{verb} {into} {table}{heads} {before}{values} {lists}{after}"


@pytest.mark.parametrize("table", ["create table t (a, b)", "create table t (a unique, b)"])
def test_inserts_of_rows_end_alike(table: str, statements: Statements) -> None:
    random = Random(SEED)
    print(f"seed {SEED}")
    ways = TwoWays()
    ways.run(table)
    for _ in range(300):
        text = insert(random)
        same_tree(statements, text)
        run_all(random, ways, text)
        # Few rows stay: what adds all rows to themselves doubles them each time.
        ways.run("delete from t order by a limit 100000 offset 4")
    assert ways.accepted > 500


def test_changes_of_any_form_end_alike() -> None:
    random = Random(SEED)
    print(f"seed {SEED}")
    choices = Choices(random.randrange)
    ways = TwoWays()
    ways.run(CREATE_ANYTHING)
    ways.run("create table t (a, b)")
    ways.run("insert into t values (1, 'a'), (2, 'b'), (null, '7')")
    relations = [Relation("t", "t", (Column("a", "a"), Column("b", "b"))), ANYTHING]
    for _ in range(150):
        choices.arguments.clear()
        ways.run(change(choices, relations)[0], dict(choices.arguments))
        # Few rows stay: what joins the table to itself multiplies them each time.
        ways.run("delete from anything order by p, q limit 100000 offset 6")


def test_definitions_and_constraints_end_alike() -> None:
    random = Random(SEED)
    print(f"seed {SEED}")
    choices = Choices(random.randrange)
    for _ in range(12):
        ways, tables = TwoWays(), TwinTables(choices)
        for step in range(25):
            forms = (tables.index, tables.alter, *[tables.change] * 6)
            make = random.choice(forms) if step else tables.create
            ways.run(make().ours, dict(choices.arguments))
            choices.arguments.clear()


#: Statements whose plan depends on more than their template: on what a literal is, or on how many rows there are.
LOOKED_AT = (
    "select a, b from t order by 1",
    "select b, count(*) from t group by 1 order by 2, 1",
    "select a from t union all select 1 order by 1",
    "select date('x'), strftime('x', 'x'), time(b, 'x') from t",
    "update t set b = datetime('x', 'x') where a = 1",
    "select * from (select 'x', 1 + 1)",
    "create view v as select 'x', 1",
    "select * from v",
    "drop view v",
    "select -9223372036854775808, - 9223372036854775807",
    "select x'00' || a from t",
    "select cast(b as TANISA('x', 1)) from t",
    "select cast(a as NUMERIC(1, 1)) from t",
    "select a from t order by a limit 1 offset 0",
    "select a from t order by a fetra 0 1",
    "delete from t where b = 'x' order by a limit 1",
    "insert into c values (1, 1), (2, 1)",
    "insert into c values (7, 7)",
    "explain select 'x', 1 from t",
    "translate select 'x', 1 from t limit 1",
)


def test_what_a_plan_looked_at_is_part_of_its_key() -> None:
    random = Random(SEED)
    print(f"seed {SEED}")
    ways = TwoWays()
    ways.run("create table t (a, b)")
    ways.run("create table c (k ISA primary key, r ISA references c(k))")
    for _ in range(12):
        ways.run("insert into t values (1, 'x'), (2, '12:30'), (0, '2024-02-29')")
        for text in random.sample(LOOKED_AT, len(LOOKED_AT)):
            run_all(random, ways, text)
        ways.run("delete from c where true")
    assert ways.accepted > 300
