"""How `dirk-admin` is typed: apart from what it does, so that its help comes without loading the rest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dirk_gevent import __version__

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
  dirk-admin dump DATABASE [SCRIPT] [--table NAME] [--config FILE]
  dirk-admin drain NODE [--seconds N] [--config FILE]
  dirk-admin undrain NODE [--config FILE]
  dirk-admin evict NODE [--database NAME] [--yes] [--config FILE]
  dirk-admin reseed NODE [--database NAME] [--yes] [--config FILE]
  dirk-admin settle DATABASE (--keep NODE | --keep-log) [--yes] [--config FILE]
  dirk-admin skip DATABASE INDEX [--yes] [--config FILE]
  dirk-admin settle --accept-log [--yes] [--config FILE]
  dirk-admin rebuild-log --from NODE [--yes] [--yes-lose N] [--config FILE]
  dirk-admin (-h | --help | --version)

Looking: status shows each node and database with the digest of its content; conflicts what went apart and how it
ended; verify compares all nodes at one index, and is 1 when one differs or does not answer.

Keeping: snapshot has the log hold each database's state now; when a second master confirms it the entries behind it
go, and restore reaches back no further than that state. backup writes all databases, as of one instant, while
writes go on; check reads a backup through. restore makes new databases of a backup, or an earlier state of a database
a new one (its name and index, or --as); --in-place replaces the database, and keeps a backup of what it was. dump
writes a database, or one table of it, as statements that dirk-client runs; without SCRIPT, or with -, to the standard
output.

Nodes: drain sends a node nothing new and waits until what runs there has ended: stop it then, and start it; it serves
again by itself. evict counts on a node no more (a machine that will not come back soon). reseed has a node put aside
what it has, evicted or not, and take the log's state.

Deciding: settle ends a dispute of masters that the log could not settle, or accepts a copied log although masters are
missing. skip gets masters past an entry of the log that none of them can apply: it ended with XX000 and changed
nothing, on every node, for good; if one master has applied it, the others take its state instead. rebuild-log makes
the log anew from the databases of one node: for when the log's disk was lost, or a backup of the log was restored that
is older than the nodes. Stop the proxy and that node first. Without --yes it only says what it found and what it would
do. The old log is kept beside the new one.

Options:
  --database NAME    One database instead of all.
  --from WHAT        A backup's file; for rebuild-log the node whose databases become the truth: the furthest one.
  --table NAME       One table, with its indexes and domains, instead of the database.
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

#: What a number of the log may have; Python reads no number of thousands of digits.
_MOST_DIGITS = 15
_NUMBERS = ("--to-index", "--yes-lose", "--seconds", "INDEX")


class UsageError(Exception):
    """It cannot begin: exit status 2, with its text as the one sentence."""


def parse(argv: Sequence[str]) -> dict[str, Any]:
    """The options by docopt's names. Raises UsageError; SystemExit 0 after ``--help`` and ``--version``."""
    from docopt import DocoptExit, docopt

    words = list(argv)
    try:
        options = dict(docopt(USAGE, words, version=f"dirk-admin {__version__}"))
    except DocoptExit:
        raise UsageError(_mistake(words)) from None
    for name in _NUMBERS:
        value = options[name]
        if value is None or (value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS):
            continue
        if value.isascii() and value.isdecimal():
            raise UsageError(f"{name}: {value[:_MOST_DIGITS]}… has more than {_MOST_DIGITS} digits")
        is_negative = value.isascii() and value.removeprefix("-").isdecimal()
        raise UsageError(f"{name}: {value} is {'below 0' if is_negative else 'not a whole number'}")
    if options["--to-time"] is not None:
        moment_ms(options["--to-time"])
    return options


def _mistake(words: Sequence[str]) -> str:
    """The sentence about words that are no command: of a verb that there is, how that one is typed."""
    if not words:
        return "a command is missing; see dirk-admin --help"
    usages = _usages()
    verb = next((word for word in words if word in usages), None)
    if verb is None:
        return f"unknown option or argument: {shlex.join(words)}; see dirk-admin --help"
    names = re.findall(r"(?<![-\w])--?\w[-\w]*", USAGE)
    options = (word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1)
    unknown = next((option for option in options if not any(name.startswith(option) for name in names)), None)
    given = f"unknown option {unknown}" if unknown else f"{shlex.join(words)}: something is missing, or too much"
    return f"{given}; {verb} is typed: {' or: '.join(usages[verb])}"


def _usages() -> dict[str, list[str]]:
    """By each verb the lines that say how it is typed."""
    written = USAGE.partition("Usage:\n")[2].partition("\n\n")[0]
    usages: dict[str, list[str]] = {}
    for usage in re.split(r"\n(?=  dirk-admin )", written):
        verb = usage.split()[1]
        if verb.isascii() and verb.replace("-", "").isalpha() and not verb.startswith("-"):
            usages.setdefault(verb, []).append(" ".join(usage.split()))
    return usages


def moment_ms(text: str) -> int:
    """A moment in ISO 8601 as Unix ms; UTC when it names no zone. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--to-time: {text} is no moment; write it like 2026-11-23T08:30:00") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
