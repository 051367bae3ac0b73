"""Where the seeds begin of plans that lead to one thing. May be imported where nothing is simulated."""

from __future__ import annotations

from enum import IntEnum

_FAMILY_SEEDS = 10_000_000_000


class Family(IntEnum):
    """What the plans lead to; the value is the first seed. Below all of them plans are drawn at large."""

    #: The link to a node is cut, or it stands still, at each step of a round; see `schedule.step_plan`.
    ROUND_STEPS = _FAMILY_SEEDS
    #: A file is edited, and clients write in the moment when it is found that the two masters disagree.
    DISPUTE = 2 * _FAMILY_SEEDS
    #: A node is drained and, as soon as it is told to be, killed, while transactions live on the nodes.
    DRAIN = 3 * _FAMILY_SEEDS
    #: The log goes back and a node does not; definitions of both histories have the same indexes.
    FOREIGN = 4 * _FAMILY_SEEDS
    #: A cache is out of reach of the log's host while others write what it serves.
    CACHE = 5 * _FAMILY_SEEDS
    #: A file is edited soon after the start, in a database that nobody writes to.
    IDLE = 6 * _FAMILY_SEEDS
