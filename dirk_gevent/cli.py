"""The programs' command lines: usage, arguments, exit status. Each program imports only what it runs.

Exit status: 0 it did its work, 1 it failed while running, 2 it could not begin (a wrong argument, a bad config,
an unknown id, an address in use), always with one sentence on stderr. The client has its own (3: a script's error).
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dirk_gevent import __version__
from dirk_gevent.base.addresses import fault_of, reachable
from dirk_gevent.base.files import make_directory
from dirk_gevent.base.startup import CannotStartError, plain_reason
from dirk_gevent.base.streams import open_closed_streams, serve_signals
from dirk_gevent.config.strict_json import printable
from dirk_gevent.messages.error_text import sentence
from dirk_parser.errors import SqlError

if TYPE_CHECKING:
    from dirk_gevent.config.settings import Config

_COMMON = """
  -c, --config FILE  The settings; else DIRK_CONFIG_PATH, else ./config.json.
  -h, --help         Show this and leave.
  --version          Show the version and leave."""

SERVER_USAGE = f"""dirk-server: one node; applies the log, answers reads, says how each write ended.

Usage:
  dirk-server [ID] [--config FILE]
  dirk-server (-h | --help | --version)

ID is one of the config's instances; else DIRK_INSTANCE_ID.

Options:{_COMMON}

Example: dirk-server m1
"""

PROXY_USAGE = f"""dirk-proxy: where clients connect; routes reads, gives writes their order, holds the log.

Usage:
  dirk-proxy [--config FILE]
  dirk-proxy (-h | --help | --version)

Options:{_COMMON}
"""

CACHE_USAGE = f"""dirk-cache: answers repeated reads near the client and drops what the log says has changed.

Usage:
  dirk-cache [HOST [PORT [LISTEN_PORT [TTL_MS [ENTRIES]]]]] [--config FILE]
  dirk-cache (-h | --help | --version)

HOST and PORT are the proxy's: the config's loadBalancer, else 127.0.0.1 3949. It listens on LISTEN_PORT (3951),
keeps an answer TTL_MS milliseconds (3000) and at most ENTRIES answers (200). A config file is not needed.

Options:{_COMMON}

Example: dirk-cache 127.0.0.1 3949 3951 3000 200
"""

UP_USAGE = f"""dirk-up: the whole cluster of a config on this machine, and a prompt when there is a terminal.

Usage:
  dirk-up [--config FILE] [--cache-port PORT]
  dirk-up (-h | --help | --version)

Starts every instance, the proxy and the cache, and opens the client on the cache. miala or Ctrl-C stops all of it.
Without a terminal it runs until SIGTERM.

Options:
  --cache-port PORT  Where the cache listens [default: 3951].{_COMMON}
"""

_MAX_PORT = 65_535
_MOST_DIGITS = 100
#: What shells say of a program that Ctrl-C ended.
_INTERRUPTED = 130
#: What a write to the standard output fails with; files name themselves, and connections fail otherwise.
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `PROGRAM ARGUMENTS…` (server, proxy, cache, client, admin, up); the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    program = _PROGRAMS.get(words[0]) if words else None
    if program is None:
        return _refuse("dirk", f"name a program: {', '.join(_PROGRAMS)}")
    return program(words[1:])


def server(argv: Sequence[str] | None = None) -> int:
    """`dirk-server`."""
    return _guarded("dirk-server", SERVER_USAGE, argv, _serving(_server))


def proxy(argv: Sequence[str] | None = None) -> int:
    """`dirk-proxy`."""
    return _guarded("dirk-proxy", PROXY_USAGE, argv, _serving(_proxy))


def cache(argv: Sequence[str] | None = None) -> int:
    """`dirk-cache`."""
    return _guarded("dirk-cache", CACHE_USAGE, argv, _serving(_cache))


def up(argv: Sequence[str] | None = None) -> int:
    """`dirk-up`."""
    return _guarded("dirk-up", UP_USAGE, argv, _serving(_up))


def client(argv: Sequence[str] | None = None) -> int:
    """`dirk-client`: its arguments are its own business."""
    from dirk_gevent.client.usage import parse

    def body() -> int:
        options = parse(_words(argv))
        from dirk_gevent.client.main import main as run

        return run(options)

    return _written("dirk-client", body)


def admin(argv: Sequence[str] | None = None) -> int:
    """`dirk-admin`: its arguments are its own business."""
    from dirk_gevent.admin.usage import UsageError, parse

    def body() -> int:
        try:
            options = parse(_words(argv))
        except UsageError as error:
            return _refuse("dirk-admin", str(error))
        from dirk_gevent.admin.main import main as run

        return run(options)

    return _written("dirk-admin", body)


_PROGRAMS: dict[str, Callable[[Sequence[str] | None], int]] = {
    "server": server,
    "proxy": proxy,
    "cache": cache,
    "client": client,
    "admin": admin,
    "up": up,
}


def _words(argv: Sequence[str] | None) -> list[str]:
    return list(sys.argv[1:] if argv is None else argv)


def _written(name: str, body: Callable[[], int]) -> int:
    """Run `body`; its exit status, or 1 when the standard output takes nothing (a full disk, a reader that left)."""
    open_closed_streams()
    try:
        try:
            status = body()
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS or error.filename is not None:
            raise
        if not isinstance(error, BrokenPipeError):
            _complain(f"{name}: the standard output cannot be written: {plain_reason(error)}")
        # Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _guarded(name: str, usage: str, argv: Sequence[str] | None, body: Callable[[dict[str, Any]], int]) -> int:
    """Parse, run, and turn what stops a program from beginning into its sentence and exit status 2.

    A SqlError comes from the log's directory: locked by another program, damaged, or on a full disk.
    """
    given: list[dict[str, Any]] = []

    def parse() -> int:
        given.append(_arguments(name, usage, _words(argv)))
        return 0

    try:
        status = _written(name, parse)
        return body(given[0]) if given else status
    except CannotStartError as error:
        return _refuse(name, str(error))
    except SqlError as error:
        return _refuse(name, sentence(error.key, "en", error.params))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:
        if error.filename is None:
            raise
        return _refuse(name, f"{printable(str(error.filename))}: {plain_reason(error)}")


def _serving(body: Callable[[dict[str, Any]], int]) -> Callable[[dict[str, Any]], int]:
    """`body` with the meaning that signals have to a server."""

    def served(arguments: dict[str, Any]) -> int:
        serve_signals()
        return body(arguments)

    return served


def _arguments(name: str, usage: str, words: list[str]) -> dict[str, Any]:
    from docopt import DocoptExit, docopt

    try:
        return dict(docopt(usage, words, version=f"{name} {__version__}"))
    except DocoptExit:
        synopsis = usage.split("Usage:\n", 1)[1].splitlines()[0].strip()
        given = f"unknown option or argument: {shlex.join(words)}" if words else "an argument is missing"
        raise CannotStartError(f"{given}; usage: {synopsis}") from None


def _refuse(name: str, sentence: str) -> int:
    _complain(f"{name}: {sentence}")
    return 2


def _complain(line: str) -> None:
    # The exit status tells it, too, where nothing can be written.
    with suppress(OSError):
        print(line, file=sys.stderr)


def _server(arguments: dict[str, Any]) -> int:
    config = _config(arguments)
    ids = ", ".join(instance.id for instance in config.instances)
    node = arguments["ID"] or os.environ.get("DIRK_INSTANCE_ID")
    if not node:
        raise CannotStartError(f"say which instance to be (known: {ids}), as an argument or in DIRK_INSTANCE_ID")
    if all(instance.id != node for instance in config.instances):
        raise CannotStartError(f"{config.path}: no instance has the id {node}; known: {ids}")
    position = next(number for number, instance in enumerate(config.instances) if instance.id == node)
    directory = config.instances[position].data_directory
    _make_directory(config, f"instances[{position}].dataDirectory", directory)
    from dirk_gevent.engine.errors.faults import DirectoryInUse, StorageFault
    from dirk_gevent.node.server import run

    try:
        return run(config, node)
    except DirectoryInUse as error:
        raise CannotStartError(str(error)) from None
    except StorageFault as error:
        raise CannotStartError(f"{directory}: {error}") from None


def _proxy(arguments: dict[str, Any]) -> int:
    config = _config(arguments)
    if config.load_balancer is None:
        raise CannotStartError(f"{config.path}: loadBalancer: is missing, so there is no proxy to start")
    _make_directory(config, "log.directory", config.log.directory)
    from dirk_gevent.proxy.server import run

    return run(config)


def _make_directory(config: Config, key: str, directory: Path) -> None:
    """The directory is there and can be written; CannotStartError naming the key otherwise."""
    try:
        make_directory(directory)
        reason = "" if os.access(directory, os.W_OK | os.X_OK) else "may not be written by this user"
    except FileExistsError:
        reason = "is not a directory"
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
    if reason:
        raise CannotStartError(f"{config.path}: {key}: {directory} {reason}")


def _cache(arguments: dict[str, Any]) -> int:
    config = _config_or_defaults(arguments)
    upstream = config.load_balancer
    host = arguments["HOST"] or (upstream.reached_at if upstream else "127.0.0.1")
    port = _whole(arguments, "PORT", upstream.listen_port if upstream else 3949, 1, _MAX_PORT)
    listen_port = _whole(arguments, "LISTEN_PORT", 3951, 1, _MAX_PORT)
    ttl_ms = _whole(arguments, "TTL_MS", 3000, 1, 86_400_000)
    entries = _whole(arguments, "ENTRIES", 200, 0, 100_000_000)
    from dirk_gevent.cache.server import run

    if fault := fault_of(host):
        raise CannotStartError(f"HOST: {printable(host)} {fault}")
    run(
        config, upstream_host=reachable(host), upstream_port=port, port=listen_port, ttl_ms=ttl_ms, entries=entries
    )
    return 0


def _up(arguments: dict[str, Any]) -> int:
    config = _config(arguments)
    from dirk_gevent.launcher.up import run

    return run(config, _whole(arguments, "--cache-port", 3951, 1, _MAX_PORT))


def _whole(arguments: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = arguments[name]
    if value is None:
        return default
    if not value.isascii() or not value.removeprefix("-").isdigit():
        raise CannotStartError(f"{name}: {value} is not a whole number")
    # Longer ones than Python reads are out of every range, too.
    number = int(value[:_MOST_DIGITS])
    shown = value if len(value) <= _MOST_DIGITS else f"{value[:_MOST_DIGITS]}…"
    if number < least:
        raise CannotStartError(f"{name}: {shown} is below {least}")
    if number > most:
        raise CannotStartError(f"{name}: {shown} is above {most}")
    return number


def _config(arguments: dict[str, Any]) -> Config:
    from dirk_gevent.config import loader, strict_json

    try:
        return loader.load_named(arguments["--config"])
    except strict_json.ConfigError as error:
        raise CannotStartError(str(error)) from None


def _config_or_defaults(arguments: dict[str, Any]) -> Config:
    """The config; the defaults when nobody named one and there is none here."""
    from dirk_gevent.config import settings

    if arguments["--config"] or os.environ.get("DIRK_CONFIG_PATH") or Path("config.json").exists():
        return _config(arguments)
    return settings.Config(path=Path("config.json"), version=2, instances=(), load_balancer=settings.LoadBalancer())


if __name__ == "__main__":
    sys.exit(main())
