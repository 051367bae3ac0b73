"""The engine's half: what a transaction does on the applier's connection, and what ends it there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.results import Outcome, Relation
from dirk_gevent.engine.transaction.conflict import conflict
from dirk_gevent.engine.transaction.open_transaction import Transaction
from dirk_gevent.log.entry import Draft, Entry, LoggedStatement, request_hash
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work

pytestmark = pytest.mark.usefixtures("unwatched")

_STEPS = 5_000_000
_BYTES = 1 << 20


class Tried(Transaction):
    """A transaction, and its database."""

    def __init__(self, database: Database, steps: int = _STEPS, most_bytes: int = _BYTES) -> None:
        super().__init__(database.base_state(), steps, most_bytes)
        self.database = database


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on the real compiler with a database of one table: (1, 10), (2, 20)."""
    found = open_compiled(tmp_path / "data")
    apply(open_database(found), "manamboara tabilao t (id ISA fanalahidy, v ISA)")
    apply(found.logs()[1], "manampia ao@ t sanda (1, 10), (2, 20)", "manamboara tabilao other (a ISA)")
    yield found
    found.close()


@pytest.fixture
def database(engine: Engine) -> Database:
    """Its database."""
    return engine.logs()[1]


def apply(database: Database, *texts: str) -> list[Outcome]:
    """An entry for each statement, in one batch."""
    made = [entry(database, place, LoggedStatement(split(text))) for place, text in enumerate(texts)]
    return database.apply(work(*made))


def entry(
    database: Database,
    ahead: int,
    *statements: LoggedStatement,
    base: int | None = None,
    tables: tuple[str, ...] = (),
) -> Entry:
    """What stands in the log `ahead` places after the next."""
    log = LogMaker(1)
    log.index, log.time_ms = database.applied_index + ahead, max(START_MS, database.position.time_ms) + ahead
    request_id = f"{log.time_ms:013d}-{secrets.token_hex(10)}"
    made = log.statement(request_id=request_id)
    draft = Draft(request_id, statements, 0, base, tables)
    return Entry(
        1, made.index, made.time_ms, made.seed, request_id, request_hash(draft), statements, 0, base, tables
    )


def commit(transaction: Tried) -> Outcome:
    """The outcome of the transaction's entry."""
    done = transaction.work()
    statements = tuple(each.statement for each in done.statements)
    made = entry(transaction.database, 0, *statements, base=done.base_index, tables=done.tables)
    return transaction.database.apply(work(made))[0]


def begin(database: Database, steps: int = _STEPS) -> Tried:
    """A transaction."""
    return Tried(database, steps)


def change(transaction: Tried, text: str) -> int:
    """Make a change; how many rows it changed."""
    statement = LoggedStatement(split(text), (), START_MS, 7)
    return transaction.database.writer.change_in(transaction, transaction.written_as(text, statement)).rows


def inside(transaction: Tried, text: str = "alaivo id, v ao@ t alaharo id") -> list[tuple[object, ...]]:
    """What the transaction sees."""
    found = transaction.database.writer.read_in(transaction, LoggedStatement(split(text), (), START_MS, 7))
    assert isinstance(found, Relation)
    return list(found.rows)


def outside(database: Database, text: str = "alaivo id, v ao@ t alaharo id") -> list[tuple[object, ...]]:
    """What everybody sees."""
    return list(database.reads.read(split(text), (), START_MS).rows)


def test_changes_are_run_again_after_an_entry_came_between(database: Database) -> None:
    mine = begin(database)
    assert change(mine, "havaozy t ova v = v + 1") == 2
    apply(database, "manampia ao@ other sanda (1)")
    assert inside(mine) == [(1, 11), (2, 21)]
    assert outside(database) == [(1, 10), (2, 20)]
    assert mine.base_index == database.applied_index
    apply(database, "manampia ao@ other sanda (2)")
    assert change(mine, "fafao ao@ t rehefa v = 21") == 1
    assert commit(mine).sqlstate == ""
    assert outside(database) == [(1, 11)]


def test_two_transactions_in_turn_do_not_see_each_other(database: Database) -> None:
    one, other = begin(database), begin(database)
    for number in range(3, 6):
        change(one, f"manampia ao@ t sanda ({number}, 0)")
        change(other, f"manampia ao@ other sanda ({number})")
    assert len(inside(one)) == 5
    assert inside(other, "alaivo a ao@ other alaharo a") == [(3,), (4,), (5,)]
    assert inside(one, "alaivo a ao@ other") == []
    assert [commit(other).sqlstate, commit(one).sqlstate] == ["", "40001"]
    assert len(outside(database)) == 2


def test_a_conflict_is_found_before_a_statement_and_when_applying(database: Database) -> None:
    mine, blind = begin(database), begin(database)
    change(mine, "havaozy t ova v = 0 rehefa id = 1")
    change(blind, "manampia ao@ t sanda (9, 9)")
    apply(database, "havaozy t ova v = 5 rehefa id = 2")
    with pytest.raises(SqlError, match="serialization_conflict"):
        inside(mine)
    assert [commit(each).sqlstate for each in (mine, blind)] == ["40001", "40001"]
    assert outside(database) == [(1, 10), (2, 5)]


def test_a_statement_that_can_not_be_planned_has_seen_the_definitions(database: Database) -> None:
    mine = begin(database)
    with pytest.raises(SqlError, match="unknown_table"):
        change(mine, "manampia ao@ vaovao sanda (1)")
    apply(database, "manamboara tabilao vaovao (a ISA)")
    with pytest.raises(SqlError, match="definitions_changed"):
        change(mine, "manampia ao@ vaovao sanda (1)")


def test_an_entry_that_changed_nothing_is_no_conflict(database: Database) -> None:
    mine = begin(database)
    change(mine, "havaozy t ova v = 0 rehefa id = 1")
    apply(database, "fafao ao@ t rehefa id = 77", "manampia ao@ t sanda (1, 1)")
    assert commit(mine).sqlstate == ""


def test_rows_that_go_when_others_are_replaced_count_as_written(database: Database) -> None:
    apply(database, "CREATE TABLE zana (a ISA REFERENCES t(id) ON DELETE CASCADE)")
    apply(database, "manampia ao@ zana sanda (1)")
    mine = begin(database)
    assert inside(mine, "alaivo a ao@ zana") == [(1,)]
    change(mine, "manampia ao@ other sanda (1)")
    replaced = apply(database, "INSERT OR REPLACE INTO t VALUES (1, 5)")[0]
    assert set(replaced.tables) == {"t", "zana"}
    assert commit(mine).sqlstate == "40001"
    assert outside(database, "alaivo a ao@ zana") == []


def test_a_failure_leaves_the_changes_before_it_and_the_next_batch_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = begin(database)
    change(mine, "manampia ao@ t sanda (3, 30)")
    with pytest.raises(SqlError, match="unique_violation"):
        change(mine, "manampia ao@ t sanda (4, 40), (1, 1)")
    assert len(inside(mine)) == 3
    speculative = database.writer.take().speculative  # also ends what is open

    def broken(*_: object) -> None:
        raise apsw.IOError("the disk is gone")

    monkeypatch.setattr(speculative._executor, "statement", broken)
    with pytest.raises(StorageFault):
        change(mine, "manampia ao@ t sanda (5, 50)")
    monkeypatch.undo()
    assert apply(database, "manampia ao@ other sanda (1)")[0].sqlstate == ""
    assert [row[0] for row in inside(mine)] == [1, 2, 3]
    assert commit(mine).sqlstate == ""


@pytest.mark.parametrize("unsound", ["x'ff' || ''", "1e308 * 10", "abs(-9223372036854775808)"])
@pytest.mark.parametrize("rows", [5, 5000])
def test_a_read_that_fails_in_its_middle_is_under_way_no_more(database: Database, unsound: str, rows: int) -> None:
    """Its table can be dropped, by an entry and in the transaction; SQLite drops none that is being read.

    What was raised is held to the end of the test, as a log line or a debugger may hold it.
    """
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows + 9})"
    apply(database, f"INSERT INTO t {numbers} SELECT i + 2, i FROM n")
    mine = begin(database)
    change(mine, "manampia ao@ other sanda (1)")
    with pytest.raises(SqlError) as held:
        inside(mine, f"alaivo id, case when v = {rows} then {unsound} end ao@ t")
    change(mine, "DROP TABLE t")
    assert apply(database, "DROP TABLE t")[0].sqlstate == ""
    assert held.value.sqlstate in ("22021", "22003")


def test_a_rollback_that_fails_costs_the_connection_only(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = begin(database)
    change(mine, "manampia ao@ t sanda (3, 30)")
    assert database.writer._open is not None

    def broken() -> None:
        raise apsw.IOError("the disk is gone")

    monkeypatch.setattr(database.writer._open.speculative, "end", broken)
    assert apply(database, "manampia ao@ other sanda (1)")[0].sqlstate == ""
    assert len(inside(mine)) == 3 and len(outside(database)) == 2


def test_the_limit_of_work_counts_the_changes_before(database: Database) -> None:
    mine = begin(database, steps=400_000)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
    with pytest.raises(SqlError, match="transaction_steps"):
        for _ in range(100):
            change(mine, f"{numbers} INSERT INTO other SELECT i FROM n")
    made = len(mine.written)
    assert 0 < made < 100
    apply(database, "manampia ao@ t sanda (3, 30)")
    assert inside(mine, "alaivo isaina(*) ao@ other") == [(9000 * made,)]
    with pytest.raises(SqlError, match="transaction_steps"):
        inside(mine, f"{numbers} SELECT count(*) FROM n a, n b WHERE a.i < b.i")
    assert commit(mine).sqlstate == ""


def test_a_state_that_was_replaced_ends_the_transaction(database: Database, tmp_path: Path) -> None:
    database.upkeep.snapshot(tmp_path / "image")
    mine, read = begin(database), begin(database)
    change(mine, "manampia ao@ t sanda (3, 30)")
    read.touch(("t",))
    database.restore(tmp_path / "image")
    for each in (mine, read):
        with pytest.raises(SqlError, match="transaction_lost"):
            each.renew()
    assert outside(database) == [(1, 10), (2, 20)]


def test_a_database_that_was_dropped_ends_it_too(engine: Engine, database: Database) -> None:
    mine = begin(database)
    change(mine, "manampia ao@ t sanda (3, 30)")
    engine.drop(1)
    with pytest.raises(SqlError, match="unknown_database"):
        change(mine, "manampia ao@ t sanda (4, 40)")


def test_definitions_inside_leave_no_plan_behind(database: Database) -> None:
    mine = begin(database)
    insert = "manampia ao@ w sanda (1.26)"
    for text in (
        "manamboara tabilao w (a NUMERIC(5, 1))", insert, "ravao ny tabilao w",
        "manamboara tabilao w (a NUMERIC(5, 2))", insert, "manamboara tabilao z (a ISA)", "ravao ny tabilao z",
    ):  # fmt: skip
        change(mine, text)
    assert inside(mine, "alaivo a ao@ w") == [(1.26,)]
    apply(database, "manamboara tabilao w (a NUMERIC(5, 1))", insert)
    assert outside(database, "alaivo a ao@ w") == [(1.3,)]
    assert commit(mine).sqlstate == "40001"
    again = begin(database)
    for text in (
        "ravao ny tabilao w", "manamboara tabilao w (a NUMERIC(5, 2))", insert,
        "manamboara tabilao z (a ISA)", "ravao ny tabilao z",
    ):  # fmt: skip
        change(again, text)
    assert commit(again).sqlstate == ""
    assert outside(database, "alaivo a ao@ w") == [(1.26,)]
    assert outside(database, "asehoy ny tabilao") == [("other",), ("t",), ("w",)]
    assert apply(database, "manampia ao@ z sanda (1)")[0].sqlstate == "42P01"


def test_a_transaction_has_a_size(database: Database) -> None:
    mine = Tried(database, most_bytes=300)
    change(mine, "manampia ao@ other sanda (1)")
    with pytest.raises(SqlError, match="transaction_too_large"):
        change(mine, f"manampia ao@ other sanda ({'1' * 300})")
    assert commit(mine).sqlstate == ""


def test_what_is_open_goes_with_its_transaction(database: Database) -> None:
    mine, other = begin(database), begin(database)
    change(mine, "manampia ao@ t sanda (3, 30)")
    database.writer.forget_changes(other)
    assert database.writer._open is not None and database.writer._open.speculative.owner is mine
    database.writer.forget_changes(mine)
    assert database.writer._open.speculative.owner is None
    assert not database.writer._open.connection.in_transaction


@pytest.mark.parametrize(
    ("touched", "changed", "error"),
    [
        ((), {"t": 9, "*": 9}, ""), (("t",), {"t": 5}, ""), (("t",), {"t": 6}, "serialization_conflict"),
        (("t",), {"u": 6}, ""), (("t",), {"*": 6}, "definitions_changed"), (("*",), {"u": 6}, "serialization_conflict"),
        (("*",), {"u": 5, "*": 5}, ""), (("dirk_catalog",), {"u": 9}, ""),
    ],
)  # fmt: skip
def test_what_is_a_conflict(touched: tuple[str, ...], changed: dict[str, int], error: str) -> None:
    for others in ({}, {"t": 1}):
        found = conflict(touched, 5, others, changed)
        assert (found.key if found is not None else "") == error
