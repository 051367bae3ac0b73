"""Bugs on purpose: each takes one safeguard out of DirkDB in this process, to show that a harness would notice.

    python -P tests/disk/launch.py --mutant skip_fsync … server m1        # in a process of its own
    with mutants.applied("apply_twice"): …                                 # in this one, put back afterwards

They patch classes and modules, so they hold for what is made afterwards and for what is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import apsw
import gevent

Undo = Callable[[], None]

#: Entries whose index is a multiple of this are run twice by `apply_twice`.
TWICE_EVERY = 3
#: How long after its answer `answer_before_commit` commits.
LATE_SECONDS = 0.3


class _Patches:
    """Attributes that were replaced, and how to put them back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, made: Callable[[Any], Any]) -> None:
        """Put `made(what is there)` in the place of `owner.name`; AttributeError when nothing is there."""
        found = getattr(owner, name)
        self._before.append((owner, name, found))
        setattr(owner, name, made(found))

    def undo(self) -> None:
        """Everything as it was."""
        while self._before:
            owner, name, found = self._before.pop()
            setattr(owner, name, found)


def _skip_fsync(patches: _Patches) -> None:
    """The journal is written, never synced."""
    from dirk_gevent.log.embedded import journal

    def careless(connect: Callable[..., apsw.Connection]) -> Callable[..., apsw.Connection]:
        def opened(*words: Any) -> apsw.Connection:
            connection = connect(*words)
            connection.execute("PRAGMA synchronous=OFF")
            return connection

        return opened

    patches.set(journal, "connect", careless)


class _Forgetful(dict[str, Any]):
    """Takes everything and knows nothing."""

    def get(self, key: str, default: Any = None) -> Any:
        return default


def _drop_request_id_check(patches: _Patches) -> None:
    """A request that ran before runs again."""
    from dirk_gevent.engine import stored_records

    patches.set(stored_records, "read_requests", lambda _: lambda *_: _Forgetful())


def _apply_twice(patches: _Patches) -> None:
    """Some entries are run twice, on every node alike."""
    from dirk_gevent.engine.apply.executor import Executor
    from dirk_gevent.engine.errors.failures import DATA_ERRORS

    def twice(run: Callable[..., Any]) -> Callable[..., Any]:
        def ran(self: Executor, entry: Any, *rest: Any) -> Any:
            result = run(self, entry, *rest)
            if entry.index % TWICE_EVERY == 0 and "*" not in result.tables:
                try:
                    run(self, entry, *rest)
                except DATA_ERRORS:
                    return result
            return result

        return ran

    patches.set(Executor, "run", twice)


def _answer_before_commit(patches: _Patches) -> None:
    """Writers and followers learn of a batch before it is in the journal."""
    from dirk_gevent.log.embedded.embedded_appends import EmbeddedAppends

    def late(_: Callable[..., bool]) -> Callable[..., bool]:
        def published(self: EmbeddedAppends, stage: Any, batch: Any, may_use_reserve: bool) -> bool:
            waiting = self.__dict__.setdefault("_late_commits", [])
            waiting.append(stage.commit)
            if len(waiting) == 1:
                gevent.spawn(_commit_late, self, waiting)
            return True

        return published

    patches.set(EmbeddedAppends, "_is_committed", late)


def _commit_late(appends: Any, waiting: list[Any]) -> None:
    while waiting:
        gevent.sleep(LATE_SECONDS)
        if appends._is_closed:
            return
        appends._threads.commit(waiting[0], True)
        del waiting[0]


def _ignore_min(patches: _Patches) -> None:
    """Reads are answered from whatever state there is."""
    from dirk_gevent.proxy.server import ProxyHandler
    from dirk_gevent.server import session

    patches.set(session, "_minimum", lambda _: lambda _: {})
    patches.set(ProxyHandler, "_minimum", lambda _: lambda *_: 0)


def _skip_chain_check(patches: _Patches) -> None:
    """Whatever history a node has, it goes on at its index; nobody compares hashes, nor checks entries against them."""
    from dirk_gevent.coordinator.log_opening import LogOpening
    from dirk_gevent.log.embedded import journal
    from dirk_gevent.node import log_applier
    from dirk_gevent.node.log_applier import LogApplier
    from dirk_gevent.node.queue_items import Batch

    def trusting(open_log: Callable[..., None]) -> Callable[..., None]:
        def opened(self: Any, log_id: int) -> None:
            standings = self._hello.standings
            if log_id in standings:
                chain = self._log.reads.chain_at(log_id, standings[log_id].applied)
                standings[log_id] = replace(standings[log_id], chain=chain or standings[log_id].chain)
            open_log(self, log_id)

        return opened

    def unchecked(apply: Callable[..., Any]) -> Callable[..., Any]:
        def applied(self: Any, database: Any, batch: Batch) -> Any:
            return apply(self, database, replace(batch, chain=database.position.chain))

        return applied

    patches.set(LogOpening, "open", trusting)
    patches.set(LogApplier, "_apply_on_thread", unchecked)
    patches.set(log_applier, "check_entries", lambda _: lambda *_: None)
    patches.set(journal, "follows", lambda _: lambda *_: True)


def _skip_conflict_check(patches: _Patches) -> None:
    """A transaction's entry is run whatever has changed since: the last to commit wins."""
    from dirk_gevent.engine.apply.applier import Applier

    patches.set(Applier, "_check_reads", lambda _: lambda *_: None)


def _keep_dropped_files(patches: _Patches) -> None:
    """A database that was dropped leaves its files, and nobody ever looks for those that are left over."""
    from dirk_gevent.engine.files.data_directory import DataDirectory

    patches.set(DataDirectory, "remove", lambda _: lambda *_: None)
    patches.set(DataDirectory, "remove_orphans", lambda _: lambda *_: set())


def _ignore_notices(patches: _Patches) -> None:
    """A cache hears how far the logs are, and drops nothing of what they have changed."""
    from dirk_gevent.cache.store import Store

    def deaf(header: Callable[..., bool]) -> Callable[..., bool]:
        return lambda self, log_id, index, _: header(self, log_id, index, ())

    patches.set(Store, "header", deaf)


def _ignore_lease(patches: _Patches) -> None:
    """A cache serves what it has however long it has not heard of the log's host."""
    from dirk_gevent.cache.store import Store

    def endless(begin: Callable[..., None]) -> Callable[..., None]:
        def begun(self: Store, entries: int, _: float, *rest: Any) -> None:
            begin(self, entries, 86_400.0, *rest)
            self.lease_until = float("inf")

        return begun

    patches.set(Store, "__init__", endless)


def _ignore_fences(patches: _Patches) -> None:
    """A state that was shut out still has its say."""
    from dirk_gevent.coordinator.state import CoordinatorState

    patches.set(CoordinatorState, "is_shut_out", lambda _: lambda *_: False)


def _skip_renewal(patches: _Patches) -> None:
    """A transaction does not look whether what it has read is still so when it reads on."""
    from dirk_gevent.engine.transaction.open_transaction import Transaction

    patches.set(Transaction, "renew", lambda _: lambda _: None)


def _truncate_past_confirmed(patches: _Patches) -> None:
    """The log forgets entries that no confirmed snapshot holds."""
    from dirk_gevent.log.embedded.retention import Retention

    def to_the_head(_: Callable[..., int]) -> Callable[..., int]:
        def truncated(self: Any, log_id: int, _: int) -> int:
            log = self._state().log(log_id)
            base, total_bytes = self._head_at(log_id, log.head.index)
            self._threads.alter(self._threads.journal.rebase, log_id, base, total_bytes)
            log.row = replace(log.row, base=base, base_total_bytes=total_bytes)
            self.discard(log_id)
            return int(base.index) + 1

        return truncated

    patches.set(Retention, "truncate", to_the_head)


def _answer_disputed(patches: _Patches) -> None:
    """Writes are taken, and their writers told, while masters disagree."""
    from dirk_gevent.coordinator.outcomes import LogOutcomes
    from dirk_gevent.coordinator.write_blocks import WriteBlocks

    patches.set(WriteBlocks, "check", lambda _: lambda *_: None)
    patches.set(LogOutcomes, "dispute", lambda _: lambda *_: None)


def _drain_at_once(patches: _Patches) -> None:
    """A node counts as drained whatever still runs there."""
    from dirk_gevent.coordinator.cluster import Cluster

    patches.set(Cluster, "under_way", lambda _: lambda *_: (0, 0))


def _keep_plans(patches: _Patches) -> None:
    """A state that takes another's place has its plans, and definitions of one index count as the same."""
    from dirk_gevent.engine.database_file import DatabaseFile
    from dirk_parser.schema.schema import Schema

    def heir(state_at: Callable[..., Any]) -> Callable[..., Any]:
        def made(self: Any, *words: Any) -> Any:
            state, before = state_at(self, *words), self.__dict__.get("committed")
            if before is not None:
                state.plans, state.profiles = before.plans, before.profiles
            return state

        return made

    patches.set(DatabaseFile, "state_at", heir)
    patches.set(Schema, "serial", lambda _: property(lambda schema: schema.version, lambda *_: None))


_MUTANTS: dict[str, Callable[[_Patches], None]] = {
    "skip_fsync": _skip_fsync,
    "drop_request_id_check": _drop_request_id_check,
    "apply_twice": _apply_twice,
    "answer_before_commit": _answer_before_commit,
    "ignore_min": _ignore_min,
    "skip_chain_check": _skip_chain_check,
    "skip_conflict_check": _skip_conflict_check,
    "keep_dropped_files": _keep_dropped_files,
    "ignore_notices": _ignore_notices,
    "ignore_lease": _ignore_lease,
    "ignore_fences": _ignore_fences,
    "skip_renewal": _skip_renewal,
    "truncate_past_confirmed": _truncate_past_confirmed,
    "answer_disputed": _answer_disputed,
    "drain_at_once": _drain_at_once,
    "keep_plans": _keep_plans,
}

#: Every mutant there is.
NAMES = tuple(_MUTANTS)


def apply(name: str) -> Undo:
    """Take the safeguard called `name` out; what is returned puts it back. KeyError for a name not in `NAMES`."""
    patches = _Patches()
    _MUTANTS[name](patches)
    return patches.undo


@contextmanager
def applied(name: str) -> Iterator[None]:
    """`apply` for the body of a `with`."""
    undo = apply(name)
    try:
        yield
    finally:
        undo()
