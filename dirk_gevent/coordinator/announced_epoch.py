"""The epoch of the log, as the log announces it to one node over one connection."""

from __future__ import annotations

from dirk_gevent.coordinator.link_parts import LinkParts
from dirk_gevent.replication.frame_types import Hello


class AnnouncedEpoch:
    """The epoch that is announced to a node: none as long as what the node has from another may still have to speak.

    `is_settled` is set once it is settled where the node goes on in each log.
    """

    def __init__(self, parts: LinkParts, hello: Hello) -> None:
        self._evidence = parts.evidence
        self._log = parts.state.log
        self._databases = parts.state.cluster.nodes[hello.node].databases
        self._hello = hello
        #: A person's rebuild replaced the log that this node followed: what it has beyond is kept aside, not obeyed.
        self.is_from_predecessor = parts.evidence.is_given_up(hello)
        self._speaks_against = False
        self.is_settled = False

    def check_hello(self) -> None:
        """Find out whether the node may know more than this log."""
        self._speaks_against = self._evidence.speaks_against(self._hello)

    @property
    def current(self) -> bytes:
        """The epoch to announce now; b"" for none."""
        is_given_up = self.is_from_predecessor and self.is_settled and not self._databases.fenced
        return b"" if self._speaks_against and not is_given_up else self._log.epochs.current
