"""The three standard streams of a program: never closed, and reopened when a log file was moved away.

A closed one would be taken by the first file or connection that is opened: log lines would go into that.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

_IN, _OUT, _ERR = 0, 1, 2


def open_closed_streams() -> None:
    """Put the null device where a standard stream is closed, before anything else is opened.

    Nothing comes from such an input, and what goes to such an error stream is gone. A result that goes to a closed
    output is an error of whoever writes it (EBADF), not lost without a word.
    """
    for number, mode in ((_IN, os.O_RDONLY), (_OUT, os.O_RDONLY), (_ERR, os.O_WRONLY)):
        if not _is_open(number):
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
    # Python has None for a stream that was closed when it began.
    if sys.stdin is None:
        sys.stdin = open(_IN, encoding="utf-8", closefd=False)  # noqa: SIM115 - it is for the process's life
    if sys.stdout is None:
        sys.stdout = open(_OUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(_ERR, "w", encoding="utf-8", closefd=False, errors="backslashreplace")  # noqa: SIM115


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


class LogFiles:
    """The files that the standard output and error stream are appended to, as they are named when it is made."""

    def __init__(self) -> None:
        self._paths = {number: path for number in (_OUT, _ERR) if (path := _path_of(number)) is not None}

    def reopen(self) -> None:
        """Go on in a new file where one was moved or removed; where that cannot be opened, in the old one."""
        for number, path in self._paths.items():
            with suppress(OSError):
                if _is_at(number, path):
                    continue
                opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
                os.dup2(opened, number)
                os.close(opened)


def _path_of(number: int) -> Path | None:
    """The path of the regular file that a stream writes to; None when it is no file, or has no name any more."""
    with suppress(OSError):
        path = Path(f"/proc/self/fd/{number}").readlink()
        if _is_at(number, path):
            return path
    return None


def _is_at(number: int, path: Path) -> bool:
    own = os.fstat(number)
    return stat.S_ISREG(own.st_mode) and path.is_file() and os.path.samestat(own, path.stat())


class HangUp:
    """The meaning of SIGHUP to a program that serves: log files are reopened, unless its terminal is gone.

    `is_terminal_gone` is for whoever was started at a terminal that has been closed: it ends as after SIGTERM.
    """

    def __init__(self) -> None:
        self._files = LogFiles()
        self._terminal = next((number for number in (_ERR, _IN, _OUT) if os.isatty(number)), None)

    def is_terminal_gone(self) -> bool:
        """True when the terminal that this program was started at has been closed."""
        return self._terminal is not None and not os.isatty(self._terminal)

    def reopen(self) -> None:
        """Reopen the log files."""
        self._files.reopen()


def serve_signals() -> None:
    """From here on SIGHUP reopens log files (or ends the program as SIGTERM does, when its terminal is gone), and
    SIGUSR1 and SIGUSR2, which other servers give a meaning to, do nothing.
    """
    hang_up = HangUp()

    def on_hang_up(_number: int, _frame: FrameType | None) -> None:
        if hang_up.is_terminal_gone():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            hang_up.reopen()

    signal.signal(signal.SIGHUP, on_hang_up)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda _number, _frame: None)
