"""What blocks a log: several things may at once, and it takes writes when the last of them is over."""

from __future__ import annotations

from random import Random, SystemRandom

from dirk_gevent.conflicts import Cause, Status
from dirk_gevent.host import LogHost
from parser.errors import SqlError
from tests.service.fake_node import append, blocking

KEYS = ("log_older_than_node", "masters_disagree", "restoring", "skipping")
STEPS = 300


def is_blocked(host: LogHost, log_id: int) -> bool:
    """Whether a write to it is refused."""
    try:
        host.disputes.check(log_id)
    except SqlError:
        return True
    return False


def test_a_log_takes_writes_when_and_only_when_nothing_blocks_it(host: LogHost) -> None:
    seed = SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    chance = Random(seed)
    there: set[tuple[int | None, str]] = set()
    for _ in range(STEPS):
        log_id, key = chance.choice((None, 0, 1)), chance.choice(KEYS)
        if chance.random() < 0.5:
            host.disputes.block(log_id, SqlError(key))
            there.add((log_id, key))
        else:
            host.disputes.unblock(log_id, key)
            there.discard((log_id, key))
        for one in (0, 1, 2):
            keys = {key for about, key in there if about in (one, None)}
            assert is_blocked(host, one) == bool(keys)
            error = host.disputes.undecided(one)
            assert (error is None) == (not keys - {"restoring"})
            assert (host.disputes.lacking(one) is None) == ("log_older_than_node" not in keys)


def test_what_a_person_decides_about_masters_decides_nothing_about_the_log(host: LogHost) -> None:
    append(host, 2)
    host.evidence.is_older("m2", 1, (2, 9), None)
    host.disputes.block(1, SqlError("dispute_undecided", index=2, name="a"))
    host.disputes.settled_by(1, "m1")
    assert blocking(host).key == "log_older_than_node"
    assert [one.cause for one in host.book.having(Status.UNDECIDED)] == [Cause.OLDER_LOG]
