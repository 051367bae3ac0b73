"""The PEP 249 driver, under the name that docs/protocol.md promises."""

from dirk_gevent.driver import dbapi
from dirk_gevent.driver.dbapi import *  # noqa: F403

__all__ = list(dbapi.__all__)
