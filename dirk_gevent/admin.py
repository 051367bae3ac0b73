"""`dirk-admin`: what only a person decides. Plain sentences, and nothing is done that cannot be undone."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docopt import DocoptExit, docopt

from dirk_gevent import __version__, config
from dirk_gevent.client.answers import Page
from dirk_gevent.client.connection import Address, Connection
from dirk_gevent.config import Config, ConfigError
from dirk_gevent.rebuild import RebuildRefused, rebuild
from dirk_gevent.startup import reachable
from dirk_gevent.survey import Loss, NodeFiles, entries_lost, losses, survey

USAGE = """dirk-admin: looks at a cluster, and decides what only a person can decide.

Usage:
  dirk-admin status [--config FILE]
  dirk-admin rebuild-log --from NODE [--yes] [--yes-lose N] [--config FILE]
  dirk-admin (-h | --help | --version)

status asks the proxy how each node is. rebuild-log makes the log anew from the databases of one node: for when the
log's disk was lost, or a backup of the log was restored that is older than the nodes. Stop the proxy and that node
first. Without --yes it only says what it found and what it would do. The old log is kept beside the new one.

Options:
  --from NODE        The id of the node whose databases become the truth: the one that is furthest.
  --yes              Do it.
  --yes-lose N       Do it although N entries that other nodes have applied are lost.
  -c, --config FILE  The settings; else DIRK_CONFIG_PATH, else ./config.json.
  -h, --help         Show this and leave.
  --version          Show the version and leave.

Exit status: 0 done, 1 not done, 2 wrong arguments, bad settings, or no proxy.
"""

_TIMEOUT_SECONDS = 10.0
_STATUS = b"asehoy ny mpizara;"


class UsageError(Exception):
    """The command cannot begin: `str()` is the sentence, the exit status is 2."""


def main(argv: Sequence[str]) -> int:
    """Runs `dirk-admin`; the exit status."""
    try:
        options = _options(list(argv))
        settings = config.load(config.find(options["--config"]))
        return _rebuild(settings, options) if options["rebuild-log"] else _status(settings)
    except (UsageError, ConfigError) as error:
        return _refuse(str(error), 2)
    except RebuildRefused as error:
        return _refuse(str(error), 1)


def _options(words: list[str]) -> dict[str, Any]:
    try:
        options = dict(docopt(USAGE, words, version=f"dirk-admin {__version__}"))
    except DocoptExit:
        given = f"{shlex.join(words)} does not fit" if words else "say what to do"
        raise UsageError(f"{given}; dirk-admin --help says what does") from None
    lose = options["--yes-lose"]
    if lose is not None and not lose.isdecimal():
        raise UsageError(f"--yes-lose: {lose} is not a number of entries")
    return options


def _status(settings: Config) -> int:
    place = settings.load_balancer
    if place is None:
        raise UsageError("loadBalancer: the settings name no proxy to ask")
    address = Address(reachable(place.listen_host), place.listen_port)
    try:
        connection = Connection(address, _TIMEOUT_SECONDS)
        try:
            parts = list(connection.ask(_STATUS, asks_meta=False))
        finally:
            connection.close()
    except OSError as error:
        raise UsageError(f"the proxy at {address} does not answer: {error}") from error
    for part in parts:
        if isinstance(part, Page):
            _print_table([column.name for column in part.columns], part.rows)
        elif part.is_error:
            return _refuse(part.message, 1)
    return 0


def _rebuild(settings: Config, options: dict[str, Any]) -> int:
    nodes = survey(settings)
    chosen = next((node for node in nodes if node.node == options["--from"]), None)
    if chosen is None:
        raise UsageError(f"--from: no node is called {options['--from']}; known: {', '.join(n.node for n in nodes)}")
    _print_findings(nodes)
    lost = losses(chosen, nodes)
    _check_losses(chosen.node, lost, options["--yes-lose"])
    if not (options["--yes"] or options["--yes-lose"]):
        print(_plan(settings.log.directory, chosen))
        return 1
    done = rebuild(settings, chosen, nodes)
    print(
        f"The log in {settings.log.directory} now begins where {chosen.node} is; it holds {_databases(done.databases)}."
    )
    if done.kept is not None:
        print(f"The old log is kept in {done.kept}.")
    print("Start the proxy and the nodes. A node that was ahead keeps its own state aside and takes a snapshot.")
    return 0


def _check_losses(chosen: str, lost: list[Loss], accepted: str | None) -> None:
    count = entries_lost(lost)
    if not count or (accepted is not None and int(accepted) == count):
        return
    for loss in lost:
        print(f"{loss.node} has {loss.entries} entries of {loss.database} that {chosen} has not.")
    raise RebuildRefused(
        f"{count} entries that other nodes have applied would be lost: choose the node that is furthest, "
        f"or say --yes-lose {count}; nothing was changed"
    )


def _plan(directory: Path, chosen: NodeFiles) -> str:
    return (
        f"The log in {directory} would be made anew from {chosen.node}, with {_databases(len(chosen.databases) - 1)};\n"
        "the old log would be kept beside it. Nothing was changed. Add --yes to do it."
    )


def _databases(count: int) -> str:
    return "1 database" if count == 1 else f"{count} databases"


def _print_findings(nodes: tuple[NodeFiles, ...]) -> None:
    rows: list[list[object]] = [
        [node.node, meta.name, log_id, meta.applied_index, meta.heard_head, meta.state]
        for node in nodes
        for log_id, meta in sorted(node.databases.items())
    ]
    _print_table(["node", "database", "log", "applied", "heard of", "state"], rows)
    for node in nodes:
        for problem in node.problems:
            print(f"{node.node}: {problem}")
    print()


def _print_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    lines = [list(names), *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(names))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _refuse(sentence: str, status: int) -> int:
    print(f"dirk-admin: {sentence}", file=sys.stderr)
    return status
