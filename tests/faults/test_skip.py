"""An entry that masters cannot apply: `dirk-admin skip` gets them past it, or has the one outcome there is count."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, message, wait_for
from tests.faults.operating import admin
from tests.faults.writing import level, prepare, request_id, states, table
from tests.hooks import hooked

BOTH = ("m1", "m2")
WAIT_SECONDS = 30.0
#: Imported by each of the cluster's Pythons at its start: a node named in `stuck` meets an error that nobody foresaw
#: before it runs any entry that inserts the number 666; one in `slow` works at it for long, one in `deadly` dies,
#: as does the process that tries a suspected entry out.
_HOOK = '''
import sys
from pathlib import Path

is_trial = "dirk_gevent.engine.apply.trial" in sys.orig_argv
if "server" in sys.orig_argv or is_trial:
    import os, time
    from dirk_gevent.engine.apply.applier import Applier

    node = "" if is_trial else sys.orig_argv[sys.orig_argv.index("server") + 1]
    run = Applier._entry

    def broken(self, batch, entry, exact, refused):
        if refused is None and any(666 in statement.normalized.literals for statement in entry.statements):
            deadly = Path({deadly!r}).read_text().split()
            if node in deadly or (is_trial and deadly):
                os.abort()
            if node in Path({stuck!r}).read_text().split():
                raise StopIteration
            while node in Path({slow!r}).read_text().split():
                time.sleep(0.1)
        return run(self, batch, entry, exact, refused)

    Applier._entry = broken
'''


class Hook:
    """Which nodes cannot apply the entry."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._stuck, self._slow, self._deadly = (directory / name for name in ("stuck", "slow", "deadly"))
        directory.mkdir()
        text = _HOOK.format(stuck=str(self._stuck), slow=str(self._slow), deadly=str(self._deadly))
        self.environ = hooked(directory, text)
        self.set()

    def set(self, stuck: tuple[str, ...] = (), slow: tuple[str, ...] = (), deadly: tuple[str, ...] = ()) -> None:
        """From now on these are stuck, those slow, and the last die in it."""
        self._deadly.write_text(" ".join(deadly), encoding="utf-8")
        self._stuck.write_text(" ".join(stuck), encoding="utf-8")
        self._slow.write_text(" ".join(slow), encoding="utf-8")


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    """Nobody is stuck yet."""
    return Hook(tmp_path / "hook")


@pytest.fixture
def cluster(tmp_path: Path, hook: Hook) -> Iterator[Cluster]:
    """Two masters and a proxy, with the rows (1, 0) and (1, 1) in `u` of `t`: entries 2 and 3 of its log."""
    found = Cluster(tmp_path / "site", environ=hook.environ, settings=_SETTINGS)
    try:
        found.start(*BOTH, "proxy")
        prepare(found)
        for n in range(2):
            assert "(1)" in insert(found, n)
        level(found, *BOTH)
        yield found
    finally:
        found.close()


_SETTINGS = {"limits": {"waitMs": 1500, "statementSeconds": 5.0}}


def insert(cluster: Cluster, n: int, chosen: str | None = None) -> str:
    """Insert (1, n) through the proxy; the message."""
    metadata = '{"db":"t"}' if chosen is None else f'{{"db":"t","id":"{chosen}"}}'
    return message(cluster.ask("proxy", f"/*dirk {metadata}*/ manampia ao@ u (w, n) sanda (1, {n});"))


def await_stuck(cluster: Cluster, *nodes: str) -> None:
    """Wait until these nodes say that they cannot go on."""
    wait_for(
        lambda: all(states(cluster, "t").get(node) == "stalled" for node in nodes), WAIT_SECONDS, f"{nodes} stalled"
    )


def numbers(cluster: Cluster, node: str, database: str = "t") -> list[int]:
    """The n of all rows."""
    return sorted(n for _, n in table(cluster, node, database))


def poison(cluster: Cluster) -> str:
    """Insert 666; the message."""
    return insert(cluster, 666)


@pytest.mark.slow
def test_an_entry_that_no_master_can_apply_is_skipped_for_good(cluster: Cluster, hook: Hook, tmp_path: Path) -> None:
    hook.set(stuck=BOTH)
    assert "(08007)" in poison(cluster)
    await_stuck(cluster, *BOTH)
    assert "add --yes" in admin(cluster, "skip", "t", "4", status=1)
    assert "has applied entry 3" in admin(cluster, "skip", "t", "3", "--yes", status=1)
    cluster.kill("m2")
    wait_for(lambda: states(cluster, "t")["m2"] == "down", WAIT_SECONDS, "m2 down")
    assert "m2 is not connected" in admin(cluster, "skip", "t", "4", "--yes", status=1)
    cluster.start("m2", ready=False)
    await_stuck(cluster, *BOTH)
    assert "holds the entries 1 to 4, not 5" in admin(cluster, "skip", "t", "5", "--yes", status=1)
    assert "entry 4 of t is skipped" in admin(cluster, "skip", "t", "4", "--yes")
    assert "(1)" in insert(cluster, 7)
    level(cluster, *BOTH)
    assert "All" in admin(cluster, "verify")
    _check_replays(cluster, hook, tmp_path)


def _check_replays(cluster: Cluster, hook: Hook, tmp_path: Path) -> None:
    """Whoever replays the log ends the entry so, also where it could be run now."""
    file = tmp_path / "kept.dirkbackup"
    hook.set()
    admin(cluster, "backup", str(file))
    admin(cluster, "restore", "--from", str(file), "--database", "t", "--as", "again")
    admin(cluster, "restore", "t", "--to-index", "5", "--as", "before")
    cluster.kill("m2")
    shutil.rmtree(cluster.data_directory("m2"))
    cluster.stop("proxy")
    cluster.start("proxy", "m2")
    level(cluster, *BOTH)
    for node in BOTH:
        for database in ("t", "again", "before"):
            assert numbers(cluster, node, database) == [0, 1, 7]
    assert "All" in admin(cluster, "verify")


def test_the_writer_hears_how_it_ended(cluster: Cluster, hook: Hook) -> None:
    """Said again under its id the write gets the recorded end, and does nothing."""
    chosen = request_id()
    hook.set(stuck=BOTH)
    assert "(08007)" in insert(cluster, 666, chosen)
    await_stuck(cluster, *BOTH)
    admin(cluster, "skip", "t", "4", "--yes")
    hook.set()
    assert "(XX000)" in insert(cluster, 666, chosen)
    level(cluster, *BOTH)
    assert [numbers(cluster, node) for node in BOTH] == [[0, 1], [0, 1]]


def test_where_one_master_has_applied_it_that_outcome_counts(cluster: Cluster, hook: Hook) -> None:
    hook.set(stuck=("m1",))
    assert "(1)" in poison(cluster)
    await_stuck(cluster, "m1")
    assert "m2 has applied entry 4" in admin(cluster, "skip", "t", "4", "--yes")
    level(cluster, *BOTH)
    assert [numbers(cluster, node) for node in BOTH] == [[0, 1, 666], [0, 1, 666]]
    assert "(1)" in insert(cluster, 7)
    level(cluster, *BOTH)
    assert "no master is stuck" in admin(cluster, "skip", "t", "4", "--yes", status=1)


@pytest.mark.slow
def test_an_entry_that_a_master_is_at_work_on_is_not_skipped(cluster: Cluster, hook: Hook) -> None:
    hook.set(stuck=("m1",), slow=("m2",))
    assert "(08007)" in poison(cluster)
    await_stuck(cluster, "m1")
    assert "m2 is at work on t" in admin(cluster, "skip", "t", "4", "--yes", status=1)
    hook.set()
    wait_for(lambda: numbers(cluster, "m2") == [0, 1, 666], WAIT_SECONDS, "m2 to have ended the entry")


@pytest.mark.slow
def test_an_entry_that_kills_whoever_tries_it_is_skipped_too(cluster: Cluster, hook: Hook) -> None:
    """Restarted again and again, as a supervisor would, the nodes stop at it; then a person has it skipped."""
    hook.set(deadly=BOTH)
    assert "(1)" not in poison(cluster)

    def is_over() -> bool:
        for node in BOTH:
            if not cluster.processes[node].is_running():
                cluster.start(node, ready=False)
        return all(states(cluster, "t").get(node) == "stalled" for node in BOTH)

    wait_for(is_over, 2 * WAIT_SECONDS, "both nodes to stop at the entry")
    assert "entry 4 of t is skipped" in admin(cluster, "skip", "t", "4", "--yes")
    assert "(1)" in insert(cluster, 7)
    level(cluster, *BOTH)
    assert [numbers(cluster, node) for node in BOTH] == [[0, 1, 7], [0, 1, 7]]


@pytest.mark.slow
@pytest.mark.parametrize("chosen", BOTH)
def test_a_rebuilt_log_keeps_an_entry_skipped(cluster: Cluster, hook: Hook, chosen: str) -> None:
    """The log is lost after the skip, while m2 is not past it. Whichever node it is made from, nobody ever runs the
    entry: its writer, who says it again, hears XX000 where its end is known, and all nodes end equal."""
    request = request_id()
    hook.set(stuck=BOTH)
    assert "(08007)" in insert(cluster, 666, request)
    await_stuck(cluster, *BOTH)
    admin(cluster, "skip", "t", "4", "--yes")
    assert "(1)" in insert(cluster, 7)
    level(cluster, *BOTH)
    cluster.stop("m2")
    assert "(1)" in insert(cluster, 8)
    hook.set()
    cluster.stop("m1", "proxy")
    shutil.rmtree(cluster.directory / "data" / "log")
    rows, words = ([0, 1, 7, 8], ("--yes",)) if chosen == "m1" else ([0, 1, 7], ("--yes-lose", "1"))
    admin(cluster, "rebuild-log", "--from", chosen, *words)
    cluster.start(*BOTH, "proxy")
    wait_for(lambda: "(XX000)" in insert(cluster, 666, request), WAIT_SECONDS, "the recorded end")
    assert "(1)" in insert(cluster, 9)
    level(cluster, *BOTH)
    assert [numbers(cluster, node) for node in BOTH] == [[*rows, 9], [*rows, 9]]
    assert "All" in admin(cluster, "verify")


@pytest.mark.slow
def test_a_log_rebuilt_before_a_skipped_entry_does_not_skip_what_comes_in_its_place(
    cluster: Cluster, hook: Hook
) -> None:
    """No node has got past the entry when the log is lost: it is gone with it, and its index is another entry's."""
    hook.set(stuck=BOTH)
    assert "(08007)" in poison(cluster)
    await_stuck(cluster, *BOTH)
    cluster.stop(*BOTH, "proxy")
    shutil.rmtree(cluster.directory / "data" / "log")
    admin(cluster, "rebuild-log", "--from", "m1", "--yes")
    hook.set()
    cluster.start(*BOTH, "proxy")
    wait_for(lambda: "(1)" in insert(cluster, 7), WAIT_SECONDS, "the new log to take a write")
    level(cluster, *BOTH)
    assert [numbers(cluster, node) for node in BOTH] == [[0, 1, 7], [0, 1, 7]]
    assert "All" in admin(cluster, "verify")
