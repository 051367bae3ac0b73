"""SQLite's messages about a user's mistakes, and the error that each is: whatever is not here is XX000.

SQLite has one code for them all, so its words are read; a fuzzer of mistakes holds that none is missing
(`tests/engine/test_mistakes.py`). They depend on the data and the statement alone, the same on every node.
"""

from __future__ import annotations

import re
from typing import Final

from dirk_parser.errors import SqlError

#: A pattern of SQLite's sentence, the error, and what the error says: groups of the pattern by their names.
_MISTAKES: Final = tuple(
    (re.compile(pattern, re.DOTALL), key)
    for pattern, key in (
        (r"malformed JSON|JSON cannot hold BLOB values|JSON string too big", "json_invalid"),
        (r"bad JSON path: '?(?P<path>.*?)'?$", "json_path_invalid"),
        (r"json\w*\(\) labels must be TEXT", "json_label_invalid"),
        (r"FLAGS parameter to json_valid", "json_flags_invalid"),
        (r"ESCAPE expression must be a single character", "escape_invalid"),
        (r"LIKE or GLOB pattern too complex", "pattern_too_long"),
        (r"argument of ntile must be", "ntile_invalid"),
        (r"second argument to nth_value must be", "nth_value_invalid"),
        (r"frame (starting|ending) offset must be", "frame_offset_invalid"),
        (r"unsupported frame specification|RANGE with offset PRECEDING/FOLLOWING requires", "frame_invalid"),
        (r"row value misused|IN\(\.\.\.\) element has|sub-select returns", "row_misplaced"),
        (r"circular reference|recursive reference|references to recursive|recursive aggregate|recursive queries",
         "recursion_unclear"),
        (r"too many levels of trigger recursion|triggers nested too deep", "cascade_too_deep"),
        (r'foreign key mismatch - ".*" referencing "(?P<table>.*)"', "foreign_key_invalid"),
        (r"HAVING clause on a non-aggregate query", "having_without_group"),
        # A statement is told before (42P10): only views have such numbers, as 2.1.0 and 2.0.0 wrote constants.
        (r"(?:ORDER|GROUP) BY term out of range", "view_outdated"),
        (r"too many SQL variables", "too_many_values"),
        (r"no such table: (?:main\.)?(?P<name>.*)", "unknown_table"),
        (r"Expression tree is too large|parser stack overflow|too many (?:terms|columns|arguments|FROM clause terms)"
         r"|at most \d+ tables in a join|too many references to|too many result columns", "too_complex"),
    )
)  # fmt: skip
#: As long a piece of a text as a message shows.
_SHOWN_CHARACTERS = 100


def mistake(reason: str) -> SqlError | None:
    """The error that SQLite's sentence `reason` is; None for one that says of no mistake that is known."""
    for pattern, key in _MISTAKES:
        match = pattern.search(reason)
        if match is not None:
            return SqlError(key, **{name: text[:_SHOWN_CHARACTERS] for name, text in match.groupdict().items()})
    return None
