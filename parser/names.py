"""Names: the form in which they are compared, and the known name nearest to an unknown one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def key(name: str) -> str:
    """The form in which names are compared: NFC, then casefold (`É`, `é` and their decomposed forms are one)."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def nearest(name: str, known: Iterable[str]) -> str:
    """The name of `known` that `name` was probably meant to be; '' when none is near."""
    # Imported here: the client compares names, and starts fast.
    from difflib import get_close_matches

    names_by_key = {key(name): name for name in known}
    matches = get_close_matches(key(name), list(names_by_key), n=1, cutoff=0.6)
    return names_by_key[matches[0]] if matches else ""
