"""A backup that was rotten when it was taken, or rots in its file: found by check, restore and backup."""

from __future__ import annotations

import random
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest
import zstandard

from dirk_gevent.admin import backup
from dirk_gevent.admin.backup_file import Backup, BackupDamaged, BackupWriter
from dirk_gevent.admin.main import main
from dirk_gevent.admin.proxy_link import TaskFailed
from dirk_gevent.admin.usage import parse
from dirk_gevent.config.settings import Limits
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import SnapshotDamaged
from dirk_gevent.engine.snapshot.snapshot import SnapshotHeader, check_pieces
from dirk_gevent.log.entry import NO_CHAIN, chain
from dirk_gevent.loop.threads import NativeThreads
from tests.engine.plans import LogMaker, open_engine, work
from tests.seeds import chosen_seed

ENTRIES, PIECE = 40, 10
RUNS = 8

Records = list[tuple[dict[str, object], bytes]]


@dataclass
class Made:
    """What a backup of one database is made of: its entries, the hash behind each, and a snapshot at `begins`."""

    entries: list[bytes]
    chains: list[bytes]
    snapshot: bytes
    begins: int

    def records(self, has_hashes: bool = True) -> Records:
        """As a proxy sends them; release 2.0.0 sent no hash behind the entries."""
        point = {"name": "t", "log": 1, "index": ENTRIES, "chain": self.chains[ENTRIES].hex(), "ms": 1}
        found: Records = [({"t": "points", "ms": 1, "genesis": "", "databases": [point]}, b"")]
        for at in range(0, len(self.snapshot), 1000):
            found.append(({"t": "snapshot", "log": 1, "index": self.begins}, self.snapshot[at : at + 1000]))
        for at in range(self.begins, ENTRIES, PIECE):
            after = {"after": self.chains[at + PIECE].hex()} if has_hashes else {}
            header = {"t": "entries", "log": 1, "first": at + 1, "count": PIECE, **after}
            found.append((header, b"\n".join(self.entries[at : at + PIECE])))
        return [*found, ({"t": "whole"}, b"")]


@pytest.fixture(params=[0, 20], ids=["entries", "snapshot"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """Entries that make a table and fill it."""
    log = LogMaker(1)
    entries = [log.sql("create table t (a)"), *(log.sql("insert into t values (?)", n) for n in range(1, ENTRIES))]
    encoded = [entry.encode() for entry in entries]
    chains = [NO_CHAIN]
    for one in encoded:
        chains.append(chain(chains[-1], one))
    snapshot = b""
    if request.param:
        engine: Engine = open_engine(tmp_path / "engine")
        threads = NativeThreads(1)
        database = threads.call(engine.create, 1, "t")
        threads.call(database.apply, work(*entries[: request.param]))
        threads.call(database.upkeep.snapshot, tmp_path / "state.zst")
        snapshot = (tmp_path / "state.zst").read_bytes()
        threads.call(engine.close)
    return Made(encoded, chains, snapshot, request.param)


def written(path: Path, records: Records) -> Path:
    """A file of these records, without the look that `BackupWriter.finish` takes at it."""
    writer = BackupWriter(path)
    for fields, body in records:
        writer.add(dict(fields), body)
    writer._steady.finish()
    writer._file.close()
    writer._partial.rename(path)
    return path


def rotten(source: random.Random, records: Records, kind: str) -> Records:
    """The records with a byte of one body changed."""
    at = source.choice([place for place, (fields, _) in enumerate(records) if fields["t"] == kind])
    fields, body = records[at]
    other = bytearray(body)
    digits = [place for place, byte in enumerate(body) if 0x31 <= byte <= 0x38]
    if digits and source.random() < 0.5:
        other[source.choice(digits)] += 1
    else:
        other[source.randrange(len(other))] ^= 1 << source.randrange(8)
    changed = [*records[:at], (fields, bytes(other)), *records[at + 1 :]]
    # A bit of it that nobody relies on is none that is found.
    return changed if kind != "snapshot" or read(changed) != read(records) else rotten(source, records, kind)


def read(records: Records) -> tuple[SnapshotHeader, bytes] | None:
    """What a restore takes from the snapshot in some records, which is not its name or its digest; None: it refuses."""
    content = b"".join(body for fields, body in records if fields["t"] == "snapshot")
    try:
        info = check_pieces(iter([content]))
    except SnapshotDamaged:
        return None
    image = zstandard.ZstdDecompressor().decompressobj().decompress(content.partition(b"\n")[2])
    return replace(info, name="", digest=""), image


def verify(path: Path, upto: int | None = None) -> None:
    with closing(Backup(path)) as found:
        found.source(found.points[0]).verify(upto)


@pytest.mark.parametrize("has_hashes", [True, False], ids=["hashes", "2.0.0"])
def test_a_whole_backup_is_whole(made: Made, tmp_path: Path, has_hashes: bool) -> None:
    path = written(tmp_path / "file", made.records(has_hashes))
    for upto in (None, made.begins, ENTRIES - 1, ENTRIES):
        verify(path, upto)


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("has_hashes", [True, False], ids=["hashes", "2.0.0"])
def test_what_was_rotten_when_it_was_taken_is_found(
    made: Made, tmp_path: Path, has_hashes: bool, run: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file's own checksums are right: they say only that it is as it was written."""
    source = random.Random(chosen_seed() + run)
    kind = source.choice(["entries", "snapshot"]) if made.snapshot else "entries"
    print(kind)
    path = written(tmp_path / "file", rotten(source, made.records(has_hashes), kind))
    with pytest.raises(BackupDamaged, match="t in it is damaged"):
        verify(path)
    assert main(parse(["check", str(path)])) == 1
    said = capsys.readouterr()
    assert "is whole" not in said.out and "t in it is damaged" in said.out
    assert said.err.count("\n") == 1 and "1 of 1 databases in it are damaged" in said.err


@pytest.mark.parametrize("made", [20], ids=["snapshot"], indirect=True)
def test_no_bit_of_a_snapshots_header_changes_what_a_backup_holds(made: Made, tmp_path: Path) -> None:
    """Where it stands is held against the records, its hash against where the entries lead from it."""
    records = made.records(has_hashes=False)
    places = [place for place, (fields, _) in enumerate(records) if fields["t"] == "snapshot"]
    fields, header = records[places[0]]
    accepted = 0
    for at in range(made.snapshot.index(b"\n") + 1):
        for bit in range(8):
            body = header[:at] + bytes([header[at] ^ 1 << bit]) + header[at + 1 :]
            changed = [*records[: places[0]], (fields, body), *records[places[0] + 1 :]]
            found = read(changed)
            if found is None:
                continue
            accepted += 1
            path = written(tmp_path / "file", changed)
            with nullcontext() if found == read(records) else pytest.raises(BackupDamaged, match="t in it is damaged"):
                verify(path)
    assert accepted


@pytest.mark.parametrize("run", range(RUNS))
def test_a_backup_is_not_made_of_what_is_rotten(made: Made, tmp_path: Path, run: int) -> None:
    path = tmp_path / "file"
    writer = BackupWriter(path)
    for fields, body in rotten(random.Random(chosen_seed() + run), made.records(), "entries"):
        writer.add(dict(fields), body)
    with pytest.raises(BackupDamaged):
        writer.finish()
    writer.abandon()
    assert not list(tmp_path.glob("file*"))


def test_what_lies_before_the_damage_can_be_restored(made: Made, tmp_path: Path) -> None:
    records = made.records()
    fields, body = records[-2]
    records[-2] = fields, body.replace(b"insert", b"inzert", 1)
    path = written(tmp_path / "file", records)
    verify(path, ENTRIES - PIECE)
    with pytest.raises(BackupDamaged, match="not what was appended"):
        verify(path, ENTRIES - PIECE + 1)


@pytest.mark.parametrize("run", range(20))
def test_no_byte_of_the_file_ends_in_a_traceback(made: Made, tmp_path: Path, run: int) -> None:
    """Whatever is changed or cut: restoring raises a sentence, or makes what was backed up."""
    source = random.Random(chosen_seed() + run)
    data = bytearray(written(tmp_path / "file", made.records()).read_bytes())
    data[source.randrange(len(data))] ^= 1 << source.randrange(8)
    (tmp_path / "file").write_bytes(data[: source.choice([len(data), source.randrange(len(data))])])
    with pytest.raises(TaskFailed) as failed, backup._opened(tmp_path / "file"):
        pass
    assert str(tmp_path / "file") in str(failed.value)


def test_records_of_another_kind_are_refused(made: Made, tmp_path: Path) -> None:
    records: Records = [({"t": "points", "databases": 7}, b""), ({"t": "whole"}, b"")]
    with pytest.raises(TaskFailed, match="none of a backup's"), backup._opened(written(tmp_path / "x", records)):
        pass


def test_a_state_is_made_only_of_what_is_right(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Settings:
        limits = Limits()

    records = made.records(has_hashes=False)
    fields, body = records[-2]
    lines = body.split(b"\n")
    changed = orjson.loads(lines[3])
    changed[4] += 1
    lines[3] = orjson.dumps(changed)
    path = written(tmp_path / "file", [*records[:-2], (fields, b"\n".join(lines)), records[-1]])
    with (
        backup._opened(path) as found,
        pytest.raises(TaskFailed, match="does not lead to its end"),
        backup._made(Settings(), found, found.points[0], ENTRIES),  # type: ignore[arg-type]
    ):
        raise AssertionError("it was made")


def test_two_backups_of_one_second_have_a_file_each(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a restore replaces is kept before it, and is not written over by what the next one keeps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dirk_gevent.admin.backup.time.strftime", lambda *_: "20261129T195551Z")

    class Link:
        """The proxy, which sends a backup."""

        def __init__(self) -> None:
            self._frames = iter(made.records())
            self.said: list[dict[str, object]] = []

        def receive(self) -> dict[str, object]:
            fields, body = next(self._frames)
            return {**fields, "body": body}

        def send(self, content: dict[str, object]) -> None:
            self.said.append(content)

    for _ in range(3):
        link = Link()
        backup.keep_before(link, {"t": "keep", "database": "t"})  # type: ignore[arg-type]
        assert link.said == [{"t": "kept"}]
    assert sorted(path.name for path in tmp_path.glob("*.dirkbackup")) == [
        "t-before-restore-20261129T195551Z-2.dirkbackup",
        "t-before-restore-20261129T195551Z-3.dirkbackup",
        "t-before-restore-20261129T195551Z.dirkbackup",
    ]
