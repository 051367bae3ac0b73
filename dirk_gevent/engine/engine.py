"""A node's databases: which there are, made and dropped as the system database's log says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dirk_gevent.base import logger
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.compiler import Compiler
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import StorageFault, storage_faults
from dirk_gevent.engine.files.data_directory import DataDirectory
from dirk_gevent.engine.files.former_list import FormerList
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.parser_compiler import ParserCompiler
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.shared import OPEN_DATABASES, EngineLimits, OpenReaders, OpenWriters, Shared
from dirk_gevent.engine.snapshot.snapshot import SnapshotHeader
from dirk_gevent.engine.sqlite_connection import open_reader
from dirk_gevent.log.entry import CREATE_DATABASE, SYSTEM_DATABASE, SYSTEM_LOG_ID
from dirk_parser.errors import SqlError
from dirk_parser.names import nearest

_log = logger.logger("engine")

class Engine:
    """One node's SQLite under `directory`. `node` is its id; `limits` those of the configuration.

    `open_databases`: how many may have their writer, and how many their hub reader, open at one time.

    `open` and `close` run on a native thread; look-ups anywhere.
    """

    def __init__(
        self,
        directory: Path,
        node: str,
        limits: EngineLimits,
        compiler: Compiler | None = None,
        open_databases: int = OPEN_DATABASES,
    ) -> None:
        self.node = node
        self.directory = DataDirectory(directory)
        self._compiler = compiler or ParserCompiler()
        readers, writers = OpenReaders(open_databases), OpenWriters(open_databases)
        self._shared = Shared(self.directory, self._compiler, limits, readers=readers, writers=writers)
        self.system = Database(self._shared, SYSTEM_LOG_ID, SYSTEM_DATABASE)
        #: The system log's index up to which databases have been made and dropped here: never ahead of what is known.
        self.enacted_index = 0
        #: What of a list that was replaced is not known to be of the log.
        self.former = FormerList(self.directory, self._listed)
        self._by_key: dict[str, Database] = {}
        self._by_log: dict[int, Database] = {}

    def open(self) -> None:
        """Take the directory, find every database's place, unlink orphans. Raises DirectoryInUse, StorageFault."""
        self.directory.lock()
        try:
            self.system.file.load()
            self._enter(self.system)
            for log_id, name in self._listed().items():
                self.create(log_id, name)
            self.enacted_index = self.system.applied_index
            self.former.open(set(self._by_log), self.enacted_index)
        except BaseException:
            # What the disk says then is not what this fails of.
            with suppress(StorageFault):
                self.directory.unlock(is_clean=not self.directory.was_unclean)
            raise
        self._shared.watchdog.start()

    def close(self) -> None:
        """Close every database after a last checkpoint and give the directory back.

        Raises the first StorageFault once all are closed; the directory then counts as left in disorder.
        """
        self._shared.watchdog.stop()
        first: StorageFault | None = None
        for database in self._by_log.values():
            try:
                database.close()
            except StorageFault as fault:
                first = first or fault
        self._shared.readers.rest()
        if first is not None:
            raise first
        self.directory.unlock()

    def databases(self) -> dict[str, Database]:
        """All databases by key (NFC and casefold of the name), the system database among them."""
        return dict(self._by_key)

    def get(self, name: str, place: int = -1) -> Database:
        """The database called `name`; raises SqlError `unknown_database` with the nearest name, at `place`."""
        database = self.named(name)
        if database is None:
            close = nearest(name, [other.name for other in self._by_key.values() if other.log_id])
            raise SqlError("unknown_database", name=name, nearest=close, place=place)
        return database

    def named(self, name: str) -> Database | None:
        """The database called `name`; None when it is not known here."""
        return self._by_key.get(self._compiler.key(name))

    def of_log(self, log_id: int) -> Database | None:
        """The database of a log; None when it is not known here."""
        return self._by_log.get(log_id)

    def end_idle_reads(self) -> None:
        """End the read transactions that no read has used since the last call (hub): they hold back the WAL."""
        self._shared.readers.rest()

    def logs(self) -> Mapping[int, Database]:
        """All databases by log id."""
        return dict(self._by_log)

    def apply_system(self, work: Sequence[Work], expected_chain: bytes | None = None) -> list[Outcome]:
        """Apply entries of the system log, then make and drop the databases they speak of (native thread).

        Before a DROP is applied the node has brought the database up to the sealing index. Raises as
        `Database.apply`.
        """
        start = self.system.applied_index
        outcomes = self.system.apply(work, expected_chain)
        is_again = any(item.entry.change is not None and item.entry.index <= start for item in work)
        if is_again or self.enacted_index < start:
            # Sent again after a broken connection: what it speaks of may have been dropped, or made anew, since. Or a
            # fault of the machine kept this from doing what came before.
            self.reload_databases()
            return outcomes
        done = {outcome.index for outcome in outcomes if not outcome.sqlstate and not outcome.repeats}
        for entry in (item.entry for item in work):
            if entry.change is None or entry.index not in done:
                continue
            if entry.change.verb == CREATE_DATABASE:
                self.create(entry.change.log_id, entry.change.name)
            else:
                self.drop(entry.change.log_id)
        self._set_aside_former(self.system.applied_index)
        self.enacted_index = self.system.applied_index
        return outcomes

    def create(self, log_id: int, name: str) -> Database:
        """Make a database known; its file begins with its first entry or read. The one there is if it is known.

        One whose file the machine does not let be read is stalled until it does.
        """
        same_log = self._by_log.get(log_id)
        if same_log is not None and log_id in self.former.logs and same_log.name != name:
            self.drop(log_id)
            same_log = None
        if same_log is not None:
            self._rename(same_log, name)
            # Replayed from its beginning, the system log made an earlier one of this name, and dropped it.
            self._enter(same_log)
            return same_log
        database = Database(self._shared, log_id, name)
        try:
            database.file.load()
        except StorageFault as fault:
            # Its own trouble: the others are there, and its queue tries again.
            database.status.fail(str(fault))
            _log.error("stalled", log=log_id, reason=str(fault))
        self._enter(database)
        return database

    def drop(self, log_id: int) -> None:
        """Forget a database and unlink its files (native thread); nothing when it is not known. Raises StorageFault.

        Those of a catalog that was replaced are set aside instead: this log may never have heard of them.
        """
        database = self._by_log.get(log_id)
        if database is None:
            return
        if log_id in self.former.logs:
            self.former.set_aside(database)
        key = self._compiler.key(database.name)
        if self._by_key.get(key) is database:
            del self._by_key[key]
        # One whose files can't go yet stays known by its log: who tries again finds it.
        database.drop()
        del self._by_log[log_id]

    def reload_databases(self) -> None:
        """Bring the list in line with the system database's catalog, after it was restored from a snapshot.

        Of databases that were made later the snapshot says nothing: the entries after it do.
        """
        listed = self._listed()
        for log_id in set(self._by_log) - set(listed) - {SYSTEM_LOG_ID}:
            if log_id <= self.system.applied_index:
                self.drop(log_id)
        for log_id, name in listed.items():
            self.create(log_id, name)
        self._set_aside_former(self.system.applied_index)
        self.enacted_index = self.system.applied_index

    def set_aside(self, database: Database, why: str) -> Path | None:
        """`Database.set_aside` of any database (native thread). Raises StorageFault: then it stands where it stood.

        The system database begins anew then, with another history: what that does not list is not of the log.
        """
        if database is not self.system:
            return database.set_aside(why)
        with storage_faults("set aside"):
            self.former.note()
        self.former.begin(self._by_log)
        kept = self.system.set_aside(why)
        # How far the former one was says nothing of which databases there are.
        self.enacted_index = 0
        return kept

    def restore(self, database: Database, snapshot: Path) -> SnapshotHeader:
        """`Database.restore` of any database (native thread). Raises SnapshotDamaged, StorageFault.

        A system database that is lost in that begins anew, as one that is set aside.
        """
        before = database.applied_index
        try:
            return database.restore(snapshot)
        except BaseException:
            if database is self.system and database.applied_index < before:
                self.former.begin(self._by_log)
                self.enacted_index = 0
                self.former.note_if_possible()
            raise

    def settle(self) -> None:
        """The system database has all that the log has: what its catalog does not list is set aside (native thread).

        Raises StorageFault; called again it goes on.
        """
        self.former.add_unlisted(self._by_log)
        self._set_aside_former(max(self.former.logs, default=0))
        self.former.end()

    def _set_aside_former(self, last: int) -> None:
        for log_id in self.former.unlisted_up_to(last):
            if log_id not in self._by_log:
                # Left by a process that died: nothing tells its name any more.
                self.create(log_id, f"db{log_id}")
            self.drop(log_id)

    def _rename(self, database: Database, name: str) -> None:
        """Its state was replaced before the log of databases told what it is called there."""
        if database.name == name:
            return
        if self._by_key.get(self._compiler.key(database.name)) is database:
            del self._by_key[self._compiler.key(database.name)]
        database.file.name = name

    def _enter(self, database: Database) -> None:
        self._by_log[database.log_id] = database
        self._by_key[self._compiler.key(database.name)] = database

    @storage_faults("list")
    def _listed(self) -> dict[int, str]:
        if not self.system.file.path.exists():
            return {}
        connection = open_reader(self.system.file.path, EntryContext())
        try:
            rows = stored_records.read_catalog(connection)
        finally:
            connection.close()
        return {int(row.source or 0): row.name for row in rows if row.kind == stored_records.DATABASE_KIND}
