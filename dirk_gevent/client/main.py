"""The client as a program: a prompt when a person sits at a terminal, else a script."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import TextIO

from dirk_gevent.client.screen import Screen
from dirk_gevent.client.usage import EXIT_OK, EXIT_OWN_ERROR, EXIT_USAGE, ClientOptions
from dirk_gevent.driver.answers import NotDirkError
from dirk_gevent.driver.client_texts import sentence
from dirk_gevent.driver.dialer import Patience
from dirk_gevent.driver.requests import SessionError
from dirk_gevent.driver.session import Session, use_statement
from dirk_gevent.driver.silence import PROBE

_TERMINATED = 143


def main(options: ClientOptions) -> int:
    """Run the client; its exit status (see `usage.USAGE`). A failure of its own raises, which is status 1.

    KeyboardInterrupt: a Ctrl-C before the prompt, or the script, was there to take it.
    """
    if options.interrupt_leaves:
        # Whoever started it so had a Ctrl-C wait for this moment.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    is_interactive = not (options.statements or options.files) and sys.stdin.isatty() and sys.stdout.isatty()
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_encode(stream)
    screen = Screen(sys.stdout, sys.stderr, options.format, is_interactive=is_interactive)
    session = _session(options, screen)
    try:
        if not _enter(options, session, screen):
            return EXIT_USAGE
        return _interact(options, session, screen) if is_interactive else _run(options, session, screen)
    except BrokenPipeError:
        # Who read our output went away. Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OWN_ERROR
    finally:
        session.close()


def _session(options: ClientOptions, screen: Screen) -> Session:
    def notify(key: str, params: Mapping[str, str]) -> None:
        screen.notice(sentence(key, session.spoken, params))

    session = Session(options.address, options.language, Patience(first_seconds=options.wait_seconds), notify)
    return session


def _enter(options: ClientOptions, session: Session, screen: Screen) -> bool:
    """Connect and choose the database of the command line; says why when it can't."""
    try:
        session.connect()
        if options.database is None:
            return True
        end = session.run(use_statement(options.database)).end
    except SessionError as error:
        text = sentence(error.key, session.spoken, error.params)
    except NotDirkError as error:
        params = {"address": str(session.address), "line": error.line}
        text = sentence("client_not_dirk", session.spoken, params)
    else:
        text = end.message
        if not end.is_error:
            return True
    screen.error(f"dirk-client: {text}")
    return False


def _run(options: ClientOptions, session: Session, screen: Screen) -> int:
    from dirk_gevent.client.script import run_script

    return run_script(options, session, screen)


def _interact(options: ClientOptions, session: Session, screen: Screen) -> int:
    from dirk_gevent import __version__
    from dirk_gevent.client.editor import open_editor
    from dirk_gevent.client.repl import Repl

    # prompt_toolkit gives the terminal back on the way out, so these must be a way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    _learn_language(session)
    params = {"version": __version__, "address": str(session.address)}
    screen.notice(sentence("client_welcome", session.spoken, params))
    with open_editor(interrupt_leaves=options.interrupt_leaves) as editor:
        Repl(session, screen, editor).run()
    return EXIT_OK


def _learn_language(session: Session) -> None:
    """Ask in which language the server speaks, unless that is known: the welcome is to be in it, too.

    What goes wrong is told when the first statement meets it.
    """
    if session.spoken is None:
        with contextlib.suppress(SessionError, NotDirkError):
            _ = session.run(PROBE).end


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(_TERMINATED)


def _never_fail_to_encode(stream: TextIO) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
