"""A state that takes another one's place begins with nothing of it, though its DDL stands at the same indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import ForeignHistory, Overrun, StorageFault
from dirk_gevent.engine.snapshot.reissue import LogPosition, reissue
from dirk_gevent.engine.transaction.open_transaction import Transaction
from dirk_gevent.log.entry import Entry, LoggedStatement
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, TestLimits, open_database, work

pytestmark = pytest.mark.usefixtures("unwatched")

#: Two histories whose DDL has the same indexes: what one calls a column the other has otherwise, or not at all.
_HISTORIES = (
    (
        "create table t (a ISA primary key, b ISA check (b < 10))",
        "create table u (a ISA, k ISA references t(a))",
        "create view seen as select a, b from t",
        "create unique index fast on t (b)",
        "insert into t values (1, 2), (3, 4)",
    ),
    (
        "create table t (b TEXT, a INTEGER primary key autoincrement, c ISA default 7)",
        "create table u (k TEXT unique, a BOOLEAN)",
        "create view seen as select c, b, a from t where c > 0",
        "create index fast on u (a)",
        "insert into t (b, a) values ('x', 5), ('x', 6), ('y', 9)",
    ),
)
_WRITES = (
    "insert into t values (8, 9)",
    "insert into t (a, b) values (7, 8), (9, 12)",
    f"insert into t (a, b) values {', '.join(f'({n}, {n})' for n in range(100, 140))}",
    "insert into u values (1, 1)",
    "insert into u select * from seen",
    "update t set b = 'z' where a = 5",
    "update t set b = b + 1 returning *",
    "delete from t where a = 3",
    "insert into t (b) values (5) on conflict do nothing",
)
_READS = (
    "select * from t",
    "select * from seen order by 1",
    "select a, b from t where a > 2",
    "select count(*) from u",
    "show tables",
    "describe t",
    "select c from t",
)


def made(index: int) -> list[Entry]:
    """One history's definitions and first rows."""
    log = LogMaker(1)
    return [log.statement(split(text), request_id=_id(log)) for text in _HISTORIES[index]]


def written() -> list[Entry]:
    """The writes behind either history."""
    log = LogMaker(1)
    log.index, log.time_ms = len(_HISTORIES[0]), START_MS + len(_HISTORIES[0])
    return [log.statement(split(text), request_id=_id(log)) for text in _WRITES]


def _id(log: LogMaker) -> str:
    return f"{log.time_ms:013d}-{log.index:020x}"


def answers(database: Database) -> list[object]:
    """Everything that reads say: on the hub and again, as a stream, in a transaction, and how writes end there."""
    found: list[object] = []
    for text in _READS:
        normalized = split(text)
        found += [_said(lambda normalized=normalized: _hub(database, normalized)) for _ in range(2)]
        prepared = database.reads.prepare(normalized)
        found.append(prepared and _said(lambda prepared=prepared: database.reads.run_prepared(prepared)))
        found.append(_said(lambda normalized=normalized: _streamed(database, normalized)))
        found.append(database.reads.depends_on(normalized))
    transaction = Transaction(database.base_state(), 0, 1 << 20)
    for text in _WRITES:
        statement = LoggedStatement(split(text), (), START_MS, 1)
        kept = transaction.written_as(text, statement)
        found.append(_said(lambda kept=kept: _result(database.writer.change_in(transaction, kept))))
        found.append(_said(lambda: database.writer.read_in(transaction, LoggedStatement(split("select * from t")))))
    database.writer.forget_changes(transaction)
    return found


def _said(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except SqlError as error:
        return error.key, error.params
    except Overrun:
        return "overrun"


def _hub(database: Database, normalized: object) -> object:
    relation = database.reads.read(normalized, (), START_MS)  # type: ignore[arg-type]
    return relation.columns, list(relation.rows), relation.index


def _streamed(database: Database, normalized: object) -> object:
    with closing(database.reads.stream(normalized, (), START_MS)) as stream:  # type: ignore[arg-type]
        return [page.rows_json for page in stream.fetch(5)], stream.head.columns, stream.head.index


def _result(result: object) -> object:
    return result.rows, result.tables, result.verb  # type: ignore[attr-defined]


# --- the ways ------------------------------------------------------------------------------------------------


def fence(database: Database, directory: Path) -> None:
    """Shut out: the file is put aside, the log's entries come."""
    database.set_aside("fenced")
    database.apply(work(*made(1)))


def restore(database: Database, directory: Path) -> None:
    """A snapshot of another node's state."""
    database.restore(_snapshot(directory))


def restore_after_a_transaction(database: Database, directory: Path) -> None:
    """As `restore`, while a transaction still holds the old state."""
    transaction = Transaction(database.base_state(), 0, 1 << 20)
    database.restore(_snapshot(directory))
    with pytest.raises(SqlError, match="transaction_lost"):
        transaction.renew()


def rebuilt_log(database: Database, directory: Path) -> None:
    """Entries of a log that proves to be another: what was compiled for them goes with them."""
    database.set_aside("fenced")
    with pytest.raises(ForeignHistory):
        database.apply(work(*made(0), *written()), b"of another log")
    database.apply(work(*made(1)))


def restored_in_place(database: Database, directory: Path) -> None:
    """A state of an earlier index made anew, as a person's restore has it."""
    engine = Engine(directory / "scratch", "replay", TestLimits())
    engine.open()
    other = open_database(engine)
    other.apply(work(*made(1)))
    position = LogPosition(1, "t", other.applied_index, other.position.chain, other.position.time_ms)
    engine.close()
    reissue(other.file.path, position, directory / "again")
    database.restore(directory / "again")


def failed_restore(database: Database, directory: Path) -> None:
    """The disk refuses the new file when the old one is gone; the log's entries come instead."""
    snapshot = _snapshot(directory)
    refused = database.file.shared.directory.put

    def failing(*_: object) -> None:
        raise OSError(5, "no")

    database.file.shared.directory.put = failing  # type: ignore[method-assign]
    with pytest.raises(StorageFault):
        database.restore(snapshot)
    database.file.shared.directory.put = refused  # type: ignore[method-assign]
    assert database.applied_index == 0
    database.apply(work(*made(1)))


def _snapshot(directory: Path) -> Path:
    engine = Engine(directory / "other", "m2", TestLimits())
    engine.open()
    other = open_database(engine)
    other.apply(work(*made(1)))
    other.upkeep.snapshot(directory / "shot")
    engine.close()
    return directory / "shot"


_WAYS = (fence, restore, restore_after_a_transaction, rebuilt_log, restored_in_place, failed_restore)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """A database that has the first history, and one that never had anything but the second."""
    engines = [Engine(tmp_path / name, name, TestLimits()) for name in ("m1", "fresh")]
    for number, engine in enumerate(engines):
        engine.open()
        open_database(engine).apply(work(*made(number)))
    yield open_database(engines[0]), open_database(engines[1])
    for engine in engines:
        engine.close()


@pytest.mark.parametrize("replace", _WAYS, ids=lambda way: way.__name__)
def test_nothing_of_a_state_outlives_it(
    pair: tuple[Database, Database], tmp_path: Path, replace: Callable[[Database, Path], None]
) -> None:
    database, fresh = pair
    before = database.file.committed
    first = answers(database)
    database.apply(work(*written()))
    replace(database, tmp_path)
    assert database.file.committed is not before
    assert answers(database) == answers(fresh) != first
    outcomes = [each.apply(work(*written())) for each in (database, fresh)]
    assert [(o.digest, o.key, o.params) for o in outcomes[0]] == [(o.digest, o.key, o.params) for o in outcomes[1]]
    assert database.upkeep.content_digest() == fresh.upkeep.content_digest()
    assert answers(database) == answers(fresh)


def test_the_state_of_a_database_that_is_dropped_is_let_go_of(pair: tuple[Database, Database], tmp_path: Path) -> None:
    database, _ = pair
    answers(database)
    before, reader = database.file.committed, database.file.committed.reader
    assert reader is not None
    database.drop()
    assert before.reader is None
    assert database.file.committed is not before
    assert not database.file.committed.hot
    with pytest.raises(SqlError, match="unknown_database"):
        database.reads.read(split("select * from t"), (), START_MS)
