"""COMMIT said again while the log's disk has left open what the log holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dirk_gevent.commits import Commits
from dirk_gevent.config import Limits
from dirk_gevent.understand import Understanding
from parser.errors import SqlError


def test_nobody_is_told_that_there_was_no_commit_before_the_log_knows() -> None:
    """The entry may be in the journal, beyond the head that is told: 08007 and not 25P01."""
    log = SimpleNamespace(is_in_doubt=True)
    host: Any = SimpleNamespace(log=log)
    commits = Commits(host, Limits(), Understanding(), "proxy")
    with pytest.raises(SqlError) as told:
        commits.wait("1800000000000-0123456789abcdef")
    assert told.value.sqlstate == "08007"
    log.is_in_doubt = False
    commits.wait("1800000000000-0123456789abcdef")
