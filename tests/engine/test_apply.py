"""Entries: exactly once, all or nothing, the same outcome whatever the batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import ForeignHistory, OutOfOrder
from dirk_gevent.log.entry import NO_CHAIN, Entry, chain
from tests.engine.plans import LogMaker, Plans, normalized, open_database, open_engine, rows_normalized, rows_of, work

INSERT = "insert into t values (?1, ?2)"


def test_a_batch_is_applied_in_order_and_indexed(database: Database, log: LogMaker) -> None:
    entries = [log.sql("create table t (a, b)"), log.sql(INSERT, 1, "x"), log.sql(INSERT, 2, "y")]
    outcomes = database.apply(work(*entries))
    assert [(o.index, o.sqlstate, o.verb, o.name, o.rows, o.tables) for o in outcomes] == [
        (1, "", "create_table", "t", 0, ("*",)),
        (2, "", "insert", "t", 1, ("t",)),
        (3, "", "insert", "t", 1, ("t",)),
    ]
    expected = NO_CHAIN
    for entry in entries:
        expected = chain(expected, entry.encode())
    assert (database.applied_index, database.position.chain) == (3, expected)
    assert rows_of(database, "select a, b from t") == [(1, "x"), (2, "y")]
    assert database.file.committed.tables == {"*": 1, "t": 3}


def test_an_index_applied_already_is_skipped_with_its_recorded_outcome(database: Database, log: LogMaker) -> None:
    entries = work(log.sql("create table t (a, b)"), log.sql(INSERT, 1, "x"))
    first = database.apply(entries)
    assert database.apply(entries) == first
    assert rows_of(database, "select count(*) from t") == [(1,)]


def test_a_request_runs_once_and_another_statement_under_its_id_is_refused(database: Database, log: LogMaker) -> None:
    entry = log.sql("create table t (a, b)")
    write = log.statement(normalized(INSERT, 1, "x"))
    again = log.statement(normalized(INSERT, 1, "x"), request_id=write.request_id)
    other = log.statement(normalized(INSERT, 2, "x"), request_id=write.request_id)
    outcomes = database.apply(work(entry, write, again, other))
    assert (outcomes[2].index, outcomes[2].repeats, outcomes[2].rows, outcomes[2].tables) == (3, 2, 1, ())
    assert (outcomes[3].key, outcomes[3].sqlstate) == ("request_id_reused", "22023")
    later = log.statement(normalized(INSERT, 1, "x"), request_id=write.request_id)
    assert database.apply(work(later))[0].repeats == 2
    assert rows_of(database, "select a from t") == [(1,)]


def test_a_request_id_whose_record_may_be_gone_is_refused(
    database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only then: what was never forgotten here vouches for an id of any age."""
    old, older = log.request_id(), log.request_id()
    ahead = f"{log.time_ms + 27 * 3600 * 1000:013d}-{'0' * 20}"
    database.apply(work(log.sql("create table t (a, b)")))
    log.time_ms += 13 * 3600 * 1000
    outcomes = database.apply(
        work(
            log.statement(normalized(INSERT, 1, "x"), request_id=old),
            log.statement(normalized(INSERT, 2, "x"), request_id=ahead),
        )
    )
    assert [(outcome.key, outcome.sqlstate) for outcome in outcomes] == [("", ""), ("request_id_ahead", "22023")]
    monkeypatch.setattr(stored_records, "KEPT_ENTRIES", 3)
    (outcome,) = database.apply(work(log.statement(normalized(INSERT, 1, "x"), request_id=older)))
    assert (outcome.key, outcome.sqlstate) == ("request_id_expired", "22023")
    assert rows_of(database, "select a from t") == [(1,)]


@pytest.mark.parametrize(
    ("table", "statement", "key", "params"),
    [
        ("(a primary key, b)", "insert into t values (1, 9)", "unique_violation",
         {"table": "t", "columns": "a", "values": "1"}),
        ("(a not null, b)", "insert into t values (null, 9)", "not_null_violation", {"table": "t", "columns": "a"}),
        ("(a check (a < 5), b)", "insert into t values (7, 9)", "check_violation",
         {"table": "t", "check": "a < 5", "values": "a = 7"}),
        (
            "(a, b check (b < 5 or dirk_refuse('b', b, 'ISA(null,5)')))",
            "insert into t values (7, 9)",
            "domain_violation",
            {"column": "b", "value": 9, "domain": "ISA(null,5)"},
        ),
        ("(a, b)", "update t set a = case when b = 2 then dirk_fail('division_by_zero') else 8 end",
         "division_by_zero", {}),
        ("(a, b references t2 (x))", "insert into t values (7, 9)", "foreign_key_violation", {"table": "t"}),
        ("(a, b)", "insert into nowhere values (1)", "unknown_table", {"name": "nowhere"}),
    ],
)  # fmt: skip
def test_a_refusal_is_a_result_and_leaves_nothing(
    database: Database, log: LogMaker, table: str, statement: str, key: str, params: dict[str, object]
) -> None:
    setup = ["create table t2 (x primary key)", f"create table t {table}"]
    database.apply(work(*(log.sql(sql) for sql in setup)))
    database.apply(work(log.sql("insert into t2 values (1)"), log.sql("insert into t2 values (2)")))
    database.apply(work(log.sql(INSERT, 1, 1), log.sql(INSERT, 2, 2)))
    refused, after = database.apply(work(log.sql(statement), log.sql(INSERT, 3, 1)))
    assert (refused.key, refused.params, refused.tables) == (key, params, ())
    assert after.sqlstate == ""
    assert rows_of(database, "select a, b from t") == [(1, 1), (2, 2), (3, 1)]


def test_rows_inserted_together_are_all_or_nothing(database: Database, log: LogMaker) -> None:
    database.apply(work(log.sql("create table t (a check (a < 900), b)")))
    good = log.statement(rows_normalized(INSERT, [(n, "x") for n in range(800)]))
    bad = log.statement(rows_normalized(INSERT, [(n, "x") for n in range(800, 1000)]))
    outcomes = database.apply(work(good, bad))
    assert [(o.rows, o.key) for o in outcomes] == [(800, ""), (0, "check_violation")]
    assert rows_of(database, "select count(*) from t") == [(800,)]


def test_statements_of_one_entry_are_all_or_nothing(database: Database, log: LogMaker) -> None:
    database.apply(work(log.sql("create table t (a unique, b)")))
    both = log.statement(normalized(INSERT, 1, "x"), normalized(INSERT, 2, "x"), base=1, reads=("t",))
    half = log.statement(normalized(INSERT, 3, "x"), normalized(INSERT, 1, "x"), base=2)
    outcomes = database.apply(work(both, half))
    assert [(o.verb, o.rows, o.key) for o in outcomes] == [("commit", 2, ""), ("", 0, "unique_violation")]
    late = log.statement(normalized(INSERT, 4, "x"), base=1, reads=("t",))
    assert database.apply(work(late))[0].sqlstate == "40001"
    assert rows_of(database, "select a from t") == [(1,), (2,)]


def test_the_step_limit_is_a_result_that_ends_nothing_else(database: Database, log: LogMaker) -> None:
    database.apply(work(log.sql("create table t (a, b)")))
    endless = "insert into t with recursive n(i) as (select 1 union all select i + 1 from n) select i, i from n"
    before = log.sql(INSERT, 1, "x")
    long = log.statement(normalized(endless), step_limit=200_000)
    outcomes = database.apply(work(before, long, log.sql(INSERT, 2, "x")))
    assert [(o.index, o.sqlstate, o.rows) for o in outcomes] == [(2, "", 1), (3, "57014", 0), (4, "", 1)]
    assert rows_of(database, "select a from t") == [(1,), (2,)]


def test_the_step_limit_counts_the_same_on_a_warm_statement(tmp_path: Path) -> None:
    """A cached statement keeps its step counter: the limit must fall at the same amount of work all the same."""
    cold, warm = _sizes_that_fit(tmp_path / "cold", 0), _sizes_that_fit(tmp_path / "warm", 7)
    assert cold == warm
    assert cold == sorted(cold, reverse=True)
    assert True in cold
    assert False in cold


def _sizes_that_fit(directory: Path, warm: int) -> list[bool]:
    sql = (
        "insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < ?1) select i, i from n"
    )
    engine, log = open_engine(directory), LogMaker(1)
    try:
        database = open_database(engine)
        database.apply(work(log.sql("create table t (a, b)")))
        for _ in range(warm):
            database.apply(work(log.sql(sql, 333)))
        limited = [log.statement(normalized(sql, size), step_limit=50_000) for size in range(1500, 3000, 25)]
        return [not database.apply(work(entry))[0].sqlstate for entry in limited]
    finally:
        engine.close()


def test_a_gap_and_a_foreign_history_apply_nothing(database: Database, log: LogMaker) -> None:
    first, second, third = (log.sql("create table t (a, b)"), log.sql(INSERT, 1, "x"), log.sql(INSERT, 2, "x"))
    with pytest.raises(OutOfOrder):
        database.apply(work(first, third))
    with pytest.raises(ForeignHistory):
        database.apply(work(first, second), expected_chain=b"x" * 16)
    assert database.applied_index == 0
    assert len(database.apply(work(first, second))) == 2


def test_time_and_random_numbers_come_from_the_entry(engine: Engine, log: LogMaker) -> None:
    database = open_database(engine)
    database.apply(work(log.sql("create table t (a, b default (dirk_now()), c default (dirk_random()))")))
    database.apply(
        work(log.sql("insert into t (a) values (dirk_datefn('date', 'now'))"), log.sql("insert into t (a) values (1)"))
    )
    rows = rows_of(database, "select a, b, c from t")
    assert rows[0][:2] == ("2026-09-21", "2026-09-21 14:13:20")
    assert rows[0][2] != rows[1][2]


def test_returning_comes_with_the_outcome_and_again_with_a_retry(database: Database, log: LogMaker) -> None:
    database.apply(work(log.sql("create table t (a, b)")))
    entry = log.sql("insert into t values (4, 2.0) returning a")
    outcome = database.apply(work(entry))[0]
    assert outcome.returning is not None
    assert list(outcome.returning.rows) == [(4,)]
    assert database.apply(work(entry)) == [outcome]


def test_a_returned_value_that_no_answer_can_hold_undoes_the_statement(database: Database, log: LogMaker) -> None:
    database.apply(work(log.sql("create table t (a, b)")))
    outcome = database.apply(work(log.sql("insert into t values (1e308 * 10, 2) returning a")))[0]
    assert outcome.sqlstate == "22003"
    assert rows_of(database, "select b from t") == []


def test_a_mistake_in_the_compiler_is_a_result_and_stops_nothing(
    database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.apply(work(log.sql("create table t (a, b)")))
    monkeypatch.setattr(Plans, "plan", lambda *_: {}["missing"])
    assert database.apply(work(log.sql("insert into t values (1, 2)")))[0].sqlstate == "XX000"
    monkeypatch.undo()
    assert database.apply(work(log.sql("insert into t values (1, 2)")))[0].rows == 1


def test_databases_come_and_go_with_the_system_log(engine: Engine) -> None:
    system = LogMaker(0)
    made = system.database("create_database", "Raki")
    assert [o.sqlstate for o in engine.apply_system(work(made, system.database("create_database", "raki")))] == [
        "",
        "42P04",
    ]
    database = engine.get("RAKI")
    log = LogMaker(made.index)
    database.apply(work(log.sql("create table t (a)")))
    assert database.file.path.exists()
    engine.apply_system(work(system.database("drop_database", "raki", made.index)))
    assert not database.file.path.exists()
    assert "raki" not in engine.databases()


def _system_entries(first: int, last: int) -> list[Entry]:
    """Entries of the system log that make a database and drop it again, by turns."""
    system = LogMaker(0)
    system.index = first - 1
    verbs = ("create_database", "drop_database")
    return [system.database(verbs[n % 2], "brief", n - n % 2) for n in range(first, last + 1)]


def test_everything_is_there_after_a_restart(engine: Engine, log: LogMaker) -> None:
    database = open_database(engine)
    database.apply(work(log.sql("create table t (a, b)"), log.sql(INSERT, 1, "x")))
    database.set_heard(77)
    position = database.position
    engine.apply_system(work(*_system_entries(2, 6)))
    engine.close()
    gone, later = (engine.directory.path / f"db-0000000{log_id}.sqlite" for log_id in (3, 9))
    gone.write_bytes(b"of a database that was dropped")
    later.write_bytes(b"of one whose creation comes again")
    again = open_engine(engine.directory.path)
    try:
        database = again.logs()[1]
        assert (database.applied_index, database.position.chain) == (position.index, position.chain)
        assert database.file.heard_head == 77
        assert database.file.committed.tables["t"] == 2
        assert (gone.exists(), later.exists()) == (False, True)
        assert rows_of(database, "select a, b from t") == [(1, "x")]
    finally:
        again.close()
