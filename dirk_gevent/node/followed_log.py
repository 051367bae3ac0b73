"""The log that a node follows: its genesis and epoch, as the host tells them and as the node's directory keeps them."""

from __future__ import annotations

from dirk_gevent.base.logger import Logger
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node.progress import Progress
from dirk_gevent.replication.frame_types import Welcome
from dirk_gevent.replication.genesis import HeardEpoch, followed_log, keep_followed_log


class FollowedLog:
    """Keeps on disk which log the node follows. `slow` runs what waits for the disk.

    Until all of a log that replaced another is applied here, the node still counts as the other's follower: what it has
    beyond the new log is then kept aside, not taken for proof that the log is old.
    """

    def __init__(self, engine: Engine, progress: Progress, slow: NativeThreads, logger: Logger) -> None:
        #: The disk took neither the node's name nor the log's: every database here counts as stalled.
        self.is_unwritten = False
        self._engine = engine
        self._progress = progress
        self._slow = slow
        self._logger = logger
        self._epoch = HeardEpoch(engine.directory.path)
        self._told_genesis = self._kept_genesis = b""
        self._forgets = False

    @property
    def genesis(self) -> bytes | None:
        """The genesis of the log that this node counts as a follower of; None before it has followed one."""
        return followed_log(self._engine.directory.path)

    @property
    def epoch(self) -> tuple[bytes, bytes] | None:
        """Genesis and epoch heard last, as they are written down."""
        return self._epoch.kept

    @property
    def is_kept(self) -> bool:
        """True when the node counts as a follower of the log that the host told it of."""
        return self._told_genesis == self._kept_genesis

    def welcomed(self, welcome: Welcome) -> None:
        """Note which log the host has taken this node into."""
        self._told_genesis, self._forgets = welcome.genesis, welcome.forgets
        self._epoch.hear(welcome.genesis, welcome.epoch)
        self.write_down()

    def hear_epoch(self, epoch: bytes) -> None:
        """Note the epoch of what comes next, b"" for none.

        Before what it leads to is applied here: else this would seem to know more of an earlier epoch than there was.
        """
        if self._epoch.hear(self._told_genesis, epoch):
            self.write_down()

    def hear_heads(self, heads: dict[int, int]) -> None:
        """Note the heads of logs."""
        # An epoch that is not kept: heard of in the one before, they would speak against a log that is right.
        databases = {} if self.is_unwritten else self._engine.logs()
        self._progress.heads.update(heads)
        for log_id, head in heads.items():
            if log_id in databases:
                databases[log_id].set_heard(head)

    def write_down(self) -> None:
        """Note whose the directory is and which log it follows; a disk that refuses is tried again at each beat."""
        followed = self.genesis
        try:
            if self._forgets or (followed is not None and followed != self._told_genesis):
                for database in self._engine.logs().values():
                    self._slow.call(database.forget_heard)
            self._forgets = False
            # Now the log remembers what of another node's directory it does not trust.
            self._engine.directory.notes.set_owner(self._engine.node)
            if followed is None:
                self._keep_genesis()
            self._epoch.keep()
        except (OSError, StorageFault) as fault:
            self._cannot_write(fault)
        else:
            was_unwritten, self.is_unwritten = self.is_unwritten, False
            if was_unwritten:
                self._logger.info("resumed", directory=str(self._engine.directory.path))
                self.hear_heads(dict(self._progress.heads))

    def keep(self) -> bool:
        """Count as a follower of the log that the host told; False when the disk refuses."""
        try:
            self._keep_genesis()
        except OSError as error:
            self._cannot_write(error)
            return False
        return True

    def _keep_genesis(self) -> None:
        keep_followed_log(self._engine.directory.path, self._told_genesis)
        self._kept_genesis = self._told_genesis

    def _cannot_write(self, fault: OSError | StorageFault) -> None:
        if not self.is_unwritten:
            self.is_unwritten = True
            self._logger.error("stalled", directory=str(self._engine.directory.path), reason=str(fault))
