"""Sessions of the freshness play, and what each of their requests needed when it was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.service.freshness_model import NO_ROW, History, Standing, Value, needed
from tests.service.small_cluster import NODES, Answered, SmallClient, SmallCluster

#: These have sessions begin with what is known.
BEGINNING = ("proxy", "cache")
#: Level, `min`, and the metadata that say so.
Demands = tuple[str, dict[int, int], dict[str, Any]]


class Visitor:
    """A session under test: its connection, what it has been told, which database it has chosen."""

    def __init__(self, cluster: SmallCluster, part: str, carried: dict[int, int]) -> None:
        self.client = SmallClient(cluster, part)
        self.part = part
        self.standing = Standing()
        #: What it has seen over connections before this one, which it says with each request.
        self.carried = carried
        self.has_chosen = False


class Asked:
    """One request of a session and its answer, with what it needed when it was asked."""

    def __init__(
        self,
        cluster: SmallCluster,
        history: History,
        known: Mapping[int, int],
        visitor: Visitor,
        text: str,
        table: str,
        level: str,
        least: dict[int, int],
        fields: dict[str, Any],
    ) -> None:
        self.table, self.level, self.least = table, level, least
        self.known = dict(known)
        self.most_known = {log: cluster.host.requests.sessions.known_index(log) for log in (0, *history.states)}
        self._begins = visitor.part in BEGINNING
        self._seen, self._may_have_seen = dict(visitor.standing.low), dict(visitor.standing.high)
        self._begun = set(visitor.standing.begun)
        self.current = history.names[-1]
        self.place = f"{visitor.part} {text} {json.dumps(fields)}"
        self.could_be_answered = self._could_be_answered(cluster, history, visitor)
        self.answer: Answered = visitor.client.ask(text, **fields)

    def least_index(self, log: int) -> int:
        """What the state must have reached in a log."""
        seen = dict(self._seen)
        if self._begins and log and log not in self._begun:
            seen[log] = max(seen.get(log, 0), self.known.get(log, 0))
        return needed(seen, self.least, self.level, log, self.known)

    def most_index(self, log: int) -> int:
        """The most that may have been needed of a log."""
        seen = dict(self._may_have_seen)
        if self._begins and log and log not in self._begun:
            seen[log] = max(seen.get(log, 0), self.most_known.get(log, 0))
        return needed(seen, self.least, self.level, log, self.most_known)

    def needs(self) -> dict[int, int]:
        """What was needed of each log that is known of, for a failure's report."""
        return {log: self.least_index(log) for log in self.most_known}

    def _could_be_answered(self, cluster: SmallCluster, history: History, visitor: Visitor) -> bool:
        """Whether a state is there that surely satisfies it, and nothing has to be waited for."""
        names = history.names
        if not self._begins and self.level != "strong":
            node = cluster.nodes[visitor.part]
            log = names[node.engine.enacted_index]
            is_named = node.engine.enacted_index >= self.most_index(0)
            return is_named and (log is None or node.applied(log) >= self.most_index(log))
        if (log := names[-1]) is None:
            return True
        # Whom the proxy knows to be there is asked first.
        applied = [cluster.nodes[name].applied(log) for name in NODES]
        views = [cluster.host.state.cluster.nodes[name].progress.applied.get(log, -1) for name in NODES]
        fresh = [at for at in views if at >= self.most_index(log)]
        known = cluster.host.state.outcomes.of(log).known.outcome_index
        return bool(fresh) and (self.level != "strong" or max(applied) <= known)


def value_of(answer: Answered) -> Value:
    """What the only cell of an answer holds, or the SQLSTATE."""
    if answer.sqlstate:
        return answer.sqlstate
    assert answer.rows is not None
    return answer.rows[0][0] if answer.rows else NO_ROW
