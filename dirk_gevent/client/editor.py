"""Reading what a person types: prompt_toolkit where the terminal can, plain lines where it cannot.

prompt_toolkit takes longer to import than everything else together, so the prompt is painted first and the import
happens while the person reads it; keys pressed meanwhile wait in the terminal and are read then.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dirk_gevent.driver.client_splitter import is_complete

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import AnyFormattedText
    from prompt_toolkit.key_binding import KeyBindings

_READ_BYTES = 4096

#: Stands before the second and later lines of a statement.
CONTINUATION = " " * 8 + "> "

# With a colour the prompt's last space is written too, not skipped over: programs that drive the client wait for it.
_PROMPT_STYLE = "ansicyan"

# The terminal's own sixteen colours, which its owner made readable, dark or light.
_COLOURS = {
    "pygments.keyword": "ansiblue bold",
    "pygments.keyword.type": "ansiblue nobold",
    "pygments.literal.string": "ansigreen",
    "pygments.literal.number": "ansimagenta",
    "pygments.comment": "ansibrightblack",
}


class Editor(Protocol):
    """Reads one text: a whole statement where several lines can be edited at once, else a line.

    `echoes_interrupt`: the terminal shows `^C` for a Ctrl-C while a statement runs, and leaves its line open.
    """

    echoes_interrupt: bool

    def read(self, prompt: str, *, is_pending: bool) -> str:
        """The text. Raises EOFError when the person leaves (Ctrl-D), KeyboardInterrupt for Ctrl-C."""


@contextmanager
def open_editor(*, interrupt_leaves: bool = False) -> Iterator[Editor]:
    """The editor that suits the terminal. `interrupt_leaves`: Ctrl-C where nothing is typed is like Ctrl-D."""
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        yield PlainEditor(interrupt_leaves=interrupt_leaves)
        return
    with _keys_kept():
        yield FullEditor(interrupt_leaves=interrupt_leaves)


@contextmanager
def _keys_kept() -> Iterator[None]:
    """Between prompts too, keys wait as they were pressed: no echo amid results, and Ctrl-D is not swallowed.

    Ctrl-C still is a signal then. What the terminal was is restored at the end.
    """
    import termios

    saved = termios.tcgetattr(sys.stdin)
    kept = termios.tcgetattr(sys.stdin)
    kept[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, kept)
    try:
        yield
    finally:
        with suppress(termios.error):  # a terminal that is gone, or another program's by now
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)


class PlainEditor:
    """Line by line, for terminals that cannot move the cursor."""

    echoes_interrupt = True

    def __init__(self, *, interrupt_leaves: bool) -> None:
        self._interrupt_leaves = interrupt_leaves
        self._typed = b""

    def read(self, prompt: str, *, is_pending: bool) -> str:
        """One line."""
        try:
            with _signals_wake() as woken:
                print(CONTINUATION if is_pending else prompt, end="", flush=True)
                return self._line(woken)
        except KeyboardInterrupt:
            self._typed = b""
            print()
            if self._interrupt_leaves and not is_pending:
                raise EOFError from None
            raise


    def _line(self, woken: int) -> str:
        """Input typed until Enter. Raises EOFError for Ctrl-D on an empty line."""
        keys = sys.stdin.fileno()
        while b"\n" not in self._typed:
            if keys not in select.select([keys, woken], [], [])[0]:
                os.read(woken, _READ_BYTES)
                continue
            piece = os.read(keys, _READ_BYTES)
            if not piece and not self._typed:
                print()
                raise EOFError
            self._typed += piece or b"\n"
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode(errors="replace")


@contextmanager
def _signals_wake() -> Iterator[int]:
    """A descriptor that a signal makes readable: one that comes just before `select` ends the wait, too.

    `input()` would sleep through a Ctrl-C of that moment until the next key.
    """
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    before = signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    try:
        yield woken
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(waking)


class FullEditor:
    """Whole statements with history, completion and colours; Enter sends what is complete."""

    echoes_interrupt = False

    def __init__(self, *, interrupt_leaves: bool) -> None:
        self._interrupt_leaves = interrupt_leaves
        self._session: PromptSession[str] | None = None

    def read(self, prompt: str, *, is_pending: bool) -> str:
        """One text, complete unless the person forced it with Alt-Enter."""
        message = CONTINUATION if is_pending else prompt
        try:
            if self._session is None:
                self._session = _first_session(message)
            return self._session.prompt([(_PROMPT_STYLE, message)])
        except KeyboardInterrupt:
            typed = self._session.default_buffer.text if self._session is not None else ""
            if self._interrupt_leaves and not is_pending and not typed:
                raise EOFError from None
            raise


def _first_session(message: str) -> PromptSession[str]:
    """Load what reads from the terminal, with the prompt there already: a Ctrl-C meanwhile counts after it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        sys.stdout.write(message)
        sys.stdout.flush()
        return _prompt_session()
    finally:
        sys.stdout.write("\r")
        sys.stdout.flush()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _prompt_session() -> PromptSession[str]:
    import gc

    # Importing allocates much and frees nothing: without collections it takes a sixth less time.
    gc.disable()
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, InMemoryHistory
    from prompt_toolkit.lexers import DynamicLexer
    from prompt_toolkit.output.vt100 import Vt100_Output
    from prompt_toolkit.styles import Style

    gc.enable()
    output = Vt100_Output.from_pty(sys.stdout)
    # No questions to the terminal about its cursor: one that does not answer would get a warning in its place.
    output.enable_cpr = False
    file = history_file()
    return PromptSession(
        history=FileHistory(file) if file is not None else InMemoryHistory(),
        multiline=True,
        prompt_continuation=_continuation,
        key_bindings=_bindings(),
        lexer=DynamicLexer(_lexer),
        style=Style.from_dict(_COLOURS),
        include_default_pygments_style=False,
        enable_suspend=True,
        completer=_completer(),
        complete_while_typing=False,
        output=output,
    )


def _continuation(_width: int, _line: int, wrap_count: int) -> AnyFormattedText:
    """The prompt before a line that is not the first: blanks where the terminal only was too narrow for a line."""
    return [(_PROMPT_STYLE, " " * len(CONTINUATION) if wrap_count else CONTINUATION)]


def _bindings() -> KeyBindings:
    from prompt_toolkit.enums import DEFAULT_BUFFER
    from prompt_toolkit.filters import has_focus
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    @bindings.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def send_or_go_on(event: Any) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return bindings


def _lexer() -> Any:
    """The highlighter, loaded when the first line is drawn."""
    from prompt_toolkit.lexers import PygmentsLexer

    from dirk_gevent.client.highlighter import DirkLexer

    return PygmentsLexer(DirkLexer)


def _completer() -> Completer:
    """Keywords and functions, in the case that the word was begun in; loaded at the first Tab."""
    from prompt_toolkit.completion import Completer, Completion

    class Words(Completer):
        def get_completions(self, document: Document, _event: object) -> Iterator[Completion]:
            from dirk_gevent.client.highlighter import COMPLETIONS

            begun = document.get_word_before_cursor()
            for word in COMPLETIONS if begun else ():
                if word.startswith(begun.lower()):
                    yield Completion(word.upper() if begun.isupper() else word, -len(begun))

    return Words()


def history_file() -> Path | None:
    """The history's file under XDG_STATE_HOME, made readable for its owner alone; None when it can't be."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    file = Path(state).expanduser() / "dirkdb" / "history"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except (OSError, RuntimeError):
        return None
    return file
