"""What the operations of a person work with."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_gevent.coordinator.appends import Appends
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.disputes import Disputes
from dirk_gevent.drains import Drains
from dirk_gevent.evidence import LogEvidence
from dirk_gevent.fences import Fences
from dirk_gevent.snapshots import SnapshotKeeper


@dataclass(frozen=True, slots=True)
class OperationParts:
    """The parts of one coordinator that dirk-admin's operations reach."""

    state: CoordinatorState
    appends: Appends
    fences: Fences
    disputes: Disputes
    evidence: LogEvidence
    rounds: SnapshotKeeper
    drains: Drains
