"""A node with another history under the same log: a log put back as it was, and written anew while a node was away."""

from __future__ import annotations

import shutil

from tests.chaos.site import Site
from tests.chaos.speaking import Speaker

#: Writes of each history. The new one is longer, so that the log is not behind what the node has heard of.
_OLD_WRITES, _NEW_WRITES = 5, 12


def leave_a_foreign_history(site: Site) -> None:
    """The last node has entries that the log does not: it applied them before somebody put an older log back.

    The writes are of a table that no client uses. When this returns all processes run.
    """
    *others, stray = site.nodes
    _write(site, "old", 0)
    _stop(site, "proxy", *others)
    _stop(site, stray)
    log, kept = site.data_directory("proxy"), site.directory / "old-log"
    shutil.copytree(log, kept)
    site.start("proxy", stray)
    site.wait_ready("proxy", stray)
    _write(site, "old", _OLD_WRITES)
    _stop(site, "proxy")
    _stop(site, stray)
    shutil.rmtree(log)
    shutil.copytree(kept, log)
    site.start("proxy", *others)
    site.wait_ready("proxy", *others)
    _write(site, "new", _NEW_WRITES)
    site.start(stray)


def _write(site: Site, which: str, count: int) -> None:
    speaker = Speaker(site.ports["proxy"], carries=False)

    def is_written(text: str) -> bool:
        return not speaker.ask(text, 30.0).sqlstate

    site.wait_for(lambda: is_written("CREATE TABLE IF NOT EXISTS foreigners (n INTEGER, w TEXT)"), "a master")
    for number in range(count):
        text = f"INSERT INTO foreigners (n, w) VALUES ({number}, '{which}')"
        site.wait_for(lambda text=text: is_written(text), "a master")  # type: ignore[misc]
    speaker.leave()


def _stop(site: Site, *names: str) -> None:
    for name in names:
        process = site.processes[name]
        site.wanted.discard(name)
        process.stop(30.0)
    for name in names:
        shutil.rmtree(site.directory / "undo" / name, ignore_errors=True)
