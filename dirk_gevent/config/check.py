"""Checks that no section of the config can make alone: parts in each other's way, and a cluster that could never
work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dirk_gevent.base.addresses import canonical, is_every, is_loopback
from dirk_gevent.config import strict_json
from dirk_gevent.config.settings import Config, Role
from dirk_gevent.config.strict_json import ConfigError


@dataclass(frozen=True, slots=True)
class _Listener:
    """A part that listens: the key of its port, where it is reached, what it listens on, and how that is shown."""

    key: str
    reached_at: str
    listens_on: str
    port: int
    shown_host: str

    def meets(self, other: _Listener) -> bool:
        """True when both would have one address of one machine."""
        if self.port != other.port:
            return False
        # Who is reached by a loopback address has all others on its own machine.
        is_covered = is_every(self.listens_on) and is_loopback(other.reached_at)
        covers = is_every(other.listens_on) and is_loopback(self.reached_at)
        return canonical(self.reached_at) == canonical(other.reached_at) or is_covered or covers


def check(config: Config) -> None:
    """Raises ConfigError for the first two parts in each other's way, and for a cluster that could never work."""
    if not any(instance.role is Role.MASTER for instance in config.instances):
        raise ConfigError("instances: none of them is a MASTER, nothing could be written")
    if config.load_balancer is None and len(config.instances) > 1:
        raise ConfigError("loadBalancer: is missing, and more than one instance needs it to share the log")
    roles = config.routing.reads.include_roles
    if not any(instance.role in roles for instance in config.instances):
        raise ConfigError(f"routing.reads.includeRoles: no instance is a {' or '.join(roles)}, nothing could be read")
    ids: dict[str, str] = {}
    for position, instance in enumerate(config.instances):
        first = ids.setdefault(instance.id, f"instances[{position}].id")
        if first != f"instances[{position}].id":
            raise ConfigError(f"instances[{position}].id: {strict_json.shown(instance.id)} is already that of {first}")
    _check_listeners(list(_listeners(config)))
    _check_directories(config)


def _listeners(config: Config) -> Iterator[_Listener]:
    front = config.load_balancer
    if front is not None:
        at = "loadBalancer.listenPort"
        yield _Listener(at, front.reached_at, front.listen_host, front.listen_port, front.listen_host)
    for position, instance in enumerate(config.instances):
        yield _Listener(
            f"instances[{position}].port", instance.reached_at, instance.listens_on, instance.port, instance.host
        )


def _check_listeners(listeners: list[_Listener]) -> None:
    by_port: dict[int, list[_Listener]] = {}
    for listener in listeners:
        for other in by_port.setdefault(listener.port, []):
            if listener.meets(other):
                is_same = listener.shown_host == other.shown_host
                spelled = "" if is_same else f" ({strict_json.shown(other.shown_host)}, the same machine)"
                raise ConfigError(
                    f"{listener.key}: {listener.shown_host}:{listener.port} is already that of {other.key}{spelled}"
                )
        by_port[listener.port].append(listener)


def _check_directories(config: Config) -> None:
    taken: list[tuple[Path, str]] = [(config.log.directory, "log.directory")]
    for position, instance in enumerate(config.instances):
        key, directory = f"instances[{position}].dataDirectory", instance.data_directory
        for other, its_key in taken:
            shown = strict_json.printable(str(directory))
            if directory == other:
                raise ConfigError(f"{key}: {shown} is already that of {its_key}")
            if directory.is_relative_to(other):
                raise ConfigError(f"{key}: {shown} is inside that of {its_key}; each needs a directory of its own")
            if other.is_relative_to(directory):
                raise ConfigError(f"{key}: that of {its_key} is inside {shown}; each needs a directory of its own")
        taken.append((directory, key))


def notices(config: Config) -> Iterator[str]:
    """Sentences on what is taken as it is but was hardly meant so."""
    parts = list(_listeners(config))
    if all(is_loopback(part.reached_at) for part in parts):
        return
    front = config.load_balancer
    if front is not None and not front.host and is_every(front.listen_host):
        yield (
            f"loadBalancer.host: is missing beside listenHost {front.listen_host}, so each node and cache looks for "
            f"the proxy on its own machine ({front.reached_at}); give the address that other machines reach it at"
        )
    for position, instance in enumerate(config.instances):
        if is_every(instance.host):
            yield (
                f"instances[{position}].host: {instance.host} is no address to connect to, so the proxy looks for "
                f"{instance.id} on its own machine ({instance.reached_at}); give the address it is reached at, "
                f"and {instance.host} as listenHost"
            )
