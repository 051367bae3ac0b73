"""dirk-admin rebuild-log: what it finds, what it would do, what would be lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dirk_gevent.admin.proxy_link import print_table, say
from dirk_gevent.admin.usage import UsageError
from dirk_gevent.config.settings import Config
from dirk_gevent.coordinator.admin.inspect_nodes import Loss, NodeFiles, entries_lost, inspect_nodes, losses
from dirk_gevent.coordinator.admin.rebuild_log import RebuildRefused, check, rebuild


def rebuild_log(settings: Config, options: Mapping[str, Any]) -> int:
    """Make the log anew from one node's databases, or say what would be done; the exit status."""
    nodes = inspect_nodes(settings)
    chosen = next((node for node in nodes if node.node == options["--from"]), None)
    if chosen is None:
        raise UsageError(f"--from: no node is called {options['--from']}; known: {', '.join(n.node for n in nodes)}")
    _print_findings(nodes)
    check(settings, chosen)
    lost = losses(chosen, nodes)
    _check_losses(chosen.node, lost, options["--yes-lose"])
    if not (options["--yes"] or options["--yes-lose"]):
        print(_plan(settings.log.directory, chosen))
        return 1
    done = rebuild(settings, chosen, nodes)
    print(
        f"The log in {settings.log.directory} now begins where {chosen.node} is; it holds {_databases(done.databases)}."
    )
    if done.kept is not None:
        print(f"The old log is kept in {done.kept}.")
    print("Start the proxy and the nodes. A node that was ahead keeps its own state aside and takes a snapshot.")
    return 0


def _check_losses(chosen: str, lost: list[Loss], accepted: str | None) -> None:
    count = entries_lost(lost)
    if not count or (accepted is not None and int(accepted) == count):
        return
    for loss in lost:
        say(f"{loss.node} has {_entries(loss.entries)} of {loss.database} that {chosen} has not.")
    raise RebuildRefused(
        f"{_entries(count)} that other nodes have applied would be lost: choose the node that is furthest, "
        f"or say --yes-lose {count}; nothing was changed"
    )


def _plan(directory: Path, chosen: NodeFiles) -> str:
    return (
        f"The log in {directory} would be made anew from {chosen.node}, with {_databases(len(chosen.listed))};\n"
        "the old log would be kept beside it. Nothing was changed. Add --yes to do it."
    )


def _databases(count: int) -> str:
    return "1 database" if count == 1 else f"{count} databases"


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _print_findings(nodes: tuple[NodeFiles, ...]) -> None:
    rows: list[list[object]] = [
        [node.node, meta.name, log_id, meta.applied_index, meta.heard_head]
        for node in nodes
        for log_id, meta in sorted(node.databases.items())
    ]
    rows += [
        [node.node, name, log_id, 0, 0]
        for node in nodes
        for log_id, name in sorted(node.listed.items())
        if log_id not in node.databases
    ]
    print_table(["node", "database", "log", "applied", "heard of"], rows)
    for node in nodes:
        for problem in node.problems:
            say(f"{node.node}: {problem}")
    print()
