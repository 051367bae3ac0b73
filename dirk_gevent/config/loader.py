"""config.json: read strictly, checked whole, refused by the path of what is wrong.

Keys are camelCase in the file and carry their unit. Relative directories are relative to the file.
`load` is the way in; the dataclasses it fills are those of `settings`.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from dirk_gevent.base import addresses
from dirk_gevent.config import check, strict_json
from dirk_gevent.config.fields import ReadChoice, read, read_whole
from dirk_gevent.config.settings import (
    CacheSettings,
    Config,
    Instance,
    Limits,
    LoadBalancer,
    LogSettings,
    ReadRouting,
    Replication,
    Role,
    Routing,
    WriteRouting,
)
from dirk_gevent.config.strict_json import Choice, ConfigError, Section
from dirk_gevent.messages.texts import LANGUAGES

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check the file at `path`; `DIRK_LANG` of `environ` (the process's own) outweighs its `language`.

    ConfigError, one sentence that begins with the key's path, for anything that is wrong.
    """
    given = os.environ if environ is None else environ
    root = Section(strict_json.parse(path))
    version = root.whole("configVersion", None, least=1, most=2)
    base = path.resolve().parent
    language = _language(root.text("language", LANGUAGES[0]), "language")
    if given.get("DIRK_LANG"):
        language = _language(given["DIRK_LANG"], "DIRK_LANG")
    old = _Version1() if version == 1 else None
    replication = root.section("replication")
    config = Config(
        path=path.resolve(),
        version=version,
        language=language,
        load_balancer=_load_balancer(root),
        instances=tuple(_instance(section, base) for section in root.sections("instances")),
        routing=_routing(root.section("routing"), _lenient(old) if old else _strict),
        replication=old.replication(replication) if old else read(replication, Replication, _strict),
        log=_log(root.section("log"), base),
        limits=read(root.section("limits"), Limits, _strict),
        cache=read(root.section("cache"), CacheSettings, _strict),
    )
    root.finish()
    check.check(config)
    return replace(config, notices=(*(old.notices(config) if old else ()), *check.notices(config)))


def load_named(option: str | None) -> Config:
    """The config that `--config`, the environment or this directory names; a ConfigError's sentence names the file."""
    path = find(option)
    try:
        return load(path)
    except ConfigError as error:
        is_searched = not option and not os.environ.get("DIRK_CONFIG_PATH") and not path.exists()
        hint = f" in {Path.cwd()}; name one with --config FILE or in DIRK_CONFIG_PATH" if is_searched else ""
        raise ConfigError(f"{strict_json.printable(str(path))}: {error}{hint}") from None


def find(option: str | None, environ: Mapping[str, str] | None = None) -> Path:
    """The config file's path: `--config`, else `DIRK_CONFIG_PATH`, else `./config.json`."""
    given = os.environ if environ is None else environ
    return Path(option or given.get("DIRK_CONFIG_PATH") or "config.json")


class _Version1:
    """Reads what only version 1 files have, and says how it is read now."""

    def __init__(self) -> None:
        self._own: list[str] = []

    def knows(self, section: Section, key: str, choices: type[Choice]) -> bool:
        """True when the value under `key` is one of `choices`; a notice when it is not."""
        value = section.raw(key)
        if any(choice.value == value for choice in choices):
            return True
        self._own.append(f"{section.path(key)}: {strict_json.shown(value)} is not known here, the default holds")
        return False

    def replication(self, section: Section) -> Replication:
        """Version 1 copied files at an interval; entries now follow at once, so none of it is used."""
        replication = Replication()
        if section.has("type"):
            shown = strict_json.shown(section.raw("type"))
            self._own.append(f"replication.type: {shown} is read as {replication.type}, every master replays one log")
        if section.has("intervalSeconds"):
            given = section.number("intervalSeconds", 1.0, least=0.0, most=86_400.0)
            self._own.append(
                f"replication.intervalSeconds: {given:g} is not used, entries follow at once; "
                f"heartbeats come every {replication.interval_seconds:g} s"
            )
        if section.has("tombstone"):
            self._own.append("replication.tombstone: is not used, the log itself keeps what was dropped")
        section.finish()
        return replication

    def notices(self, config: Config) -> tuple[str, ...]:
        """One sentence for each setting, the file's own surprises last."""
        reads, writes = config.routing.reads, config.routing.writes
        roles = ", ".join(reads.include_roles)
        directories = ", ".join(str(instance.data_directory) for instance in config.instances)
        return (
            f"{config.path} is version 1; docs/configuration.md shows the same settings as version 2",
            *([_listening(config.load_balancer)] if config.load_balancer else []),
            f"instances[].dataDirectory: relative to the file, so {directories}",
            f"routing.reads: {reads.strategy} among the nodes that are fresh enough, of role {roles}",
            f"routing.writes: {writes.mode} by {writes.partition} and {writes.hash} says whose outcome is awaited, "
            "every master applies every write",
            f"log: kept in {config.log.directory}",
            *self._own,
        )


def _listening(found: LoadBalancer) -> str:
    return f"loadBalancer: the proxy listens on {found.listen_host}:{found.listen_port} and holds the log"


def _language(value: str, path: str) -> str:
    if value not in LANGUAGES:
        raise ConfigError(f"{path}: {strict_json.shown(value)} is not one of {', '.join(LANGUAGES)}")
    return value


def _load_balancer(root: Section) -> LoadBalancer | None:
    if not root.has("loadBalancer") or root.raw("loadBalancer") is None:
        return None
    section = root.section("loadBalancer")
    default = LoadBalancer()
    balancer = LoadBalancer(
        listen_host=_host(section, "listenHost", default.listen_host),
        listen_port=read_whole(section, LoadBalancer, "listen_port", default.listen_port),
        host=_reached_host(section),
    )
    section.finish()
    return balancer


def _instance(section: Section, base: Path) -> Instance:
    name = section.text("id")
    if not _ID.fullmatch(name):
        raise ConfigError(
            f"{section.path('id')}: {strict_json.shown(name)} is not 1 to 64 letters, digits, '_', '.' or '-'"
        )
    is_apart = section.has("listenHost")
    instance = Instance(
        id=name,
        role=section.choice("role", Role, Role.MASTER),
        host=(is_apart and _reached_host(section)) or _host(section, "host", "127.0.0.1"),
        port=read_whole(section, Instance, "port"),
        data_directory=_directory(section, "dataDirectory", f"data/{name}", base),
        listen_host=_host(section, "listenHost", "127.0.0.1") if is_apart else "",
    )
    section.finish()
    return instance


def _host(section: Section, key: str, default: str) -> str:
    """A host as `dirk_gevent.base.addresses` takes it."""
    value = section.text(key, default)
    if fault := addresses.fault_of(value):
        raise ConfigError(f"{section.path(key)}: {strict_json.shown(value)} {fault}")
    return value


def _reached_host(section: Section) -> str:
    """The `host` beside a `listenHost`: where others connect to; empty when it is not given."""
    if not section.has("host"):
        return ""
    value = _host(section, "host", "")
    if addresses.is_every(value):
        shown = strict_json.shown(value)
        raise ConfigError(f"{section.path('host')}: {shown} is no address to connect to; it belongs in listenHost")
    return value


def _directory(section: Section, key: str, default: str, base: Path) -> Path:
    value = section.text(key, default)
    try:
        path = (base / Path(value).expanduser()).resolve()
        _refuse_circle(path)
        return path
    except (RuntimeError, OSError) as error:
        # A user without a home directory, links that go in a circle: the reason names them.
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{section.path(key)}: {strict_json.shown(value)}: {(reason or '').lower()}") from None


def _refuse_circle(path: Path) -> None:
    """Raise OSError for links that go in a circle: from 3.13 on `resolve` says nothing of them."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise


def _strict(section: Section, key: str, default: Choice) -> Choice:
    """The enumeration's member under `key`."""
    return section.choice(key, type(default), default)


def _lenient(old: _Version1) -> ReadChoice:
    """`_strict`, but the default with a notice for an unknown one: a version 1 file loads as it is."""

    def choice(section: Section, key: str, default: StrEnum) -> StrEnum:
        is_known = not section.has(key) or old.knows(section, key, type(default))
        return section.choice(key, type(default), default) if is_known else default

    return choice


def _routing(section: Section, choice: ReadChoice) -> Routing:
    reads = section.section("reads")
    roles = _roles(reads) if reads.has("includeRoles") else ReadRouting().include_roles
    routing = Routing(
        reads=read(reads, ReadRouting, choice, include_roles=roles),
        writes=read(section.section("writes"), WriteRouting, choice),
    )
    section.finish()
    return routing


def _roles(section: Section) -> tuple[Role, ...]:
    path, value = section.path("includeRoles"), section.raw("includeRoles")
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{path}: {strict_json.shown(value)} is not a list of at least one role")
    roles = [strict_json.member(item, Role, f"{path}[{position}]") for position, item in enumerate(value)]
    return tuple(dict.fromkeys(roles))


def _log(section: Section, base: Path) -> LogSettings:
    directory = _directory(section, "directory", str(LogSettings().directory), base)
    return read(section, LogSettings, _strict, directory=directory)
