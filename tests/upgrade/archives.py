"""The archives in this folder, each with what was acknowledged, as clusters that this build starts."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from tests.cluster import Cluster

HERE = Path(__file__).parent
Rows = set[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Record:
    """What a release left: rows (writer, number) of `rows` that were acknowledged, and those nobody was told of.

    `defined` are definitions that it took in the database of that name; `told` is a request there (its id and text)
    and the rows that it was answered with. Archives of 2.0.0 have neither.
    """

    release: str
    rows: dict[str, Rows]
    unsure: dict[str, Rows]
    masters: tuple[str, ...]
    replicas: tuple[str, ...]
    open: tuple[str, ...]
    defined: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes."""
        return (*self.masters, *self.replicas)

    @property
    def decided(self) -> list[str]:
        """The databases without an open conflict."""
        return [name for name in self.rows if name not in self.open]


def archives() -> list[Path]:
    """One archive a release, oldest first."""
    return sorted(HERE.glob("*.tar.zst"))


def extract(tar: tarfile.TarFile, target: Path) -> None:
    """Write an archive's files into `target`."""
    # Python 3.11.2 has no filters yet; later ones warn without one.
    tar.extraction_filter = getattr(tarfile, "data_filter", None)
    tar.extractall(target)


def unpack(archive: Path, target: Path) -> Record:
    """Write the archive's directories into `target`."""
    with (
        archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as tar,
    ):
        extract(tar, target)
    found = json.loads((target / "record.json").read_text(encoding="utf-8"))
    rows, unsure = (
        {name: {(writer, number) for writer, number in listed} for name, listed in found[key].items()}
        for key in ("rows", "unsure")
    )
    return Record(
        found["release"],
        rows,
        unsure,
        tuple(found["masters"]),
        tuple(found["replicas"]),
        tuple(found["open"]),
        tuple(found.get("defined", ())),
        found.get("told", {}),
    )


def cluster_of(archive: Path, directory: Path) -> tuple[Cluster, Record]:
    """A cluster of this build on the archive's directories, not started yet."""
    record = unpack(archive, directory / "data")
    return Cluster(directory, record.masters, record.replicas), record
