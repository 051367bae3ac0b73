"""The sentences of the language area."""

from __future__ import annotations

from dirk_gevent.messages.catalogue.language_copying import COPYING
from dirk_gevent.messages.catalogue.language_meaning import MEANING
from dirk_gevent.messages.catalogue.language_mistakes import MISTAKES
from dirk_gevent.messages.catalogue.language_text import SYNTAX
from dirk_gevent.messages.texts import Texts

MESSAGES: dict[str, Texts] = {**MEANING, **COPYING, **MISTAKES, **SYNTAX}
