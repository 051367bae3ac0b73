"""The parts that all links to nodes work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dirk_gevent.coordinator.divergence.copied_log_check import CopiedLogCheck
from dirk_gevent.coordinator.divergence.digest_rounds import DigestRounds
from dirk_gevent.coordinator.divergence.fences import Fences
from dirk_gevent.coordinator.divergence.log_integrity import LogIntegrity
from dirk_gevent.coordinator.entry_frames import EntryFrames
from dirk_gevent.coordinator.older_entries import OlderEntries
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.engine.results import Outcome


class NodeEvents(Protocol):
    """The events that a link tells of its node."""

    def applied(self, node: str, log_id: int, index: int) -> None:
        """The node has applied a log up to `index`."""

    def outcomes_came(self, node: str, log_id: int, outcomes: Sequence[Outcome]) -> None:
        """The node told how entries ended."""

    def node_beat(self, node: str, frame: Mapping[str, Any]) -> None:
        """The node's heartbeat."""

    def damaged(self, node: str, log_id: int, index: int) -> None:
        """The node can't read its file of a log any more."""

    def unreported_index(self, node: str, log_id: int, applied: int) -> int:
        """From which index on the node's word on outcomes is still needed."""


@dataclass(frozen=True, slots=True)
class LinkParts:
    """The parts that all links of one coordinator work with. `entry_frames`: nodes that are level get the same
    bytes."""

    state: CoordinatorState
    evidence: CopiedLogCheck
    fences: Fences
    integrity: LogIntegrity
    older: OlderEntries
    rounds: DigestRounds
    entry_frames: EntryFrames
    reports: NodeEvents
