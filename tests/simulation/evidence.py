"""What the simulation says when it finds a bug on purpose: the promise that is broken, in a checker's words.

A crash, an exception, a run that does not end: they are no evidence, since they would be there whatever was promised.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.simulation.families import Family

#: How sentences begin that name no promise.
_UNNAMED = ("stuck", "an unexpected failure", "the simulation ")

_LOST = ("is not in the log", "is lost:")
_HISTORY = ("has another history",)
_TWICE = ("where the log says", "the log says", "was told two outcomes", "its place in the log says")

#: For each mutant of `tests.mutants` the words of a sentence that names what it breaks.
EVIDENCE: dict[str, tuple[str, ...]] = {
    "skip_fsync": _LOST,
    "answer_before_commit": _LOST,
    "drop_request_id_check": _TWICE,
    "apply_twice": _TWICE,
    "ignore_min": ("must not be older than",),
    "skip_chain_check": _HISTORY,
    "skip_conflict_check": _TWICE,
    "skip_renewal": ("and committed at",),
    "ignore_fences": ("was not found",),
    "truncate_past_confirmed": ("has forgotten",),
    "answer_disputed": ("while masters disagreed",),
    "drain_at_once": ("with a drained node",),
    "ignore_lease": ("past the cache's lease",),
    "ignore_notices": ("must not be older than",),
    "keep_plans": ("answers read_shape with",),
    "keep_dropped_files": ("has files of",),
}

#: The seeds at which the hunt for a mutant begins, where plans of a family lead to what it breaks.
FIRST_SEEDS: dict[str, int] = {
    "ignore_fences": Family.ROUND_STEPS,
    "answer_disputed": Family.DISPUTE,
    "drain_at_once": Family.DRAIN,
    "skip_chain_check": Family.FOREIGN,
    "keep_plans": Family.FOREIGN,
    "ignore_lease": Family.CACHE,
    "ignore_notices": Family.CACHE,
}


def named(mutant: str, wrong: Iterable[str]) -> list[str]:
    """The sentences among `wrong` that name the promise which the mutant breaks."""
    words = EVIDENCE[mutant]
    judged = (text for text in wrong if not text.startswith(_UNNAMED))
    return [text for text in judged if any(word in text for word in words)]
