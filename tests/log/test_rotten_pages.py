"""Pages of the journal that SQLite itself cannot read, columns that hold nonsense, and what a crash leaves half done:
the log opens, tells what is damaged, goes on and heals; no other log has to do with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded import found_damage
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.embedded.found_damage import FoundDamage
from dirk_gevent.log.embedded.journal_file import position
from dirk_gevent.log.entry import Draft
from dirk_gevent.log.records import LogDamagedError
from dirk_parser.errors import SqlError
from tests.log.conftest import NOW_MS
from tests.log.test_contract import create, snapshot
from tests.log.test_integrity import ENTRIES, Rotting
from tests.log.test_integrity import rotting as rotting

MakeDraft = Callable[..., Draft]
PAGE_BYTES, LEAF = 4096, 13


def spoil_page(rotting: Rotting, index: int) -> None:
    """Spoil the page of the journal that an entry lies on."""
    rotting.log.close()
    path = rotting.settings.directory / "journal.sqlite"
    data = bytearray(path.read_bytes())
    pages = [
        start
        for start in range(0, len(data), PAGE_BYTES)
        if data[start] == LEAF and rotting.encoded[index] in data[start : start + PAGE_BYTES]
    ]
    assert len(pages) == 1
    data[pages[0]] = 0xFF
    path.write_bytes(data)
    rotting.log = EmbeddedLog(rotting.settings, clock=lambda: NOW_MS)


def test_a_page_that_cannot_be_read_is_damage_and_the_log_heals_behind_it(rotting: Rotting, draft: MakeDraft) -> None:
    log_id, middle = rotting.log_id, 10
    spoil_page(rotting, middle)
    end = rotting.read_up_to_damage(0)
    assert end < middle
    for at in range(ENTRIES + 1):
        assert rotting.log.reads.chain_at(log_id, at) in (None, rotting.chains.get(at, bytes(16)))
    with pytest.raises(LogDamagedError) as damaged:
        rotting.log.reads.read(log_id, middle, 1000)
    assert damaged.value.index == middle + 1, "the hash before it cannot be read"
    with gevent.Timeout(30):
        while not rotting.log.reads.is_scrubbed(log_id):
            gevent.sleep(0.01)
    found = rotting.log.reads.damage(log_id)
    assert found is not None and found.first == end + 1
    rotting.append(draft(0))
    made = snapshot(rotting.log, log_id)
    assert rotting.log.snapshots.confirm(log_id, made.index, made.digest)
    heal(rotting)
    rotting.append(draft(1))
    rotting.reopen()
    assert rotting.log.reads.damage(log_id) is None and rotting.log.reads.oldest(log_id) == made.index + 1
    assert rotting.read_up_to_damage(made.index) == made.index + 1


def heal(rotting: Rotting) -> None:
    """Have the log begin behind its damage: tried again, as its host does."""
    for _ in range(2):
        try:
            rotting.log.snapshots.truncate(rotting.log_id, 0)
        except SqlError as error:
            # The entries are of no use to anybody, and SQLite cannot delete them.
            assert error.key == "log_unavailable"
    assert rotting.log.reads.damage(rotting.log_id) is None


@pytest.mark.parametrize("how", ["gone", "unreadable"])
def test_a_snapshot_stands_for_the_entry_that_is_lost_with_its_index(rotting: Rotting, how: str) -> None:
    """What lies behind it can be read from there on; the log begins there."""
    log_id, index = rotting.log_id, ENTRIES
    made = snapshot(rotting.log, log_id)
    assert rotting.log.snapshots.confirm(log_id, made.index, made.digest)
    for number in range(100):
        rotting.append(Draft(new_request_id(NOW_MS), (), step_limit=number))
    if how == "gone":
        rotting.edit("DELETE FROM entries WHERE position=?", position(log_id, index))
    else:
        spoil_page(rotting, index)
    with pytest.raises(LogDamagedError):
        rotting.log.reads.read(log_id, index, 1000)
    for _ in range(2):
        try:
            rotting.log.snapshots.truncate(log_id, index)
        except SqlError as error:
            assert error.key == "log_unavailable"
    assert rotting.log.reads.oldest(log_id) == index + 1
    if how == "gone":
        assert rotting.read_up_to_damage(index) == index + 100


@pytest.mark.parametrize("column", ["chain", "encoded"])
@pytest.mark.parametrize("value", [b"", b"x" * 100, "text", 7], ids=["empty", "long", "text", "number"])
@pytest.mark.parametrize("index", [1, 50, ENTRIES - 1, ENTRIES])
def test_a_column_that_holds_nonsense_is_damage(rotting: Rotting, column: str, value: object, index: int) -> None:
    check_nonsense(rotting, f"UPDATE entries SET {column}=? WHERE position=?", value, index)


@pytest.mark.parametrize("column", ["chain", "encoded"])
@pytest.mark.parametrize("index", [1, 50, ENTRIES - 1, ENTRIES])
def test_a_column_that_is_a_text_in_no_encoding_is_damage(rotting: Rotting, column: str, index: int) -> None:
    """A row's header says of what type its columns are, and rots as they do."""
    check_nonsense(rotting, f"UPDATE entries SET {column}=CAST(? AS TEXT) WHERE position=?", b"\x04\xa0\xff", index)


def check_nonsense(rotting: Rotting, sql: str, value: object, index: int) -> None:
    """After the edit that entry alone is damage, and no hash is given for its index but the right one."""
    rotting.edit(sql, value, position(rotting.log_id, index))
    assert rotting.read_up_to_damage(0) == index - 1
    for at in range(ENTRIES + 1):
        assert rotting.log.reads.chain_at(rotting.log_id, at) in (None, rotting.chains.get(at, bytes(16)))
    assert rotting.log.reads.damage(rotting.log_id) is not None


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("logs", "base_chain", 5), ("logs", "name", b"\xff"), ("snapshots", "size_bytes", b"x"), ("requests", "idx", "x")],
)
def test_nonsense_beside_the_entries_is_one_sentence(rotting: Rotting, table: str, column: str, value: object) -> None:
    """Or no matter at all; never another error."""
    snapshot(rotting.log, rotting.log_id)
    rotting.log.close()
    with closing(apsw.Connection(str(rotting.settings.directory / "journal.sqlite"))) as connection:
        connection.execute(f"UPDATE {table} SET {column}=?", (value,))
    try:
        rotting.log = EmbeddedLog(rotting.settings, clock=lambda: NOW_MS)
        rotting.log.reads.read(rotting.log_id, 0, 100)
    except SqlError as error:
        assert error.key in ("log_damaged", "log_entry_damaged"), error.key


@pytest.mark.parametrize("heads", ["{", "[]", "7", '{"1": "x"}'])
def test_heads_of_an_epoch_that_rotted_say_nothing(rotting: Rotting, heads: str) -> None:
    first = rotting.log.epochs.current
    rotting.reopen()
    rotting.log.appends.create_database("b", new_request_id(NOW_MS))
    rotting.edit("UPDATE epochs SET heads=? WHERE ordinal=2", heads)
    assert rotting.log.epochs.knows(first) and rotting.log.epochs.end(first, rotting.log_id) is None


@pytest.mark.parametrize("count", [499, 500, 501, 1000])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_dropped_log_that_is_half_forgotten_stops_no_other(
    tmp_path: Path, draft: MakeDraft, count: int, steps: int
) -> None:
    """The process ended between two steps; of a dropped log nothing is missed, and nothing is told as damage."""
    settings = LogSettings(directory=tmp_path / "log")
    log = EmbeddedLog(settings, clock=lambda: NOW_MS)
    log_id = create(log, "a")
    appends = [gevent.spawn(log.appends.append, log_id, draft(number)) for number in range(count)]
    gevent.joinall(appends, raise_error=True)
    log.appends.drop_database("a", new_request_id(NOW_MS))
    for _ in range(steps):
        log._threads.write(log._threads.journal.forget_step, log_id)
    log.close()
    log = EmbeddedLog(settings, clock=lambda: NOW_MS)
    assert log.reads.damage(log_id) is None and not log.reads.databases()
    log.appends.append(create(log, "a"), draft())
    log.snapshots.forget(log_id)
    with pytest.raises(SqlError):
        log.reads.head(log_id)
    log.close()


def test_an_old_journal_in_the_log_s_place_costs_no_snapshot_of_the_right_one(
    rotting: Rotting, draft: MakeDraft, tmp_path: Path
) -> None:
    """A person finds it out and puts the right one back: what that begins with must still be there."""
    directory, log_id = rotting.settings.directory, rotting.log_id

    def put(source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        shutil.copyfile(source / "journal.sqlite", target / "journal.sqlite")

    rotting.log.close()
    put(directory, tmp_path / "old")
    rotting.reopen()
    later = create(rotting.log, "b")
    for one in (log_id, later):
        rotting.log.appends.append(one, draft())
        made = snapshot(rotting.log, one)
        assert rotting.log.snapshots.confirm(one, made.index, made.digest)
        rotting.log.snapshots.truncate(one, made.index)
    rotting.log.close()
    put(directory, tmp_path / "right")
    put(tmp_path / "old", directory)
    rotting.reopen()
    assert rotting.log.reads.head(log_id).index == ENTRIES
    rotting.log.close()
    put(tmp_path / "right", directory)
    rotting.reopen()
    for one in (log_id, later):
        assert rotting.log.reads.damage(one) is None and rotting.log.snapshots.latest(one) is not None


@pytest.mark.parametrize("is_away", [False, True], ids=["gone", "folder away"])
def test_a_snapshot_whose_file_is_gone_counts_no_more(rotting: Rotting, is_away: bool) -> None:
    """While the log runs, too; but not when its whole folder is away, which may come back."""
    made = snapshot(rotting.log, rotting.log_id)
    assert rotting.log.snapshots.confirm(rotting.log_id, made.index, made.digest)
    assert rotting.log.snapshots.truncate(rotting.log_id, made.index) == made.index + 1
    folder = rotting.settings.directory / "snapshots"
    if is_away:
        folder.rename(folder.with_name("away"))
    else:
        (folder / f"{rotting.log_id}-{made.index}.zst").unlink()
    with pytest.raises(SqlError) as gone:
        rotting.log.snapshots.open(rotting.log_id, made.index)
    assert gone.value.key == "snapshot_gone"
    assert (rotting.log.snapshots.latest(rotting.log_id) is None) != is_away
    assert (rotting.log.reads.damage(rotting.log_id) is None) == is_away
    if is_away:
        folder.with_name("away").rename(folder)
        rotting.log.snapshots.open(rotting.log_id, made.index).close()


def test_files_that_nobody_can_miss_go(rotting: Rotting) -> None:
    """What a crash left: a part, a snapshot older than the confirmed one, one of a database that is gone."""
    made = snapshot(rotting.log, rotting.log_id)
    assert rotting.log.snapshots.confirm(rotting.log_id, made.index, made.digest)
    gone = create(rotting.log, "b")
    rotting.log.appends.drop_database("b", new_request_id(NOW_MS))
    rotting.log.snapshots.forget(gone)
    folder = rotting.settings.directory / "snapshots"
    left = (f"{rotting.log_id}-{made.index + 1}.part", f"{rotting.log_id}-{made.index - 1}.zst", f"{gone}-1.zst", "x")
    for name in left:
        (folder / name).write_bytes(b"left")
    rotting.reopen()
    assert [path.name for path in folder.iterdir()] == [f"{rotting.log_id}-{made.index}.zst"]


def test_not_all_of_much_damage_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """But its ends are: a log whose file is half gone fills no memory and no disk with lines."""
    monkeypatch.setattr(found_damage, "_MOST_KEPT", 10)
    found = FoundDamage(logger("test"))
    for index in range(100, 1100):
        found.note(1, index, "it rotted")
    found.note(1, 50, "it rotted")
    told = found.of(1)
    assert told is not None and (told.first, told.last) == (50, 1099)
    assert len(found._found[1]) <= 10
    found.begins_behind(1, 1099)
    assert found.of(1) is None
