"""Strict reading of JSON objects: every key known, every value of its type and range, every error by its path.

Used by `dirk_gevent.config` alone; it knows nothing of what the settings mean.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

Choice = TypeVar("Choice", bound=StrEnum)

#: Largest whole number that JSON's common readers keep exactly (2^53 - 1).
MAX_WHOLE = 9_007_199_254_740_991
#: Of a longer file it is not read what it says: it is another program's.
_MOST_BYTES = 16 * 1024 * 1024
_MOST_DIGITS = 1000
_SHOWN_CHARACTERS = 60
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class ConfigError(Exception):
    """The settings can't be used. `str()` is one sentence naming the key and what is wrong with it."""


def parse(path: Path) -> object:
    """The JSON value in the file at `path`; ConfigError when it can't be read, is not JSON or repeats a key."""
    try:
        with path.open("rb") as file:
            encoded = file.read(_MOST_BYTES + 1)
        # Windows' editors begin a file with a byte order mark.
        text = encoded.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError((error.strerror or str(error)).lower()) from None
    if len(encoded) > _MOST_BYTES:
        raise ConfigError(f"is longer than {_MOST_BYTES} bytes")
    if not text.strip():
        raise ConfigError("is empty: it holds no settings")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        raise ConfigError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ConfigError("the JSON is nested too deep") from None


def _whole_number(text: str) -> int:
    """The number; of more digits than Python reads, one with the first of them: that is out of every range, too."""
    return int(text[:_MOST_DIGITS])


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        if key in members:
            raise ConfigError(f"{printable(key)}: is given twice in one object")
        members[key] = value
    return members


class Section:
    """One JSON object being read: each key is asked for once, `finish` refuses those nobody asked for.

    `at` is the object's path as errors show it (`instances[1]`), empty for the whole file.
    """

    def __init__(self, value: object, at: str = "") -> None:
        if not isinstance(value, dict):
            raise ConfigError(f"{at or 'the file'}: {shown(value)} is not an object")
        self._values: dict[str, object] = value
        self._asked: set[str] = set()
        self.at = at

    def path(self, key: str) -> str:
        """The path of `key` in this object, as errors name it."""
        return f"{self.at}.{printable(key)}" if self.at else printable(key)

    def has(self, key: str) -> bool:
        """True when the file gives `key`; asks for it, too."""
        self._asked.add(key)
        return key in self._values

    def raw(self, key: str) -> object:
        """The value as JSON has it; ConfigError when it is missing."""
        if not self.has(key):
            raise ConfigError(f"{self.path(key)}: is missing")
        return self._values[key]

    def section(self, key: str) -> Section:
        """The object under `key`; an empty one when the file has none."""
        return Section(self._values[key] if self.has(key) else {}, self.path(key))

    def sections(self, key: str) -> Iterator[Section]:
        """The objects of the list under `key`, which must be there."""
        value = self.raw(key)
        if not isinstance(value, list):
            raise ConfigError(f"{self.path(key)}: {shown(value)} is not a list")
        for position, item in enumerate(value):
            yield Section(item, f"{self.path(key)}[{position}]")

    def text(self, key: str, default: str | None = None) -> str:
        """A string that is not empty, of whole characters."""
        value = default if default is not None and not self.has(key) else self.raw(key)
        if not isinstance(value, str):
            raise ConfigError(f"{self.path(key)}: {shown(value)} is not a string")
        if not value.strip():
            raise ConfigError(f"{self.path(key)}: is empty")
        if "\x00" in value:
            raise ConfigError(f"{self.path(key)}: {shown(value)} holds a character 0")
        if _HALF_CHARACTER.search(value):
            raise ConfigError(f"{self.path(key)}: {shown(value)} holds half a character (one surrogate alone)")
        return value

    def whole(self, key: str, default: int | None, least: int, most: int = MAX_WHOLE) -> int:
        """A whole number in [least, most]; `default` None means that the key must be there."""
        value = default if default is not None and not self.has(key) else self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{self.path(key)}: {shown(value)} is not a whole number")
        self._within(key, value, least, most)
        return value

    def number(self, key: str, default: float, least: float, most: float) -> float:
        """A number in [least, most]."""
        value = self.raw(key) if self.has(key) else default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{self.path(key)}: {shown(value)} is not a number")
        self._within(key, value, least, most)
        return float(value)

    def choice(self, key: str, choices: type[Choice], default: Choice) -> Choice:
        """A member of `choices` by its name in the file."""
        return member(self.raw(key), choices, self.path(key)) if self.has(key) else default

    def finish(self) -> None:
        """ConfigError for the first key of the object that was never asked for."""
        for key in self._values:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1, cutoff=0.6)
                hint = f", did you mean {near[0]}?" if near else ""
                raise ConfigError(f"{self.path(key)}: is not a known key{hint}")

    def _within(self, key: str, value: float, least: float, most: float) -> None:
        if not value >= least:  # also true of NaN
            raise ConfigError(f"{self.path(key)}: {shown(value)} is below {shown(least)}")
        if value > most:
            raise ConfigError(f"{self.path(key)}: {shown(value)} is above {shown(most)}")


def member(value: object, choices: type[Choice], path: str) -> Choice:
    """The member of `choices` that `value` names; ConfigError with all names otherwise."""
    for choice in choices:
        if choice.value == value:
            return choice
    names = ", ".join(choice.value for choice in choices)
    raise ConfigError(f"{path}: {shown(value)} is not one of {names}")


def shown(value: object) -> str:
    """A JSON value as an error shows it, at most 60 characters of it, all of them printable."""
    text = printable(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "…"


def printable(text: str) -> str:
    """A text with an escape for each character that would end its line, move the cursor or not show at all."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) != 0x7F else "\\u007f"
