"""config.json: read strictly, checked whole, refused by the path of what is wrong.

Keys are camelCase in the file and carry their unit. Relative directories are relative to the file.
`load` is the way in; the dataclasses it fills are those of `dirk_gevent.settings`, importable from here too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dirk_gevent import config_json
from dirk_gevent.catalogue import LANGUAGES
from dirk_gevent.config_json import Choice, ConfigError, Section
from dirk_gevent.settings import (
    CacheSettings,
    Config,
    Hash,
    Instance,
    Limits,
    LoadBalancer,
    LogSettings,
    LogType,
    Partition,
    Reads,
    ReadStrategy,
    Replication,
    ReplicationType,
    Role,
    Routing,
    WriteMode,
    Writes,
)

__all__ = [
    "CacheSettings",
    "Config",
    "ConfigError",
    "Hash",
    "Instance",
    "Limits",
    "LoadBalancer",
    "LogSettings",
    "LogType",
    "Partition",
    "ReadStrategy",
    "Reads",
    "Replication",
    "ReplicationType",
    "Role",
    "Routing",
    "WriteMode",
    "Writes",
    "find",
    "load",
]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_GIB = 1024**3


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check the file at `path`; `DIRK_LANG` of `environ` (the process's own) outweighs its `language`.

    ConfigError, one sentence that begins with the key's path, for anything that is wrong.
    """
    given = os.environ if environ is None else environ
    root = Section(config_json.parse(path))
    version = root.whole("configVersion", None, least=1, most=2)
    base = path.resolve().parent
    language = _language(root.text("language", LANGUAGES[0]), "language")
    if given.get("DIRK_LANG"):
        language = _language(given["DIRK_LANG"], "DIRK_LANG")
    old = _Version1() if version == 1 else None
    config = Config(
        path=path.resolve(),
        version=version,
        language=language,
        load_balancer=_load_balancer(root),
        instances=tuple(_instance(section, base) for section in root.sections("instances")),
        routing=_routing(root.section("routing"), old),
        replication=_replication(root.section("replication"), old),
        log=_log(root.section("log"), base),
        limits=_limits(root.section("limits")),
        cache=_cache(root.section("cache")),
    )
    root.finish()
    _check(config)
    return replace(config, notices=old.notices(config)) if old else config


def find(option: str | None, environ: Mapping[str, str] | None = None) -> Path:
    """The config file's path: `--config`, else `DIRK_CONFIG_PATH`, else `./config.json`."""
    given = os.environ if environ is None else environ
    return Path(option or given.get("DIRK_CONFIG_PATH") or "config.json")


class _Version1:
    """Reads what only version 1 files have, and says how it is read now."""

    def __init__(self) -> None:
        self._own: list[str] = []

    def knows(self, section: Section, key: str, choices: type[Choice]) -> bool:
        """Whether the value under `key` is one of `choices`; a notice when it is not."""
        value = section.raw(key)
        if any(choice.value == value for choice in choices):
            return True
        self._own.append(f"{section.path(key)}: {config_json.shown(value)} is not known here, the default holds")
        return False

    def replication(self, section: Section) -> Replication:
        """Version 1 copied files at an interval; entries now follow at once, so none of it is used."""
        found = Replication()
        if section.has("type"):
            shown = config_json.shown(section.raw("type"))
            self._own.append(f"replication.type: {shown} is read as {found.type}, every master replays one log")
        if section.has("intervalSeconds"):
            given = section.number("intervalSeconds", 1.0, least=0.0, most=86_400.0)
            self._own.append(
                f"replication.intervalSeconds: {given:g} is not used, entries follow at once; "
                f"heartbeats come every {found.interval_seconds:g} s"
            )
        if section.has("tombstone"):
            self._own.append("replication.tombstone: is not used, the log itself keeps what was dropped")
        section.finish()
        return found

    def notices(self, config: Config) -> tuple[str, ...]:
        """One sentence for each setting, the file's own surprises last."""
        reads, writes = config.routing.reads, config.routing.writes
        roles = ", ".join(reads.include_roles)
        directories = ", ".join(str(one.data_directory) for one in config.instances)
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
        raise ConfigError(f"{path}: {config_json.shown(value)} is not one of {', '.join(LANGUAGES)}")
    return value


def _port(section: Section, key: str, default: int | None) -> int:
    return section.whole(key, default, least=1, most=65_535)


def _load_balancer(root: Section) -> LoadBalancer | None:
    if not root.has("loadBalancer") or root.raw("loadBalancer") is None:
        return None
    section = root.section("loadBalancer")
    default = LoadBalancer()
    found = LoadBalancer(
        listen_host=section.text("listenHost", default.listen_host),
        listen_port=_port(section, "listenPort", default.listen_port),
    )
    section.finish()
    return found


def _instance(section: Section, base: Path) -> Instance:
    name = section.text("id")
    if not _ID.fullmatch(name):
        raise ConfigError(
            f"{section.path('id')}: {config_json.shown(name)} is not 1 to 64 letters, digits, '_', '.' or '-'"
        )
    found = Instance(
        id=name,
        role=section.choice("role", Role, Role.MASTER),
        host=section.text("host", "127.0.0.1"),
        port=_port(section, "port", None),
        data_directory=_directory(section.text("dataDirectory", f"data/{name}"), base),
    )
    section.finish()
    return found


def _directory(value: str, base: Path) -> Path:
    return (base / Path(value).expanduser()).resolve()


def _choice(section: Section, key: str, default: Choice, old: _Version1 | None) -> Choice:
    """The enumeration's member under `key`; an unknown one is the default in a version 1 file, else an error."""
    choices = type(default)
    if old and section.has(key) and not old.knows(section, key, choices):
        return default
    return section.choice(key, choices, default)


def _routing(section: Section, old: _Version1 | None) -> Routing:
    found = Routing(
        reads=_reads(section.section("reads"), old),
        writes=_writes(section.section("writes"), old),
    )
    section.finish()
    return found


def _reads(section: Section, old: _Version1 | None) -> Reads:
    default = Reads()
    found = Reads(
        strategy=_choice(section, "strategy", default.strategy, old),
        include_roles=_roles(section) if section.has("includeRoles") else default.include_roles,
    )
    section.finish()
    return found


def _roles(section: Section) -> tuple[Role, ...]:
    path, value = section.path("includeRoles"), section.raw("includeRoles")
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{path}: {config_json.shown(value)} is not a list of at least one role")
    roles = [config_json.member(item, Role, f"{path}[{place}]") for place, item in enumerate(value)]
    return tuple(dict.fromkeys(roles))


def _writes(section: Section, old: _Version1 | None) -> Writes:
    default = Writes()
    found = Writes(
        mode=_choice(section, "mode", default.mode, old),
        partition=_choice(section, "partition", default.partition, old),
        hash=_choice(section, "hash", default.hash, old),
    )
    section.finish()
    return found


def _replication(section: Section, old: _Version1 | None) -> Replication:
    if old:
        return old.replication(section)
    default = Replication()
    found = Replication(
        type=section.choice("type", ReplicationType, default.type),
        interval_seconds=section.number("intervalSeconds", default.interval_seconds, least=0.05, most=60.0),
        compare_seconds=section.number("compareSeconds", default.compare_seconds, least=0.1, most=86_400.0),
    )
    section.finish()
    return found


def _log(section: Section, base: Path) -> LogSettings:
    default = LogSettings()
    found = LogSettings(
        type=section.choice("type", LogType, default.type),
        directory=_directory(section.text("directory", str(default.directory)), base),
        retain_bytes=section.whole("retainBytes", default.retain_bytes, least=1_048_576),
        snapshot_entries=section.whole("snapshotEntries", default.snapshot_entries, least=1),
        snapshot_bytes=section.whole("snapshotBytes", default.snapshot_bytes, least=65_536),
        reserve_bytes=section.whole("reserveBytes", default.reserve_bytes, least=0),
        max_waiting=section.whole("maxWaiting", default.max_waiting, least=1, most=1_000_000),
        max_wait_ms=section.whole("maxWaitMs", default.max_wait_ms, least=1, most=3_600_000),
        tail_bytes=section.whole("tailBytes", default.tail_bytes, least=65_536),
    )
    section.finish()
    return found


def _limits(section: Section) -> Limits:
    default = Limits()
    found = Limits(
        max_statement_bytes=section.whole("maxStatementBytes", default.max_statement_bytes, least=1024, most=_GIB),
        page_rows=section.whole("pageRows", default.page_rows, least=1, most=100_000),
        result_bytes=section.whole("resultBytes", default.result_bytes, least=65_536),
        statement_seconds=section.number("statementSeconds", default.statement_seconds, least=0.1, most=86_400.0),
        write_steps=section.whole("writeSteps", default.write_steps, least=1000),
        wait_ms=section.whole("waitMs", default.wait_ms, least=1, most=3_600_000),
        transaction_idle_seconds=section.number(
            "transactionIdleSeconds", default.transaction_idle_seconds, least=0.1, most=86_400.0
        ),
        transaction_steps=section.whole("transactionSteps", default.transaction_steps, least=20_000),
        max_connections=section.whole("maxConnections", default.max_connections, least=1, most=100_000),
        max_running=section.whole("maxRunning", default.max_running, least=1, most=100_000),
        max_long_reads=section.whole("maxLongReads", default.max_long_reads, least=1, most=10_000),
        queue_ms=section.whole("queueMs", default.queue_ms, least=1, most=3_600_000),
        request_bytes=section.whole("requestBytes", default.request_bytes, least=65_536),
        wal_bytes=section.whole("walBytes", default.wal_bytes, least=1_048_576),
    )
    section.finish()
    return found


def _cache(section: Section) -> CacheSettings:
    found = CacheSettings(max_bytes=section.whole("maxBytes", CacheSettings().max_bytes, least=0))
    section.finish()
    return found


def _check(config: Config) -> None:
    """What no section alone can see: duplicates, and a cluster that could never write."""
    if not any(one.role is Role.MASTER for one in config.instances):
        raise ConfigError("instances: none of them is a MASTER, nothing could be written")
    if config.load_balancer is None and len(config.instances) > 1:
        raise ConfigError("loadBalancer: is missing, and more than one instance needs it to share the log")
    taken: dict[object, str] = {config.log.directory: "log.directory"}
    if config.load_balancer:
        taken[(config.load_balancer.listen_host, config.load_balancer.listen_port)] = "loadBalancer.listenPort"
    for place, one in enumerate(config.instances):
        at = f"instances[{place}]"
        _claim(taken, one.id, f"{at}.id", config_json.shown(one.id))
        _claim(taken, (one.host, one.port), f"{at}.port", f"{one.host}:{one.port}")
        _claim(taken, one.data_directory, f"{at}.dataDirectory", str(one.data_directory))


def _claim(taken: dict[object, str], value: object, path: str, shown: str) -> None:
    first = taken.setdefault(value, path)
    if first != path:
        raise ConfigError(f"{path}: {shown} is already that of {first}")
