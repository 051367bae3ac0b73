"""The client's own sentences in the session's language, without loading the server's."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from dirk_gevent.messages.catalogue.client import MESSAGES
from dirk_gevent.messages.texts import LANGUAGES


def sentence(key: str, language: str | None, params: Mapping[str, object] | None = None) -> str:
    """The sentence of `key`, filled with `params`. A language that is not known reads as Malagasy."""
    return MESSAGES[key].in_language(language or LANGUAGES[0]).format_map(params or {})


def environment_language() -> str | None:
    """The language that DIRK_LANG asks for; None when it is unset or not one of `LANGUAGES` (see `asked_language`)."""
    language = re.split(r"[_.-]", asked_language().lower())[0]
    return language if language in LANGUAGES else None


def asked_language() -> str:
    """DIRK_LANG as it is set, a language or a locale such as `fr_FR.UTF-8`; '' when it is not."""
    return os.environ.get("DIRK_LANG", "").strip()
