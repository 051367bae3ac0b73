"""`dirk-admin`: what only a person decides. Plain sentences, and nothing is done that cannot be undone."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docopt import DocoptExit, docopt

from dirk_gevent import __version__, admin_backup, config
from dirk_gevent.admin_link import TaskFailed, UsageError, print_table, proxy_address, run_task
from dirk_gevent.admin_log import rebuild_log
from dirk_gevent.client.answers import Page
from dirk_gevent.client.connection import Address, Connection
from dirk_gevent.config import Config, ConfigError
from dirk_gevent.rebuild import RebuildRefused

USAGE = """dirk-admin: looks at a cluster, and decides what only a person can decide.

Usage:
  dirk-admin status [--config FILE]
  dirk-admin conflicts [--config FILE]
  dirk-admin verify [DATABASE] [--config FILE]
  dirk-admin snapshot [DATABASE] [--config FILE]
  dirk-admin backup BACKUP [--database NAME] [--config FILE]
  dirk-admin check BACKUP
  dirk-admin restore --from BACKUP [--database NAME [--to-index N | --to-time TIME] [--as NAME | --in-place]]
                     [--yes] [--config FILE]
  dirk-admin restore DATABASE (--to-index N | --to-time TIME) [--as NAME | --in-place] [--yes] [--config FILE]
  dirk-admin dump DATABASE [SCRIPT] [--config FILE]
  dirk-admin drain NODE [--seconds N] [--config FILE]
  dirk-admin undrain NODE [--config FILE]
  dirk-admin evict NODE [--database NAME] [--yes] [--config FILE]
  dirk-admin reseed NODE [--database NAME] [--yes] [--config FILE]
  dirk-admin settle DATABASE (--keep NODE | --keep-log) [--yes] [--config FILE]
  dirk-admin settle --accept-log [--yes] [--config FILE]
  dirk-admin rebuild-log --from NODE [--yes] [--yes-lose N] [--config FILE]
  dirk-admin (-h | --help | --version)

Looking: status shows each node and database with the digest of its content; conflicts what went apart and how it
ended; verify compares all nodes at one index, and is 1 when one differs or does not answer.

Keeping: snapshot has the log hold each database's state now. backup writes all databases, as of one instant, while
writes go on; check reads a backup through. restore makes new databases of a backup, or an earlier state of a database
a new one (its name and index, or --as); --in-place replaces the database, and keeps a backup of what it was. dump
writes a database as statements that dirk-client runs.

Nodes: drain sends a node nothing new and waits until what runs there has ended: stop it then, and start it; it serves
again by itself. evict counts on a node no more (a machine that will not come back soon). reseed has a node put aside
what it has, evicted or not, and take the log's state.

Deciding: settle ends a dispute of masters that the log could not settle, or accepts a copied log although masters are
missing. rebuild-log makes the log anew from the databases of one node: for when the log's disk was lost, or a backup
of the log was restored that is older than the nodes. Stop the proxy and that node first. Without --yes it only says
what it found and what it would do. The old log is kept beside the new one.

Options:
  --database NAME    One database instead of all.
  --from WHAT        A backup's file; for rebuild-log the node whose databases become the truth: the furthest one.
  --to-index N       The state behind entry N of the database's log.
  --to-time TIME     The state at a moment, like 2026-11-23T08:30:00 (UTC, or with a zone: +03:00).
  --as NAME          The name of the restored database.
  --in-place         Replace the database itself.
  --seconds N        Wait so long for what runs on the node [default: 60].
  --keep NODE        This master's state counts.
  --keep-log         What the log's own entries lead to counts.
  --accept-log       Take writes although not every master has told how far it is.
  --yes              Do it: needed where data is replaced or counted out.
  --yes-lose N       Do it although N entries that other nodes have applied are lost.
  -c, --config FILE  The settings; else DIRK_CONFIG_PATH, else ./config.json.
  -h, --help         Show this and leave.
  --version          Show the version and leave.

Exit status: 0 done, 1 not done, 2 wrong arguments, bad settings, or no proxy.
"""

_TIMEOUT_SECONDS = 10.0
_STATUS, _CONFLICTS = b"asehoy ny mpizara;", b"asehoy ny fifandirana;"
#: Tasks of the proxy's that count somebody's data out: they are done only with --yes.
_NEEDS_YES = {
    "evict": "the node counts for nothing until it is seeded again",
    "reseed": "what the node has is put aside, and it takes the log's state",
    "settle": "what the others have is put aside, and counts no more",
}
_NUMBERS = ("--to-index", "--yes-lose", "--seconds")


def main(argv: Sequence[str]) -> int:
    """Runs `dirk-admin`; the exit status."""
    try:
        options = _options(list(argv))
        return _run(options)
    except (UsageError, ConfigError) as error:
        return _refuse(str(error), 2)
    except (RebuildRefused, TaskFailed) as error:
        return _refuse(str(error), 1)


def _options(words: list[str]) -> dict[str, Any]:
    try:
        options = dict(docopt(USAGE, words, version=f"dirk-admin {__version__}"))
    except DocoptExit:
        given = f"{shlex.join(words)} does not fit" if words else "say what to do"
        raise UsageError(f"{given}; dirk-admin --help says what does") from None
    for name in _NUMBERS:
        value = options[name]
        if value is not None and not (value.isascii() and value.isdecimal()):
            raise UsageError(f"{name}: {value} is not a whole number")
    if options["--to-time"] is not None:
        admin_backup.moment_ms(options["--to-time"])
    return options


def _run(options: dict[str, Any]) -> int:
    if options["check"]:
        return admin_backup.check(Path(options["BACKUP"]))
    settings = config.load(config.find(options["--config"]))
    if options["rebuild-log"]:
        return rebuild_log(settings, options)
    if options["status"] or options["conflicts"]:
        return _show(settings, _STATUS if options["status"] else _CONFLICTS)
    if options["backup"]:
        return admin_backup.backup(settings, Path(options["BACKUP"]), options["--database"])
    if options["dump"]:
        script = options["SCRIPT"]
        return admin_backup.dump(settings, options["DATABASE"], Path(script) if script else None)
    if options["restore"]:
        return _restore(settings, options)
    return _at_the_proxy(settings, options)


def _restore(settings: Config, options: dict[str, Any]) -> int:
    if options["--in-place"] and not options["--yes"]:
        raise TaskFailed("the database would be replaced: add --yes to do it; nothing was changed")
    if options["--from"] is not None:
        return admin_backup.restore_file(settings, Path(options["--from"]), options)
    return admin_backup.restore_from_log(settings, options)


def _at_the_proxy(settings: Config, options: dict[str, Any]) -> int:
    tasks = ("verify", "snapshot", "drain", "undrain", "evict", "reseed", "settle")
    task = next(name for name in tasks if options[name])
    if task in _NEEDS_YES and not options["--yes"]:
        raise TaskFailed(f"{_NEEDS_YES[task]}: add --yes to do it; nothing was changed")
    fields: dict[str, Any] = {"database": options["DATABASE"] or options["--database"], "node": options["NODE"]}
    if task == "settle":
        fields |= {"keep": options["--keep"], "accept_log": options["--accept-log"]}
    return run_task(settings, task, yes=options["--yes"], seconds=int(options["--seconds"]), **fields)


def _show(settings: Config, statement: bytes) -> int:
    address = Address(*proxy_address(settings))
    try:
        connection = Connection(address, _TIMEOUT_SECONDS)
        try:
            parts = list(connection.ask(statement, asks_meta=False))
        finally:
            connection.close()
    except OSError as error:
        raise UsageError(f"the proxy at {address} does not answer: {error}") from error
    for part in parts:
        if isinstance(part, Page):
            print_table([column.name for column in part.columns], part.rows)
        elif part.is_error:
            return _refuse(part.message, 1)
    return 0


def _refuse(sentence: str, status: int) -> int:
    print(f"dirk-admin: {sentence}", file=sys.stderr)
    return status
