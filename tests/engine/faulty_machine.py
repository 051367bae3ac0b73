"""System calls that fail on demand, for the files of one database: SQLite's own, and Python's that the engine makes.

SQLite's ordinary VFS takes its system calls from a table (`xSetSystemCall`): here it is given ones that count, and that
fail from the n-th on for as long as they are told to. The VFS itself, its WAL and its shared memory are the real ones.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import apsw

_SSIZE, _INT, _VOID, _SIZE, _LONG = (
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long
)  # fmt: skip
_libc = ctypes.CDLL(None, use_errno=True)
#: Call → its C type, and where the descriptor (or the path) stands among its arguments.
_CALLS: dict[str, tuple[tuple[Any, ...], str]] = {
    "open": ((_INT, ctypes.c_char_p, _INT, _INT), "path"),
    "pread64": ((_SSIZE, _INT, _VOID, _SIZE, _LONG), "descriptor"),
    "pwrite64": ((_SSIZE, _INT, _VOID, _SIZE, _LONG), "descriptor"),
    "ftruncate": ((_INT, _INT, _LONG), "descriptor"),
    "fstat": ((_INT, _INT, _VOID), "descriptor"),
    "unlink": ((_INT, ctypes.c_char_p), "path"),
}
_WRITES = frozenset(("pwrite64", "ftruncate", "write", "rename", "open for writing"))


@dataclass(frozen=True)
class Fault:
    """A trouble of the machine: which calls it hits, and the error that they give (0: reads give other bytes)."""

    name: str
    calls: frozenset[str] | None
    number: int

    def hits(self, call: str) -> bool:
        """Whether a call is one that fails."""
        return self.calls is None or call in self.calls


FAULTS = (
    Fault("IOERR", frozenset(("pread64", "pwrite64", "ftruncate", "fstat", "write", "read", "rename")), errno.EIO),
    Fault("FULL", _WRITES, errno.ENOSPC),
    Fault("CANTOPEN", frozenset(("open", "open for writing", "read", "rename", "unlink")), errno.EACCES),
    Fault("CORRUPT", frozenset(("pread64",)), 0),
    Fault("GONE", frozenset(("open", "open for writing", "read", "rename", "unlink", "exists")), errno.ENOENT),
)


class FaultyMachine:
    """Counts the calls on files whose path holds `mark`; from call `first` on, those that `fault` hits fail."""

    def __init__(self, mark: str) -> None:
        self.calls = 0
        self.failed = 0
        self._mark = mark
        self._fault: Fault | None = None
        self._first = 0

    @contextmanager
    def failing(self, fault: Fault | None, first: int) -> Iterator[None]:
        """Count from 1, and fail from call number `first` on, until the body ends."""
        self.calls = self.failed = 0
        self._fault, self._first = fault, first
        try:
            yield
        finally:
            self._fault = None

    def error(self, call: str, path: str) -> int | None:
        """The error that a call gives now; None when it is made."""
        fault = self._fault
        if self._mark not in path or fault is None or not fault.hits(call):
            return None
        self.calls += 1
        if self.calls < self._first:
            return None
        self.failed += 1
        return fault.number

    # --- SQLite's calls --------------------------------------------------------------------------------------

    @contextmanager
    def installed(self) -> Iterator[None]:
        """SQLite and Python make their calls here."""
        disk = _Disk("faulty-machine", "unix")
        kept: list[Any] = []
        for name, (types, subject) in _CALLS.items():
            function = ctypes.CFUNCTYPE(types[0], *types[1:], use_errno=True)(self._replaced(name, types, subject))
            kept.append(function)
            address = ctypes.cast(function, _VOID).value
            assert disk.xSetSystemCall(name, address), name
        undo = _patched(self)
        try:
            yield
        finally:
            undo()
            disk.xSetSystemCall(None, 0)
            disk.unregister()

    def _replaced(self, name: str, types: tuple[Any, ...], subject: str) -> Callable[..., int]:
        real = getattr(_libc, name)
        real.restype, real.argtypes = types[0], list(types[1:])

        def call(first: Any, *rest: Any) -> int:
            path = os.fsdecode(first or b"") if subject == "path" else _path_of(first)
            failure = self.error(name, path)
            if failure:
                ctypes.set_errno(failure)
                return -1
            result: int = real(first, *rest)
            if failure == 0 and result > 0:
                ctypes.memset(rest[0], 0x55, result)
            return result

        return call


class _Disk(apsw.VFS):
    """The ordinary VFS under another name: its calls are the process's."""


def _path_of(descriptor: int) -> str:
    try:
        return str(pathlib.Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


# --- Python's calls --------------------------------------------------------------------------------------------


def _patched(machine: FaultyMachine) -> Callable[[], None]:
    """Have pathlib's calls, as the engine makes them, asked first; what puts them back."""
    before: list[tuple[str, Any]] = []

    def guard(name: str, call_of: Callable[..., str]) -> None:
        plain = getattr(pathlib.Path, name)
        before.append((name, plain))

        def guarded(path: pathlib.Path, *words: Any, **named: Any) -> Any:
            failure = machine.error(call_of(*words, **named), str(path))
            if failure == errno.ENOENT and named.get("missing_ok"):
                return None
            if failure:
                raise OSError(failure, os.strerror(failure), str(path))
            return plain(path, *words, **named)

        setattr(pathlib.Path, name, guarded)

    def opened(mode: str = "r", *_: Any, **__: Any) -> str:
        return "read" if mode.startswith("r") and "+" not in mode else "open for writing"

    guard("open", opened)
    guard("rename", lambda *_: "rename")
    guard("unlink", lambda *_, **__: "unlink")
    guard("stat", lambda *_, **__: "read")

    def undo() -> None:
        for name, plain in before:
            setattr(pathlib.Path, name, plain)

    return undo
