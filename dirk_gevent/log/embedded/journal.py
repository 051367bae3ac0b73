"""The embedded log's journal: one append-only SQLite file for all databases, so that all share its fsyncs.

Everything here blocks in C and belongs on a native thread. `Journal` is the one connection that writes;
`JournalView` is a connection that reads or checkpoints beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw

from dirk_gevent.log.embedded.journal_file import (
    ALTERED,
    MAX_INDEX,
    SCHEMA,
    blob,
    check_format,
    checkpoint,
    claim,
    connect,
    contents,
    damaged,
    entry_values,
    fetch,
    follows,
    initialise,
    log_values,
    position,
    put_snapshot,
    request_values,
)
from dirk_gevent.log.embedded.journal_rows import FoundSnapshot, JournalCommit, JournalContents, RequestRow
from dirk_gevent.log.entry import DatabaseChange
from dirk_gevent.log.epochs import DISOWNED, EPOCH_BYTES, heads_text, write_epoch
from dirk_gevent.log.records import Chunk, EntriesGoneError, Head, LogDamagedError
from dirk_parser.errors import SqlError

#: Entries deleted in one transaction, so that appends wait only for a short one.
STEP_ENTRIES = 500


class Journal:
    """The connection that writes. One thread at a time; not before `open`, and after `close` only `open`.

    `vfs` names an apsw VFS, for tests that break the disk.
    """

    def __init__(self, directory: Path, vfs: str | None = None) -> None:
        self._directory = directory
        self._vfs = vfs
        self._connection: apsw.Connection | None = None
        #: Pages in the WAL after the last commit.
        self.wal_pages = 0
        #: This opening's epoch (see `epochs`); written with the first entry that it appends.
        self.epoch = secrets.token_bytes(EPOCH_BYTES)
        self._heads_before: str | None = None
        #: Whether this opening is known to have appended anything, durably.
        self.has_begun = False

    def open(self) -> JournalContents:
        """Opens or makes the journal and reads it; SqlError `log_damaged` when its entries do not hang
        together.
        """
        try:
            connection = self._connection = connect(self._directory, self._vfs)
            connection.set_wal_hook(self._note_wal)
            check_format(connection, self._directory)
            with self._transaction():
                connection.execute(SCHEMA)
                initialise(connection, self._directory)
            # What a failed commit left in the WAL may only be in the kernel's cache: written again, it is on the disk.
            self._move_wal(apsw.SQLITE_CHECKPOINT_TRUNCATE)
            held = contents(connection, self._directory)
            is_begun = any(epoch == self.epoch for epoch, _ in held.epochs)
            self._heads_before = None if is_begun else heads_text(held.heads())
            self.has_begun = is_begun
            return held
        except (apsw.NotADBError, apsw.CorruptError) as error:
            self.close()
            raise damaged(self._directory, str(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connection (SQLite checkpoints when it is the last). Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(True)

    def claim(self) -> None:
        """Has the journal know the file that it lies in now as its own."""
        with self._transaction() as connection:
            claim(connection, self._directory)

    @contextmanager
    def _appending(self) -> Iterator[apsw.Connection]:
        """A transaction of what nodes may hear of in this opening's epoch, which begins with the first of them."""
        with self._transaction() as connection:
            if self._heads_before is not None:
                write_epoch(connection, self.epoch, self._heads_before)
            yield connection
        self._heads_before, self.has_begun = None, True

    def disown_epoch(self, epoch: bytes) -> None:
        """Notes an epoch that is not this log's, and counts for nothing: a person decided so."""
        with self._appending() as connection:
            # That one may be the log's last, in which no node may be told of heads any more.
            write_epoch(connection, epoch, DISOWNED)

    def commit(self, commit: JournalCommit) -> None:
        """Writes all of it durably, or raises apsw.Error; only apsw.FullError says that nothing was written."""
        with self._appending() as connection:
            connection.executemany("INSERT INTO entries VALUES (?,?,?,?,?)", map(entry_values, commit.entries))
            if commit.requests:
                self._write_changes(connection, commit)

    def checkpoint(self) -> None:
        """Moves the WAL into the file, so that the next commit begins it anew; leaves the rest for later when a reader
        is in the way.
        """
        self._move_wal(apsw.SQLITE_CHECKPOINT_RESTART)

    def _move_wal(self, mode: int) -> None:
        if self._connection is not None and checkpoint(self._connection, mode):
            self.wal_pages = 0

    def rebase(self, log_id: int, base: Head, base_total_bytes: int) -> None:
        """Has a log begin behind `base`; the entries up to there count no more, and `discard_step` deletes them."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE logs SET base_index=?, base_chain=?, base_time_ms=?, base_total_bytes=? WHERE log_id=?",
                (base.index, base.chain, base.time_ms, base_total_bytes, log_id),
            )

    def mend_chain(self, log_id: int, index: int, chained: bytes) -> None:
        """Puts right the chain hash of an entry whose own was found damaged."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE entries SET chain=? WHERE position=?", (chained, position(log_id, index))
            )

    def forget_step(self, log_id: int) -> bool:
        """Deletes some of a sealed log's entries; when none is left its row and snapshots' rows too, and is
        True.
        """
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM entries WHERE position IN "
                "(SELECT position FROM entries WHERE position BETWEEN ? AND ? LIMIT ?)",
                (position(log_id, 0), position(log_id, MAX_INDEX), STEP_ENTRIES),
            )
            if connection.changes() == STEP_ENTRIES:
                return False
            connection.execute("DELETE FROM snapshots WHERE log_id=?", (log_id,))
            connection.execute("DELETE FROM skips WHERE log_id=?", (log_id,))
            connection.execute("DELETE FROM logs WHERE log_id=?", (log_id,))
        return True

    def skip(self, log_id: int, index: int) -> None:
        """Records durably that an entry is skipped."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO skips VALUES (?,?)", (log_id, index))

    def adopt(self, snapshot: FoundSnapshot, base: Head) -> None:
        """Records a snapshot as where its log begins from now on, in place of all earlier ones.

        SqlError `snapshot_refused` when an entry has that place: one whose writer was told that nobody knows.
        """
        log_id = snapshot.info.log_id
        with self._appending() as connection:
            taken = position(log_id, base.index), position(log_id, MAX_INDEX)
            if fetch(connection, "SELECT 1 FROM entries WHERE position BETWEEN ? AND ? LIMIT 1", taken):
                reason = "an entry has that place"
                raise SqlError("snapshot_refused", log_id=log_id, index=base.index, reason=reason)
            connection.execute(
                "UPDATE logs SET base_index=?, base_chain=?, base_time_ms=?, base_total_bytes=? WHERE log_id=?",
                (base.index, base.chain, base.time_ms, snapshot.total_bytes, log_id),
            )
            connection.execute("DELETE FROM snapshots WHERE log_id=?", (log_id,))
            put_snapshot(connection, snapshot)

    def discard_step(self, log_id: int, upto: int) -> bool:
        """Deletes some of the entries up to `upto`, which lie before their log's base; True when none is left."""
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM entries WHERE position IN "
                "(SELECT position FROM entries WHERE position BETWEEN ? AND ? LIMIT ?)",
                (position(log_id, 0), position(log_id, upto), STEP_ENTRIES),
            )
            return connection.changes() < STEP_ENTRIES

    def put_snapshot(self, snapshot: FoundSnapshot) -> None:
        """Records a snapshot whose file is durable, or its confirmation."""
        with self._transaction() as connection:
            put_snapshot(connection, snapshot)

    def delete_snapshots(self, log_id: int, indexes: list[int]) -> None:
        """Takes snapshots off the record; their files may go afterwards."""
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM snapshots WHERE log_id=? AND idx=?", ((log_id, index) for index in indexes)
            )

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        connection = self._connection
        if connection is None:
            raise apsw.ConnectionClosedError("the journal is not open")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _note_wal(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.wal_pages = pages
        return apsw.SQLITE_OK

    @staticmethod
    def _write_changes(connection: apsw.Connection, commit: JournalCommit) -> None:
        connection.executemany("INSERT INTO logs VALUES (?,?,?,?,?,?,?,?,?)", map(log_values, commit.created))
        connection.executemany(
            "UPDATE logs SET sealed_at=?, sealed_ms=? WHERE log_id=?",
            ((row.sealed_at, row.sealed_ms, row.log_id) for row in commit.sealed),
        )
        connection.executemany("INSERT INTO requests VALUES (?,?,?,?,?,?)", map(request_values, commit.requests))
        if commit.expired_upto > 0:
            expired = commit.expired_upto, commit.expired_before
            connection.execute("DELETE FROM requests WHERE idx <= ? AND request_id < ?", expired)


class JournalView:
    """A connection beside the writer, opened when first used. One thread at a time."""

    def __init__(self, directory: Path, vfs: str | None = None) -> None:
        self._directory = directory
        self._vfs = vfs
        self._opened: apsw.Connection | None = None

    def close(self) -> None:
        """Closes the connection; the next call opens another. Safe to call twice."""
        connection, self._opened = self._opened, None
        if connection is not None:
            connection.close(True)

    def chunk(self, log_id: int, after_index: int, base: Head, upto: int, max_bytes: int) -> Chunk:
        """Entries after `after_index`, up to index `upto`, at least one, else no more than `max_bytes`, each checked.

        `base` is the log's. Raises EntriesGoneError when the first is not there, LogDamagedError when it is not what
        its chain hash stands for. One that is damaged further on ends the chunk.
        """
        before = base.chain
        with _damage(log_id, after_index + 1):
            if after_index != base.index:
                before_it = self.head_at(log_id, after_index)
                if before_it is None:
                    raise EntriesGoneError(log_id, base.index + 1)
                before = before_it[0].chain
            entries, after = self._entries(log_id, after_index + 1, upto, max_bytes, before)
        return Chunk(log_id, after_index + 1, tuple(entries), before, after)

    def head_at(self, log_id: int, index: int) -> tuple[Head, int] | None:
        """Chain, time and total bytes as stored at an entry that is held; None when it is not."""
        rows = fetch(
            self._connection,
            f"SELECT {blob('chain')}, time_ms, total_bytes FROM entries WHERE position=?",
            (position(log_id, index),),
        )
        return next(((Head(index, chained, time_ms), total) for chained, time_ms, total in rows), None)

    def chain_at(self, log_id: int, index: int, base: Head) -> bytes | None:
        """The chain hash at an entry, which the entry before it or the one behind it proves; None when neither does.

        Raises LogDamagedError when they cannot be read.
        """
        with _damage(log_id, index):
            rows = fetch(
                self._connection,
                f"SELECT position, {blob('chain')}, {blob('encoded')} FROM entries WHERE position BETWEEN ? AND ?"
                " ORDER BY position",
                (position(log_id, max(index - 1, base.index + 1)), position(log_id, index + 1)),
            )
        chains = {key & MAX_INDEX: (chained, encoded) for key, chained, encoded in rows}
        if index not in chains:
            return None
        stored, encoded = chains[index]
        before = base.chain if index == base.index + 1 else chains.get(index - 1, (None,))[0]
        behind = chains.get(index + 1)
        if before is not None and follows(before, encoded, stored):
            return bytes(stored)
        return bytes(stored) if behind is not None and follows(stored, behind[1], behind[0]) else None

    def next_held(self, log_id: int, after_index: int) -> int | None:
        """The first entry held behind an index; None when there is none. Raises LogDamagedError."""
        with _damage(log_id, after_index + 1):
            rows = fetch(
                self._connection,
                "SELECT min(position) FROM entries WHERE position BETWEEN ? AND ?",
                (position(log_id, after_index + 1), position(log_id, MAX_INDEX)),
            )
        return None if rows[0][0] is None else rows[0][0] & MAX_INDEX

    def index_at(self, log_id: int, time_ms: int) -> int | None:
        """The last entry held whose time is not after `time_ms`; None when there is none."""
        rows = fetch(
            self._connection,
            "SELECT position FROM entries WHERE position BETWEEN ? AND ? AND time_ms <= ?"
            " ORDER BY position DESC LIMIT 1",
            (position(log_id, 1), position(log_id, MAX_INDEX), time_ms),
        )
        return rows[0][0] & MAX_INDEX if rows else None

    def request(self, request_id: str) -> RequestRow | None:
        """The recorded making or dropping of a database by that request."""
        rows = fetch(
            self._connection,
            "SELECT idx, verb, name, log_id, sealed_at FROM requests WHERE request_id=?",
            (request_id,),
        )
        return next((RequestRow(request_id, index, DatabaseChange(*rest)) for index, *rest in rows), None)

    def checkpoint(self) -> None:
        """Moves what it can of the WAL into the file without standing in the writer's way."""
        checkpoint(self._connection, apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _entries(
        self, log_id: int, first_index: int, upto: int, max_bytes: int, before: bytes
    ) -> tuple[list[bytes], bytes]:
        """Entries from `first_index` on and the hash behind them, which follows from `before`, that in front."""
        rows = self._connection.execute(
            "SELECT position, chain, encoded FROM entries WHERE position BETWEEN ? AND ? ORDER BY position",
            (position(log_id, first_index), position(log_id, upto)),
        )
        # A cursor that an error keeps alive would keep this connection in the past.
        with closing(rows):
            return _checked(rows, log_id, first_index, max_bytes, before)

    @property
    def _connection(self) -> apsw.Connection:
        if self._opened is None:
            self._opened = connect(self._directory, self._vfs)
        return self._opened


@contextmanager
def _damage(log_id: int, index: int) -> Iterator[None]:
    """Where SQLite finds its own pages damaged, what the log holds at `index` is."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise LogDamagedError(log_id, index, str(error)) from error


def _checked(
    rows: Iterable[tuple[Any, ...]], log_id: int, first_index: int, max_bytes: int, before: bytes
) -> tuple[list[bytes], bytes]:
    """As many of the entries in `rows` (position, chain, bytes) as follow each other, and the hash behind them."""
    entries: list[bytes] = []
    taken_bytes = 0
    try:
        for key, chained, encoded in rows:
            index = first_index + len(entries)
            if key & MAX_INDEX != index:
                if not entries:
                    raise EntriesGoneError(log_id, key & MAX_INDEX)
                break
            if not follows(before, encoded, chained):
                if not entries:
                    raise LogDamagedError(log_id, index, ALTERED)
                break
            taken_bytes += len(encoded)
            if entries and taken_bytes > max_bytes:
                break
            entries.append(encoded)
            before = chained
    except UnicodeDecodeError as error:
        # A column is said to be a text, and is none.
        if not entries:
            raise LogDamagedError(log_id, first_index, ALTERED) from error
    if not entries:
        raise EntriesGoneError(log_id, first_index)
    return entries, before
