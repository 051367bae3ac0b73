"""Where a log's entries of earlier rules end.

An entry says under which rules it was appended, and rules never sink along a log: a few entries tell where the ones of
earlier releases end, whatever the journal's length and however many releases wrote it. Nothing is written down that
could disagree with the entries.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from dirk_gevent.log.entry import RULES, SYSTEM_LOG_ID

#: Every entry without rules, those of release 2.0.0, begins so.
_WITHOUT_RULES = b"[1,"


def older_upto(log_id: int, first: int, last: int, encoded: Callable[[int], bytes]) -> int:
    """The last of the entries `first` to `last` of a log that is of earlier rules, whichever; 0 when none is.

    `encoded` gives the bytes of one. The system log has none: its entries hold no statement, and what they do to the
    list of databases is the log's own doing.
    """
    if log_id == SYSTEM_LOG_ID or first > last or not _is_older(encoded(first)):
        return 0
    while first < last:
        middle = (first + last + 1) // 2
        if _is_older(encoded(middle)):
            first = middle
        else:
            last = middle - 1
    return first


def _is_older(encoded: bytes) -> bool:
    if encoded.startswith(_WITHOUT_RULES):
        return True
    try:
        fields = orjson.loads(encoded)
    except ValueError:
        # Whoever is to apply it finds the damage; here it only must not pass for an entry of these rules.
        return True
    return not isinstance(fields, list) or not fields or fields[-1] != RULES
