"""A setting's type, bounds and default, stated once where its dataclass names it; a section is read by that.

A field of `settings` is a key of the file: `max_statement_bytes` is `maxStatementBytes`. Its annotation
says what the file may hold there: a number between `Bounds`, or a member of an enumeration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from dirk_gevent.config.strict_json import MAX_WHOLE, Section

Settings = TypeVar("Settings")
#: What a section's key says as a member of the enumeration that the default is of.
ReadChoice = Callable[[Section, str, StrEnum], StrEnum]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most that a number may be, both allowed."""

    least: float
    most: float = MAX_WHOLE


def key_of(name: str) -> str:
    """The file's key for a field: `wait_ms` is `waitMs`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def types_of(kind: type[Any]) -> Mapping[str, Any]:
    """The types of a dataclass's fields, with the bounds that stand beside them."""
    return get_type_hints(kind, include_extras=True)


def bounds_of(kind: type[Any], name: str) -> Bounds:
    """The bounds of the number `name` of `kind`."""
    hint = types_of(kind)[name]
    return next(mark for mark in get_args(hint)[1:] if isinstance(mark, Bounds))


def read_whole(section: Section, kind: type[Any], name: str, default: int | None = None) -> int:
    """The whole number under the key of the field `name` of `kind`; without a default the file must give it."""
    bounds = bounds_of(kind, name)
    return section.whole(key_of(name), default, int(bounds.least), int(bounds.most))


def read(section: Section, kind: type[Settings], choice: ReadChoice, **known: object) -> Settings:
    """`kind` as a section of the file gives it; fields in `known` have been read already. ConfigError for the rest."""
    own = [field for field in fields(kind) if field.name not in known]  # type: ignore[arg-type]
    values = dict(known) | {setting.name: _value(section, kind, setting, choice) for setting in own}
    section.finish()
    return kind(**values)


def _value(section: Section, kind: type[Any], setting: Field[Any], choice: ReadChoice) -> object:
    hint, default = types_of(kind)[setting.name], setting.default
    if get_origin(hint) is not Annotated:
        assert isinstance(default, StrEnum), f"{kind.__name__}.{setting.name} is read by nobody"
        return choice(section, key_of(setting.name), default)
    if get_args(hint)[0] is float:
        bounds = bounds_of(kind, setting.name)
        return section.number(key_of(setting.name), float(default), bounds.least, bounds.most)  # type: ignore[arg-type]
    return read_whole(section, kind, setting.name, default)  # type: ignore[arg-type]
