"""Where a database stands in its log."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_gevent.engine.compiler import CompiledSchema


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
