"""What a node remembers by a statement's text ends with the schema: whoever asked before is told what a newborn is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import Overrun
from dirk_gevent.engine.results import Relation, Row
from dirk_gevent.engine.transaction.open_transaction import Transaction
from dirk_gevent.log.entry import LoggedStatement
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work
from tests.seeds import chosen_seed

pytestmark = pytest.mark.usefixtures("unwatched")

_ASKED = (
    "explain select b from t where b = 4",
    "explain select b from v where b = 4",
    "explain update t set c = 1 where b = 4",
    "explain delete from t where c = 4 and b > 1",
    "explain select t.b from t join u on t.b = u.b order by t.c",
    "select * from t order by 1",
    "select * from v order by 1",
    "select count(*) from u",
    "describe t",
    "describe v",
    "show indexes",
    "show tables",
    "show views",
    "show create table t",
    "show create view v",
    "show create index i",
)
_DEFINITIONS = (
    "create index i on t (b)",
    "create unique index i on t (b, c)",
    "create index i on t (b) where c > 1",
    "create index j on t (c)",
    "create index k on u (b)",
    "drop index i",
    "drop index j",
    "drop index k",
    "alter table t add column d isa default 5",
    "alter table t drop column d",
    "alter table t alter column c set default 3",
    "alter table t alter column c drop default",
    "alter table t rename column c to e",
    "alter table t rename column e to c",
    "alter table t rename to w",
    "alter table w rename to t",
    "create view v as select * from t",
    "create view v as select b, c from t where b > 1",
    "drop view v",
    "drop table u",
    "create table u (b isa)",
    "create table u (b isa primary key, c isa)",
    "reindex",
    "analyze",
)


class Node:
    """A node's database, asked in every way there is."""

    def __init__(self, path: Path) -> None:
        self.engine: Engine = open_compiled(path)
        self.database: Database = open_database(self.engine)

    def answers(self, text: str) -> list[list[Row] | str]:
        """What a short read, the same again from memory, a long one, and one after a transaction's change say."""
        return [_said(way, self.database, text) for way in (_short, _known, _long, _rehearsed)]


def _said(way: object, database: Database, text: str) -> list[Row] | str:
    assert callable(way)
    try:
        found: list[Row] = [tuple(row) for row in way(database, text)]
        return found
    except SqlError as error:
        return error.key


def _short(database: Database, text: str) -> list[Row]:
    with suppress(Overrun):
        return list(database.reads.read(split(text), (), START_MS).rows)
    return _long(database, text)


def _known(database: Database, text: str) -> list[Row]:
    _short(database, text)
    prepared = database.reads.prepare(split(text))
    found = database.reads.run_prepared(prepared) if prepared is not None else None
    return found[1] if found is not None else _short(database, text)


def _long(database: Database, text: str) -> list[Row]:
    stream = database.reads.stream(split(text), (), START_MS)
    try:
        found: list[Row] = []
        while not stream.finished:
            found += [tuple(row) for page in stream.fetch(1) for row in orjson.loads(page.rows_json)]
        return found
    finally:
        stream.close()


def _rehearsed(database: Database, text: str) -> list[Row]:
    """In a transaction that has changed something before."""
    transaction = Transaction(database.base_state(), 0, 1 << 20)
    change = LoggedStatement(split("insert into x values (1)"), (), START_MS, 1)
    database.writer.change_in(transaction, transaction.written_as("", change))
    answer = database.writer.read_in(transaction, LoggedStatement(split(text), (), START_MS, 1))
    assert isinstance(answer, Relation)
    return list(answer.rows)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that lives through the whole test."""
    found = Node(tmp_path / "old")
    yield found
    found.engine.close()


def _setup(log: LogMaker) -> list[Work]:
    texts = (
        "create table t (b isa, c isa)",
        "create table u (b isa)",
        "create table x (a isa)",
        "insert into t values (1, 2), (4, 5)",
        "create view v as select * from t",
    )
    return work(*(log.statement(split(text)) for text in texts))


def test_what_was_asked_before_is_answered_as_if_it_never_was(node: Node, tmp_path: Path) -> None:
    seed = chosen_seed()
    rng, log = random.Random(seed), LogMaker(1)
    done = _setup(log)
    node.database.apply(done)
    for number in range(8):
        for text in _ASKED:
            node.answers(text)
        while True:
            tried = work(log.statement(split(rng.choice(_DEFINITIONS))))
            (outcome,) = node.database.apply(tried)
            done += tried
            if not outcome.sqlstate:
                break
        newborn = Node(tmp_path / f"new{number}")
        newborn.database.apply(done)
        for text in _ASKED:
            shown = tried[0].entry.statements[0].normalized.template
            assert node.answers(text) == newborn.answers(text), f"seed {seed}, {text!r} after {shown!r}"
        newborn.engine.close()


def test_an_index_is_used_from_its_creation_to_its_end(node: Node) -> None:
    log, text = LogMaker(1), "explain select c from t where b = 4"
    node.database.apply(_setup(log))
    for definition, expected in (
        ("", "  SCAN t"),
        ("create index vao on t (b)", "  SEARCH t USING INDEX vao (b=?)"),
        ("drop index vao", "  SCAN t"),
    ):
        if definition:
            node.database.apply(work(log.statement(split(definition))))
        assert [found[-1] for found in node.answers(text)] == [(expected,)] * 4
