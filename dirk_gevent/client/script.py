"""Statements from files, the standard input and the command line, run one after another without a person.

It stops at the first error, named by ``file:line:``, unless told to go on. A statement that the input ends in the
middle of is not sent: half a DELETE may delete everything. (One given with ``-e`` is whole as it is.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dirk_gevent.client.screen import Screen
from dirk_gevent.client.usage import EXIT_OK, EXIT_STATEMENT_FAILED, EXIT_USAGE, ClientOptions
from dirk_gevent.driver.answers import NotDirkError
from dirk_gevent.driver.client_splitter import Statement, StatementReader, Unfinished, Word
from dirk_gevent.driver.client_texts import sentence
from dirk_gevent.driver.requests import LostError, SessionError
from dirk_gevent.driver.session import Session

STDIN_NAME = "<stdin>"
_INTERRUPTED = 130
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Losses that are about the statement; the others are about the connection.
_STATEMENT_LOSSES = frozenset({"client_outcome_unknown", "client_transaction_lost"})


@dataclass(frozen=True, slots=True)
class ScriptSource:
    """A named input: its lines as bytes; `is_whole`: its last statement needs no ``;``."""

    name: str
    lines: Iterable[bytes]
    is_whole: bool = False


class _StopError(Exception):
    """Nothing more is to be run; the client ends with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Script:
    """Runs sources in one session and knows the exit status."""

    def __init__(self, session: Session, screen: Screen, *, keeps_going: bool) -> None:
        self._session = session
        self._screen = screen
        self._keeps_going = keeps_going
        self._status = EXIT_OK

    def run(self, sources: Iterable[ScriptSource]) -> int:
        """Run all of them; the exit status."""
        try:
            for source in sources:
                if not self._run_source(source):
                    break
        except _StopError as stop:
            return stop.status
        except KeyboardInterrupt:
            return self._interrupted()
        return self._status

    def _run_source(self, source: ScriptSource) -> bool:
        """True when to go on with the next source (the word `miala` ends everything)."""
        reader = StatementReader()
        for line in self._decoded(source):
            for item in reader.feed(line):
                if item is Word.LEAVE:
                    return False
                if isinstance(item, Statement):
                    self._run_statement(item, source.name)
                elif item is Word.HELP:
                    self._screen.notice(self._own("client_help"))
        unfinished = reader.finish()
        if unfinished is None:
            return True
        if source.is_whole and not unfinished.inside:
            self._run_statement(Statement(unfinished.text, unfinished.line), source.name)
        else:
            self._refuse_unfinished(unfinished, source.name)
        return True

    def _decoded(self, source: ScriptSource) -> Iterator[str]:
        for number, line in enumerate(source.lines, 1):
            try:
                text = (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).decode()
            except UnicodeDecodeError:
                self._screen.error(self._own("client_not_utf8"), f"{source.name}:{number}: ")
                raise _StopError(EXIT_STATEMENT_FAILED) from None
            yield text

    def _run_statement(self, statement: Statement, name: str) -> None:
        location = f"{name}:{statement.line}: "
        try:
            end = self._screen.answer(self._session.run(statement.text), self._session.spoken)
        except SessionError as error:
            self._screen.error(f"{self._own(error.key, **error.params)} ({error.sqlstate})", location)
            is_statement = isinstance(error, LostError) and error.key in _STATEMENT_LOSSES
            raise _StopError(EXIT_STATEMENT_FAILED if is_statement else EXIT_USAGE) from error
        except NotDirkError as error:
            self._screen.error(self._own("client_not_dirk", address=str(self._session.address), line=error.line))
            raise _StopError(EXIT_USAGE) from error
        if end.is_error:
            self._failed(end.message, f"{name}:{statement.line + (end.line or 1) - 1}: ")

    def _refuse_unfinished(self, unfinished: Unfinished, name: str) -> None:
        key = "client_unclosed" if unfinished.inside else "client_unfinished"
        self._failed(self._own(key, inside=unfinished.inside), f"{name}:{unfinished.line}: ")

    def _failed(self, text: str, location: str) -> None:
        self._screen.error(text, location)
        self._status = EXIT_STATEMENT_FAILED
        if not self._keeps_going:
            raise _StopError(self._status)

    def _interrupted(self) -> int:
        cancelled = self._session.cancel()
        if cancelled is not None and cancelled.is_outcome_unknown:
            self._screen.error(self._own("client_cancelled_write", id=cancelled.request.request_id))
        return _INTERRUPTED

    def _own(self, key: str, **params: str) -> str:
        return sentence(key, self._session.spoken, params)


def run_script(options: ClientOptions, session: Session, screen: Screen) -> int:
    """Run what `options` names (the standard input when it names nothing); the exit status."""
    script = Script(session, screen, keeps_going=options.keeps_going)
    try:
        return script.run(_sources(options))
    except _UnreadableError as error:
        params = {"file": error.file, "reason": error.reason}
        screen.error("dirk-client: " + sentence("client_no_file", session.spoken, params))
        return EXIT_USAGE


class _UnreadableError(Exception):
    """A file of the command line that cannot be read."""

    def __init__(self, file: str, error: OSError) -> None:
        super().__init__(file)
        self.file = file
        self.reason = os.strerror(error.errno) if error.errno else str(error)


def _sources(options: ClientOptions) -> Iterator[ScriptSource]:
    for number, text in enumerate(options.statements, 1):
        name = "<-e>" if len(options.statements) == 1 else f"<-e {number}>"
        lines = [line + b"\n" for line in os.fsencode(text).split(b"\n")]
        yield ScriptSource(name, lines, is_whole=True)
    files = options.files or (() if options.statements else ("-",))
    for file in files:
        yield ScriptSource(STDIN_NAME if file == "-" else file, _lines_of(file))


def _lines_of(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from sys.stdin.buffer
        return
    try:
        with open(file, "rb") as stream:  # noqa: PTH123 (starts faster without pathlib)
            yield from stream
    except OSError as error:
        raise _UnreadableError(file, error) from error
