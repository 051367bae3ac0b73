"""Where a database stands in its log, and what state its node keeps it in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dirk_gevent.engine.compiler import CompiledSchema


class NodeState(StrEnum):
    """What a node does with one database."""

    LIVE = "live"
    STALLED = "stalled"
    SEEDING = "seeding"


@dataclass(frozen=True, slots=True)
class Position:
    """One committed state of a database, published in one assignment.

    `index`: last applied entry (0: none); `chain`: chain hash there; `time_ms`: log time there; `schema`: the
    objects at that index.
    """

    index: int
    chain: bytes
    time_ms: int
    schema: CompiledSchema
