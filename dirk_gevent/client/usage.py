"""The command line of the client: the usage text, which is the help, and what it means."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dirk_gevent.client.formats import FORMATS
from dirk_gevent.driver.client_texts import asked_language, environment_language, sentence
from dirk_gevent.driver.tcp_connection import Address
from dirk_gevent.messages.texts import LANGUAGES

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 3949

_MOST_DIGITS = 100

#: Exit statuses.
EXIT_OK, EXIT_OWN_ERROR, EXIT_USAGE, EXIT_STATEMENT_FAILED = 0, 1, 2, 3

USAGE = f"""DirkDB's client: a prompt on a terminal; without one, a runner of scripts.

Usage:
  dirk-client [options] [-e STATEMENT]... [-f FILE]... [HOST] [PORT]
  dirk-client --help | --version

HOST and PORT are those of the proxy, a cache or a node ({DEFAULT_HOST} {DEFAULT_PORT}).
HOST may be left out: dirk-client 3951.

Options:
  -e, --execute STATEMENT  Run STATEMENT and leave; may be given several times. Its last ";" may be missing.
  -f, --file FILE          Run the statements of FILE (- is the standard input) after those of -e, and leave.
  -d, --database NAME      Begin with NAME as the current database.
  --format FORMAT          How relations are written: {', '.join(FORMATS)} [default: table].
  --keep-going             Go on after a statement that failed; the exit status is still 3.
  --lang LANG              Language of the messages: {', '.join(LANGUAGES)}. Without it: DIRK_LANG, then the server's
                           (Malagasy for what the client says before a server has answered).
  --wait SECONDS           How long to wait for a server that is not there yet [default: 0].
  --interrupt-leaves       Ctrl-C at an empty prompt leaves, as dirk-up's does.
  -h, --help               Show this.
  --version                Show the version.

At the prompt, a statement ends with ";" and may take several lines. miala (or exit, Ctrl-D) leaves, diovy (or !)
clears the screen, fanampiana (or help, aide, vonjy, ?) shows a short help, Ctrl-C clears the line, or cancels the
statement that is running. The history is kept in $XDG_STATE_HOME/dirkdb/history (~/.local/state/dirkdb/history).

A table is written page by page, of 200 rows as a rule: its columns are as wide as the first page needs, and wider from
the page on that needs more. csv, tsv and json hold values as they are.

Exit status: 0, 1 the client's own failure, 2 wrong usage or no connection, 3 a statement failed.
"""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Options from the command line. `language` None leaves it to the server."""

    address: Address = field(default_factory=lambda: Address(DEFAULT_HOST, DEFAULT_PORT))
    statements: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    database: str | None = None
    format: str = "table"
    keeps_going: bool = False
    language: str | None = None
    wait_seconds: float = 0.0
    interrupt_leaves: bool = False


def parse(argv: Sequence[str]) -> ClientOptions:
    """The options in `argv` (without the program's name).

    Raises SystemExit: 0 after ``--help`` and ``--version``, 2 after one sentence on stderr for a wrong argument.
    """
    import docopt

    from dirk_gevent import __version__

    try:
        try:
            given = docopt.docopt(USAGE, list(argv), version=f"dirk-client {__version__}")
        except docopt.DocoptExit:
            raise _Mistake("client_bad_arguments", words=shlex.join(argv)) from None
        return _options(given)
    except _Mistake as mistake:
        language = _said_language(argv) or environment_language()
        print(f"dirk-client: {sentence(mistake.key, language, mistake.params)}", file=sys.stderr)
        raise SystemExit(EXIT_USAGE) from None


class _Mistake(Exception):  # noqa: N818 (the user's, not a fault)
    """A wrong argument: the key of its sentence, and what that names."""

    def __init__(self, key: str, **params: str) -> None:
        super().__init__(key)
        self.key = key
        self.params = params


def _said_language(argv: Sequence[str]) -> str | None:
    """The language that --lang asks for, also among arguments that are wrong."""
    languages = [word.removeprefix("--lang=") for word in argv if word.startswith("--lang=")]
    languages += [after for word, after in pairwise(argv) if word == "--lang"]
    return next((language for language in languages if language in LANGUAGES), None)


def _options(given: Mapping[str, Any]) -> ClientOptions:
    host, port = given["HOST"], given["PORT"]
    if host is not None and port is None and host.isdecimal():
        host, port = None, host
    language = given["--lang"]
    if language is not None:
        _must_be_one_of("--lang", language, LANGUAGES)
    elif environment_language() is None and asked_language():
        _must_be_one_of("DIRK_LANG", asked_language(), LANGUAGES)
    _must_be_one_of("--format", given["--format"], FORMATS)
    return ClientOptions(
        address=Address(host or DEFAULT_HOST, DEFAULT_PORT if port is None else _port(port)),
        statements=tuple(given["--execute"]),
        files=tuple(given["--file"]),
        database=given["--database"],
        format=given["--format"],
        keeps_going=given["--keep-going"],
        language=language or environment_language(),
        wait_seconds=_seconds(given["--wait"]),
        interrupt_leaves=given["--interrupt-leaves"],
    )


def _port(text: str) -> int:
    # Before it is read: Python reads no number of thousands of digits.
    if not text.isdecimal() or len(text) > _MOST_DIGITS or not 1 <= int(text) <= 65535:
        raise _Mistake("client_bad_port", port=text)
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise _Mistake("client_bad_seconds", option="--wait", value=text)
    return seconds


def _must_be_one_of(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise _Mistake("client_bad_choice", option=option, value=value, choices=", ".join(choices))
