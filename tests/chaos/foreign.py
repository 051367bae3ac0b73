"""A node with another history under the same log: entries that its log never had, at indexes that the log has too.

Both histories begin with a definition of the same table at the same index.
"""

from __future__ import annotations

import shutil
import time

from dirk_gevent.config.settings import Limits
from dirk_gevent.engine.apply.applier import as_work
from dirk_gevent.engine.engine import Engine
from dirk_parser.normalize.normalizer import split
from tests.chaos.found import LOG_ID
from tests.chaos.site import Site
from tests.chaos.speaking import Speaker
from tests.engine.plans import LogMaker

#: Writes of each history. The log's is longer, so that it is not behind what the node has heard of.
_FOREIGN_WRITES, _OWN_WRITES = 5, 12


def leave_a_foreign_history(site: Site) -> None:
    """The last node is away, applies entries of its own making, and comes back; the others went on meanwhile.

    The writes are of a table that no client uses. When this returns the node has been started.
    """
    stray = site.nodes[-1]
    _write(site, "CREATE TABLE foreigners (n INTEGER, w TEXT)")
    site.await_level()
    site.end(stray)
    shutil.rmtree(site.directory / "undo" / stray)
    _write(site, "ALTER TABLE foreigners ADD COLUMN own TEXT DEFAULT 'own'")
    for number in range(_OWN_WRITES):
        _write(site, f"INSERT INTO foreigners (n, w) VALUES ({number}, 'own')")
    _apply_foreign_entries(site, stray)
    site.start(stray)


def _apply_foreign_entries(site: Site, node: str) -> None:
    engine = Engine(site.data_directory(node), node, Limits())
    engine.open()
    try:
        database = engine.logs()[LOG_ID]
        log = LogMaker(LOG_ID)
        log.index, log.time_ms = database.applied_index, int(time.time() * 1000)
        texts = ["ALTER TABLE foreigners ADD COLUMN stray INTEGER DEFAULT 7", "CREATE TABLE strays (n INTEGER)"]
        texts += [f"INSERT INTO foreigners (n, w) VALUES ({number}, 'foreign')" for number in range(_FOREIGN_WRITES)]
        outcomes = database.apply(as_work([log.statement(split(text)) for text in texts]))
        assert all(not outcome.sqlstate for outcome in outcomes), outcomes
    finally:
        engine.close()


def _write(site: Site, text: str) -> None:
    speaker = Speaker(site.ports["proxy"])
    site.wait_for(lambda: not speaker.ask(text, 30.0).sqlstate, f"a master that takes {text}")
    speaker.leave()
