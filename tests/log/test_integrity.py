"""A journal or a snapshot that rots: what is damaged is found, told and given to nobody; the rest goes on and heals."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import gevent
import pytest

from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.embedded.journal_file import position
from dirk_gevent.log.entry import Draft, chain
from dirk_gevent.log.records import Chunk, EntriesGoneError, LogDamagedError
from dirk_parser.errors import SqlError
from tests.log.conftest import NOW_MS
from tests.log.test_contract import create, snapshot
from tests.seeds import chosen_seed

ENTRIES = 90
RUNS = 5
MakeDraft = Callable[..., Draft]


@dataclass
class Rotting:
    """A log of `ENTRIES` entries in its directory, and what is true of it: bytes and chain hash by index."""

    settings: LogSettings
    log: EmbeddedLog
    log_id: int
    encoded: dict[int, bytes] = field(default_factory=dict)
    chains: dict[int, bytes] = field(default_factory=dict)

    def append(self, draft: Draft) -> int:
        """One more entry."""
        made = self.log.appends.append(self.log_id, draft)
        self.encoded[made.entry.index], self.chains[made.entry.index] = made.encoded, made.chain
        return made.entry.index

    def reopen(self) -> None:
        """End the log and open it again: nothing is in memory any more."""
        self.log.close()
        self.log = EmbeddedLog(self.settings, clock=lambda: NOW_MS)

    def edit(self, sql: str, *values: object) -> None:
        """Change the journal as no program of ours would."""
        self.log.close()
        with closing(apsw.Connection(str(self.settings.directory / "journal.sqlite"))) as connection:
            connection.execute(sql, values)
            assert connection.changes() == 1
        self.log = EmbeddedLog(self.settings, clock=lambda: NOW_MS)

    def read(self, after: int) -> Chunk:
        """What the log gives behind an index; AssertionError unless it is right."""
        chunk = self.log.reads.read(self.log_id, after, 4000)
        for index, encoded in enumerate(chunk.entries, after + 1):
            assert encoded == self.encoded[index], f"entry {index} is not what was appended"
        assert chunk.chain_before == self.chains.get(after, bytes(16))
        assert chunk.chain_after == self.chains.get(chunk.last_index, bytes(16))
        return chunk

    def read_up_to_damage(self, after: int) -> int:
        """Read on from an index; where it ended, by damage or at the head."""
        try:
            while chunk := self.read(after).entries:
                after += len(chunk)
        except LogDamagedError as error:
            assert error.index == after + 1
        return after


@pytest.fixture
def rotting(tmp_path: Path, draft: MakeDraft) -> Iterator[Rotting]:
    settings = LogSettings(directory=tmp_path / "log")
    log = EmbeddedLog(settings, clock=lambda: NOW_MS)
    found = Rotting(settings, log, create(log, "a"))
    drafts = [draft(number, "x" * (number * 37 % 900)) for number in range(ENTRIES)]
    gevent.joinall([gevent.spawn(found.append, one) for one in drafts], raise_error=True)
    yield found
    found.log.close()


def altered(source: random.Random, encoded: bytes) -> bytes:
    """Other bytes: one bit, one byte, a digit (valid JSON still) where there is one, a piece that is gone, or none."""
    at = source.randrange(len(encoded))
    digits = [place for place, byte in enumerate(encoded) if 0x31 <= byte <= 0x38]
    other = bytearray(encoded)
    kind = source.choice(["bit", "byte", *(["digit"] if digits else []), "cut", "empty"])
    if kind == "bit":
        other[at] ^= 1 << source.randrange(8)
    elif kind == "byte":
        other[at] = (other[at] + source.randrange(1, 256)) % 256
    elif kind == "digit":
        other[source.choice(digits)] += 1
    elif kind == "cut":
        del other[at : at + 5]
    else:
        other.clear()
    return bytes(other)


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("what", ["encoded", "chain", "row"])
def test_no_entry_that_rotted_is_given_and_the_log_heals_behind_it(
    rotting: Rotting, draft: MakeDraft, what: str, run: int
) -> None:
    source = random.Random(f"{what} {chosen_seed() + run}")
    index = source.randint(1, ENTRIES - 1)
    print(f"{what} of entry {index}")
    where = position(rotting.log_id, index)
    if what == "encoded":
        rotting.edit("UPDATE entries SET encoded=? WHERE position=?", altered(source, rotting.encoded[index]), where)
    elif what == "chain":
        rotting.edit("UPDATE entries SET chain=? WHERE position=?", altered(source, rotting.chains[index]), where)
    else:
        rotting.edit("DELETE FROM entries WHERE position=?", where)
    assert rotting.read_up_to_damage(0) == index - 1
    damage = rotting.log.reads.damage(rotting.log_id)
    assert damage is not None and index in (damage.first, damage.last)
    assert rotting.read_up_to_damage(index + 1) == ENTRIES, "who is past it goes on"
    for at in range(ENTRIES + 1):
        assert rotting.log.reads.chain_at(rotting.log_id, at) in (None, rotting.chains.get(at, bytes(16)))
    assert rotting.log.reads.chain_at(rotting.log_id, ENTRIES) == rotting.chains[ENTRIES]
    rotting.append(draft(0))
    made = snapshot(rotting.log, rotting.log_id)
    assert rotting.log.snapshots.confirm(rotting.log_id, made.index, made.digest)
    rotting.log.snapshots.truncate(rotting.log_id, 0)
    assert rotting.log.reads.damage(rotting.log_id) is None
    rotting.append(draft(1))
    rotting.reopen()
    assert rotting.log.reads.damage(rotting.log_id) is None
    assert rotting.log.snapshots.latest(rotting.log_id) == rotting.log.snapshots.all(rotting.log_id)[0]
    assert rotting.read_up_to_damage(made.index) == made.index + 1


@pytest.mark.parametrize("what", ["encoded", "chain"])
def test_a_head_in_doubt_is_decided_by_who_stands_there(rotting: Rotting, draft: MakeDraft, what: str) -> None:
    """The last entry does not match its hash: only a node knows whether the one or the other is wrong."""
    where = position(rotting.log_id, ENTRIES)
    right = rotting.chains[ENTRIES]
    changed = altered(random.Random(what), rotting.encoded[ENTRIES] if what == "encoded" else right)
    rotting.edit(f"UPDATE entries SET {what}=? WHERE position=?", changed, where)
    damage = rotting.log.reads.damage(rotting.log_id)
    assert damage is not None and damage.end_in_doubt
    assert rotting.log.reads.chain_at(rotting.log_id, ENTRIES) is None
    rotting.log.reads.vouch(rotting.log_id, ENTRIES, b"\x07" * 16)
    assert rotting.log.reads.chain_at(rotting.log_id, ENTRIES) is None, "another history decides nothing"
    rotting.log.reads.vouch(rotting.log_id, ENTRIES, right)
    assert rotting.log.reads.chain_at(rotting.log_id, ENTRIES) == right
    damage = rotting.log.reads.damage(rotting.log_id)
    assert (damage is None) == (what == "chain")
    rotting.append(draft(1))
    rotting.reopen()
    assert rotting.read_up_to_damage(ENTRIES) == ENTRIES + 1


@pytest.mark.parametrize("run", range(RUNS))
def test_bytes_of_the_file_that_rot_give_an_error_never_another_entry(rotting: Rotting, run: int) -> None:
    """Anywhere in the file: SQLite's own pages, too."""
    source = random.Random(chosen_seed() + run)
    rotting.log.close()
    path = rotting.settings.directory / "journal.sqlite"
    data = bytearray(path.read_bytes())
    for _ in range(source.randint(1, 4)):
        data[source.randrange(4096, len(data))] ^= 1 << source.randrange(8)
    path.write_bytes(data)
    try:
        rotting.log = EmbeddedLog(rotting.settings, clock=lambda: NOW_MS)
        for after in range(ENTRIES):
            try:
                rotting.read(after)
            except (SqlError, EntriesGoneError):
                continue
    except SqlError as error:
        assert error.key in ("log_damaged", "unknown_database", "log_unavailable"), error.key


@pytest.mark.parametrize("is_base", [False, True], ids=["newer", "base"])
def test_a_snapshot_that_rots_counts_no_more(rotting: Rotting, draft: MakeDraft, is_base: bool) -> None:
    """The entries behind it still lead everywhere, or another state at the same index takes its place."""
    made = snapshot(rotting.log, rotting.log_id)
    assert rotting.log.snapshots.confirm(rotting.log_id, made.index, made.digest)
    if is_base:
        assert rotting.log.snapshots.truncate(rotting.log_id, made.index) == made.index + 1
    path = rotting.settings.directory / "snapshots" / f"{rotting.log_id}-{made.index}.zst"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    reader = rotting.log.snapshots.open(rotting.log_id, made.index)
    with pytest.raises(SqlError) as refused:
        while reader.read(1000):
            continue
    reader.close()
    assert refused.value.key == "snapshot_damaged"
    assert rotting.log.snapshots.latest(rotting.log_id) is None and not path.exists()
    damage = rotting.log.reads.damage(rotting.log_id)
    assert (damage is not None and damage.last == made.index) == is_base
    rotting.reopen()
    assert rotting.log.reads.damage(rotting.log_id) == damage or is_base
    again = snapshot(rotting.log, rotting.log_id)
    assert again.index == made.index
    rotting.log.snapshots.confirm(rotting.log_id, again.index, again.digest)
    rotting.log.snapshots.truncate(rotting.log_id, again.index)
    assert rotting.log.reads.damage(rotting.log_id) is None
    reader = rotting.log.snapshots.open(rotting.log_id, again.index)
    assert reader.read(1000) == b"content" and reader.read(1000) == b""
    reader.close()


def test_the_scrub_finds_what_nobody_reads(rotting: Rotting) -> None:
    made = snapshot(rotting.log, rotting.log_id)
    path = rotting.settings.directory / "snapshots" / f"{rotting.log_id}-{made.index}.zst"
    path.write_bytes(b"?" * path.stat().st_size)
    where = position(rotting.log_id, 20)
    rotting.edit("UPDATE entries SET encoded=? WHERE position=?", b"[]", where)
    with gevent.Timeout(10):
        while not rotting.log.reads.is_scrubbed(rotting.log_id):
            gevent.sleep(0.01)
    damage = rotting.log.reads.damage(rotting.log_id)
    assert damage is not None and (damage.first, damage.last) == (20, 20)
    assert not rotting.log.snapshots.all(rotting.log_id)


def test_chunks_that_are_cut_still_lead_to_their_hash(rotting: Rotting) -> None:
    chunk = rotting.log.reads.read(rotting.log_id, 3, 100_000)
    for count in (0, 1, 5):
        cut = chunk.cut(count)
        assert len(cut.entries) == count
        assert cut.chain_after == rotting.chains[3 + count]
        assert chain(cut.chain_after, rotting.encoded[4 + count]) == rotting.chains[4 + count]
