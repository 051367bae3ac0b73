"""Names and values of users in a line that people or programs read: they never end it, nor move the cursor."""

from __future__ import annotations

import re
import time

#: Control characters, and what Unicode ends a line by.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: What a file name holds only when it is a path, or can't hold at all.
_UNFIT_IN_FILES = re.compile(r"[/\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: File systems take 255 bytes; a suffix has to fit, too.
_MOST_FILE_BYTES = 180


def one_line(text: str) -> str:
    """`text` with its control characters and line ends written as escapes."""
    return _UNPRINTABLE.sub(lambda found: _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


def file_stem(name: str) -> str:
    """The beginning of the name of a file that is about what a user called `name`; never a path or a hidden file."""
    fit = _UNFIT_IN_FILES.sub("_", name).encode()[:_MOST_FILE_BYTES].decode(errors="ignore")
    return f"_{fit[1:]}" if fit.startswith(".") else fit


def moment(time_ms: int) -> str:
    """A moment (Unix ms) as a person reads it: to the second, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_ms // 1000))
