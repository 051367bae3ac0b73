"""The prompt: read a statement, run it, show its answer, until the person leaves."""

from __future__ import annotations

from dirk_gevent.client.editor import Editor
from dirk_gevent.client.screen import Screen
from dirk_gevent.driver.answers import NotDirkError
from dirk_gevent.driver.client_splitter import Statement, StatementReader, Word
from dirk_gevent.driver.client_texts import sentence
from dirk_gevent.driver.requests import SessionError
from dirk_gevent.driver.session import Session

#: What the prompt names before a database is chosen.
NO_DATABASE = "DirkDB"


class Repl:
    """One person's dialogue with the server."""

    def __init__(self, session: Session, screen: Screen, editor: Editor) -> None:
        self._session = session
        self._screen = screen
        self._editor = editor
        self._reader = StatementReader()

    def run(self) -> None:
        """Go on until the person leaves: `miala`, Ctrl-D."""
        while True:
            try:
                text = self._editor.read(self._prompt(), is_pending=self._reader.is_pending)
            except KeyboardInterrupt:
                self._reader.finish()
                continue
            except EOFError:
                return
            if not self._run_text(text):
                return

    def _run_statement(self, statement: str) -> None:
        """Run one statement and show what came of it. Ctrl-C gives it up, and goes on to the caller."""
        try:
            end = self._screen.answer(self._session.run(statement), self._session.spoken)
        except KeyboardInterrupt:
            self._cancelled()
            raise
        except SessionError as error:
            self._screen.error(f"{self._own(error.key, **error.params)} ({error.sqlstate})")
        except NotDirkError as error:
            self._session.cancel()
            self._screen.error(self._own("client_not_dirk", address=str(self._session.address), line=error.line))
        else:
            if end.is_error:
                self._screen.error(end.message)

    def _prompt(self) -> str:
        return f"|{self._session.database or NO_DATABASE}> "

    def _run_text(self, text: str) -> bool:
        """Run all that `text` completes; False when the person leaves. Ctrl-C drops what was not run yet."""
        try:
            for line in text.split("\n"):
                for item in self._reader.feed(line + "\n"):
                    if item is Word.LEAVE:
                        return False
                    if isinstance(item, Statement):
                        self._run_statement(item.text)
                    elif item is Word.HELP:
                        self._screen.notice(self._own("client_help"))
                    else:
                        self._screen.clear()
        except KeyboardInterrupt:
            self._reader = StatementReader()
        return True

    def _cancelled(self) -> None:
        cancelled = self._session.cancel()
        line_end = "\n" if self._editor.echoes_interrupt else ""
        if cancelled is None or not (cancelled.is_outcome_unknown or cancelled.lost_transaction):
            self._screen.notice(line_end + self._own("client_cancelled"))
        elif cancelled.is_outcome_unknown:
            self._screen.error(line_end + self._own("client_cancelled_write", id=cancelled.request.request_id))
        else:
            self._screen.error(line_end + self._own("client_cancelled_transaction"))

    def _own(self, key: str, **params: str) -> str:
        return sentence(key, self._session.spoken, params)
