"""Each state that SHOW SERVERS can give is in the table of the page for operators."""

from __future__ import annotations

import re
from pathlib import Path

from dirk_gevent.coordinator.node_view import NodeState
from dirk_gevent.engine.status import DatabaseState

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def test_each_state_is_in_the_table() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("| state | what it means | what to do |")[2]
    rows = set(re.findall(r"^\| `(\w+)`", section.partition("\n\n")[0], re.MULTILINE))
    assert rows == set(NodeState)
    # What a node says of itself is one of the cluster's states.
    assert {str(one) for one in DatabaseState} <= {str(one) for one in NodeState} | {"dropped"}
