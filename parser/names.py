"""Names: the form in which they are compared, and the known name nearest to an unknown one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches


def key(name: str) -> str:
    """The form in which names are compared: NFC, then casefold (`É`, `é` and their decomposed forms are one)."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def nearest(name: str, known: Iterable[str]) -> str:
    """The name of `known` that `name` was probably meant to be; '' when none is near."""
    by_folded = {each.casefold(): each for each in known}
    matches = get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else ""
