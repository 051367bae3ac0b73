"""The parts that a person's operations work with."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_gevent.coordinator.appends import Appends
from dirk_gevent.coordinator.divergence.copied_log_check import CopiedLogCheck
from dirk_gevent.coordinator.divergence.digest_rounds import DigestRounds
from dirk_gevent.coordinator.divergence.fences import Fences
from dirk_gevent.coordinator.divergence.resolver import DivergenceResolver
from dirk_gevent.coordinator.drains import Drains
from dirk_gevent.coordinator.state import CoordinatorState


@dataclass(frozen=True, slots=True)
class OperationParts:
    """The parts of one coordinator that dirk-admin's operations reach."""

    state: CoordinatorState
    appends: Appends
    fences: Fences
    resolver: DivergenceResolver
    evidence: CopiedLogCheck
    rounds: DigestRounds
    drains: Drains
