"""`dirk-admin`: what only a person decides. Plain sentences, and nothing is done that cannot be undone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dirk_gevent.admin import backup
from dirk_gevent.admin.proxy_link import TaskFailed, print_table, proxy_address, run_task, say
from dirk_gevent.admin.rebuild_log import rebuild_log
from dirk_gevent.admin.usage import UsageError
from dirk_gevent.base.startup import plain_reason
from dirk_gevent.config import loader
from dirk_gevent.config.settings import Config
from dirk_gevent.config.strict_json import ConfigError
from dirk_gevent.coordinator.admin.rebuild_log import RebuildRefused
from dirk_gevent.driver.answers import NotDirkError, Page
from dirk_gevent.driver.tcp_connection import Address, TcpConnection

_TIMEOUT_SECONDS = 10.0
_STATUS, _CONFLICTS = b"asehoy ny mpizara;", b"asehoy ny fifandirana;"
#: Tasks of the proxy's that count somebody's data out: they are done only with --yes.
_NEEDS_YES = {
    "evict": "the node counts for nothing until it is seeded again",
    "reseed": "what the node has is put aside, and it takes the log's state",
    "skip": "the entry ends with XX000 on every node, now and in every replay, and what it was to write is lost",
    "settle": "what the others have is put aside, and counts no more",
}

_ACCEPTS_LOG = "the log takes writes again as it is; what nodes know beyond it is kept aside on their machines"


def main(options: dict[str, Any]) -> int:
    """Runs `dirk-admin` with the options of `admin_usage.parse`; the exit status."""
    try:
        return _run(options)
    except UsageError as error:
        return _refuse(str(error), 2)
    except (RebuildRefused, TaskFailed) as error:
        return _refuse(str(error), 1)


def _run(options: dict[str, Any]) -> int:
    if options["check"]:
        return backup.check(Path(options["BACKUP"]))
    settings = _settings(options["--config"])
    if options["rebuild-log"]:
        return rebuild_log(settings, options)
    if options["status"] or options["conflicts"]:
        return _show(settings, _STATUS if options["status"] else _CONFLICTS)
    if options["backup"]:
        return backup.backup(settings, Path(options["BACKUP"]), options["--database"])
    if options["dump"]:
        script = options["SCRIPT"]
        file = Path(script) if script not in (None, "-") else None
        return backup.dump(settings, options["DATABASE"], file, options["--table"])
    if options["restore"]:
        return _restore(settings, options)
    return _at_the_proxy(settings, options)


def _settings(option: str | None) -> Config:
    try:
        return loader.load_named(option)
    except ConfigError as error:
        raise UsageError(str(error)) from error


def _restore(settings: Config, options: dict[str, Any]) -> int:
    if options["--in-place"] and not options["--yes"]:
        raise TaskFailed("the database would be replaced: add --yes to do it; nothing was changed")
    if options["--from"] is not None:
        return backup.restore_file(settings, Path(options["--from"]), options)
    return backup.restore_from_log(settings, options)


def _at_the_proxy(settings: Config, options: dict[str, Any]) -> int:
    tasks = ("verify", "snapshot", "drain", "undrain", "evict", "reseed", "settle", "skip")
    task = next(name for name in tasks if options[name])
    if task in _NEEDS_YES and not options["--yes"]:
        consequence = _ACCEPTS_LOG if options["--accept-log"] else _NEEDS_YES[task]
        raise TaskFailed(f"{consequence}: add --yes to do it; nothing was changed")
    fields: dict[str, Any] = {"database": options["DATABASE"] or options["--database"], "node": options["NODE"]}
    if task == "settle":
        fields |= {"keep": options["--keep"], "accept_log": options["--accept-log"]}
    if task == "skip":
        fields["index"] = int(options["INDEX"])
    return run_task(settings, task, yes=options["--yes"], seconds=int(options["--seconds"]), **fields)


def _show(settings: Config, statement: bytes) -> int:
    address = Address(*proxy_address(settings))
    try:
        connection = TcpConnection(address, _TIMEOUT_SECONDS)
        try:
            parts = list(connection.ask(statement, asks_meta=False))
        finally:
            connection.close()
    except OSError as error:
        raise UsageError(f"the proxy at {address} does not answer: {plain_reason(error)}") from error
    except NotDirkError as error:
        raise UsageError(f"what listens at {address} is not DirkDB's proxy: it answers in another way") from error
    for part in parts:
        if isinstance(part, Page):
            print_table([column.name for column in part.columns], part.rows)
        elif part.is_error:
            return _refuse(part.message, 1)
    return 0


def _refuse(sentence: str, status: int) -> int:
    say(f"dirk-admin: {sentence}", sys.stderr)
    return status
