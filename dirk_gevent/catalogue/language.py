"""The sentences of the language area."""

from __future__ import annotations

from dirk_gevent.catalogue import Texts
from dirk_gevent.catalogue.language_copying import COPYING
from dirk_gevent.catalogue.language_meaning import MEANING
from dirk_gevent.catalogue.language_mistakes import MISTAKES
from dirk_gevent.catalogue.language_text import SYNTAX

MESSAGES: dict[str, Texts] = {**MEANING, **COPYING, **MISTAKES, **SYNTAX}
