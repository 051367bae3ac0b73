"""Entries with how they ended, as the rules of today have it: the record that tells when the rules have changed.

    python -m tests.upgrade.entries          write the record of the rules that log/entry.py names

It holds for each list of `corpus.py` the entries' bytes, how each ended, and the content's digest after every fiftieth.
Until a release is out the record of its rules may be written anew; from then on it is fixed, and a change that makes an
entry end otherwise has new rules, whose record takes its place.
"""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import apsw
import zstandard

from dirk_gevent.config.settings import Limits
from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.entry import RULES, Entry, LoggedStatement, encode_statements, hash_statements
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from tests.upgrade.corpus import corpora

HERE = Path(__file__).parent
#: Steps after which an entry ends with 57014, and entries between two digests.
_STEPS, _DIGEST_ENTRIES = 2_000_000, 50
_START_MS = 1_700_000_000_000
_TOGETHER = 7


@dataclass(frozen=True, slots=True)
class Recorded:
    """One list: entries as bytes, how each ended (SQLSTATE, digest), and content digests by index, hex."""

    name: str
    entries: list[bytes]
    ends: list[tuple[str, str]]
    contents: dict[int, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a replay went, as `Recorded` has it."""

    ends: list[tuple[str, str]]
    contents: dict[int, str]


def path(rules: int = RULES) -> Path:
    """Where the record of some rules lies."""
    return HERE / f"rules-{rules}.json.zst"


def replay(entries: list[bytes], directory: Path) -> Ended:
    """Run entries of log 1 on an empty node."""
    engine = Engine(directory, "replay", Limits())
    engine.open()
    try:
        database = engine.create(1, "replay")
        ends: list[tuple[str, str]] = []
        contents: dict[int, str] = {}
        for first in range(0, len(entries), _DIGEST_ENTRIES):
            part = entries[first : first + _DIGEST_ENTRIES]
            ends += [(one.sqlstate, one.digest.hex()) for one in database.apply([Work.of(told) for told in part])]
            contents[database.applied_index] = database.upkeep.content_digest()[1].hex()
        return Ended(ends, contents)
    finally:
        engine.close()


def make(normalized: list[NormalizedStatement], seed: int) -> list[bytes]:
    """Entries of log 1 out of statements, some of them several to an entry, as a transaction's are."""
    chance = random.Random(seed)
    groups: list[list[NormalizedStatement]] = []
    for one in normalized:
        if groups and len(groups[-1]) < _TOGETHER and chance.random() < 1 / 10:
            groups[-1].append(one)
        else:
            groups.append([one])
    found = []
    for index, group in enumerate(groups, 1):
        statements = tuple(LoggedStatement(one) for one in group)
        time_ms = _START_MS + 1000 * index
        request_id = f"{time_ms}-{chance.getrandbits(80):020x}"
        request_hash = hash_statements(encode_statements(statements))
        entry = Entry(1, index, time_ms, chance.getrandbits(64), request_id, request_hash, statements, _STEPS)
        found.append(entry.encode())
    return found


def read(rules: int = RULES) -> tuple[str, list[Recorded]]:
    """The SQLite that a record was made with, and its lists."""
    plain = zstandard.ZstdDecompressor().decompress(path(rules).read_bytes())
    found = json.loads(plain)
    lists = [
        Recorded(
            one["name"],
            [entry.encode() for entry in one["entries"]],
            [(sqlstate, digest) for sqlstate, digest in one["ends"]],
            {int(index): digest for index, digest in one["contents"].items()},
        )
        for one in found["lists"]
    ]
    return found["sqlite"], lists


def write() -> None:
    """Write the record of today's rules."""
    lists = []
    for seed, (name, normalized) in enumerate(corpora()):
        entries = make(normalized, seed)
        with tempfile.TemporaryDirectory(prefix="entries-") as directory:
            ended = replay(entries, Path(directory))
        lists.append(
            {"name": name, "entries": [one.decode() for one in entries], "ends": ended.ends, "contents": ended.contents}
        )
    plain = json.dumps({"sqlite": apsw.sqlite_lib_version(), "lists": lists}).encode()
    path().write_bytes(zstandard.ZstdCompressor(level=19).compress(plain))


if __name__ == "__main__":
    write()
