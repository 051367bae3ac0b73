"""Every mistake that a config file can hold is one sentence and exit status 2, for every setting that the code has.

The settings are taken from the dataclasses that the loader fills, so one that is added is tried here by itself: a file
that gives each of them loads, and then one of them at a time is made wrong.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from dirk_gevent import cli
from dirk_gevent.config import loader
from dirk_gevent.config.fields import Bounds, key_of
from dirk_gevent.config.settings import Config
from dirk_gevent.config.strict_json import ConfigError
from tests.seeds import chosen_seed

#: Fields of `Config` that are not keys of the file, and the one that has another name there.
NOT_IN_THE_FILE = ("path", "notices")
RENAMED = {"version": "configVersion"}
Place = tuple[str | int, ...]
TREE = "\N{DECIDUOUS TREE}"
#: Written into the JSON as it stands: Python's writer has no way to make these.
RAW = {"@digits@": "7" * 5000, "@minus@": "-" + "7" * 5000, "@huge@": "1e400", "@nan@": "NaN", "@-inf@": "-Infinity"}
SPOILT = (b"", b'"', b"{", b"]", b",", b"\xff", b"\\", b"9" * 5000)


@dataclass(frozen=True)
class Setting:
    """One key of the file. `bounds` are those of a number."""

    place: Place
    kind: Any
    bounds: Bounds | None = None

    @property
    def shown(self) -> str:
        """Its path as errors name it."""
        return shown(self.place)


def shown(place: Place) -> str:
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in place).removeprefix(".")


def settings_of(kind: type[Any], at: Place = ()) -> Iterator[Setting]:
    """All keys that the loader reads into `kind`."""
    hints = get_type_hints(kind, include_extras=True)
    for one in fields(kind):
        if kind is Config and one.name in NOT_IN_THE_FILE:
            continue
        hint, place = hints[one.name], (*at, RENAMED.get(one.name) or key_of(one.name))
        sections = [part for part in get_args(hint) or (hint,) if isinstance(part, type) and is_dataclass(part)]
        if sections:
            (section,) = sections
            is_list = get_origin(hint) is tuple
            yield from settings_of(section, (*place, 0) if is_list else place)  # type: ignore[arg-type]
        elif get_origin(hint) is Annotated:
            number, bounds = get_args(hint)
            yield Setting(place, number, bounds)
        else:
            yield Setting(place, hint)


SETTINGS = list(settings_of(Config))
OBJECTS = sorted({one.place[:-1] for one in SETTINGS} | {("routing",)}, key=str)


def valid(setting: Setting) -> object:
    """A value that the setting takes."""
    known = {"configVersion": 2, "language": "fr", "instances[0].id": "m1", "loadBalancer.host": "db.example.org"}
    if setting.shown in known:
        return known[setting.shown]
    if setting.bounds is not None:
        return setting.kind(setting.bounds.least + (4000 if setting.shown.endswith("ort") else 0))
    if get_origin(setting.kind) is tuple:
        return ["MASTER"]
    if issubclass(setting.kind, StrEnum):
        return next(iter(setting.kind)).value
    return f"files/{setting.shown}" if setting.kind is Path else "127.0.0.1"


def full_file() -> dict[str, Any]:
    """A file that gives every setting."""
    content: dict[str, Any] = {"instances": [{}]}
    for setting in SETTINGS:
        put(content, setting.place, valid(setting))
    content["instances"][0]["port"] += 1
    content["instances"].append({"id": "m2", "port": 4848, "role": "REPLICA"})
    return content


def put(content: Any, place: Place, value: object) -> None:
    for step in place[:-1]:
        content = content[step] if isinstance(step, int) else content.setdefault(step, {})
    content[place[-1]] = value


def written(content: object) -> str:
    text = json.dumps(content)
    for mark, raw in RAW.items():
        text = text.replace(json.dumps(mark), raw)
    return text


def wrong_values(setting: Setting) -> Iterator[object]:
    """Values that the setting does not take, of every kind."""
    yield from (None, True, {}, {"a": 1}, [], [[]], [7, "@digits@"])
    if setting.bounds is not None or setting.shown == "configVersion":
        least, most = (setting.bounds.least, setting.bounds.most) if setting.bounds else (1, 2)
        yield from ("", "5", TREE, least - 1, most + 1, *RAW)
        if setting.kind is int:
            yield from (0.5 + least, 1e308)
        return
    yield from (7, -0.5, "@digits@", "@huge@", "", " ", "\ud800", "a\ude00b", "a\0b")
    if setting.kind is Path:
        yield "~nobody-has-this-name/x"
    elif not (isinstance(setting.kind, type) and issubclass(setting.kind, StrEnum)) and "ost" not in setting.shown:
        yield from ("a\nb", TREE, "x" * 100_000, "\u2028", ["X"], ["MASTER", 7], ["MASTER", "master"])
    else:
        yield from (TREE + "." + TREE * 80, "x" * 64, "x." * 127 + "xx", "a..b", ".", "-a", "a b", "a\nb", "\u2028")
        yield from ("224.0.0.1", "255.255.255.255", "ff02::1", "1.2.3.4.5", "256.1.1.1", "[::1]", "127.0.0.1:80")


MISTAKES = [(one, value) for one in SETTINGS for value in wrong_values(one)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def sentence_of(path: Path, text: str) -> str | None:
    """What is said of a file with this text; None when it loads. A sentence is one printable line."""
    path.write_text(text, encoding="utf-8")
    try:
        loader.load(path, {})
    except ConfigError as error:
        found = str(error)
        assert found.isprintable(), repr(found)
        assert len(found) < 600 + len(str(path))
        return found
    return None


def test_a_file_that_gives_every_setting_loads(path: Path) -> None:
    assert sentence_of(path, written(full_file())) is None
    assert len(SETTINGS) > 40


@pytest.mark.parametrize("section", sorted({one.shown.partition(".")[0] for one in SETTINGS}))
def test_a_wrong_value_is_one_sentence_with_the_key_and_exit_status_2(
    section: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken, tried = [], 0
    for setting, value in MISTAKES:
        if setting.shown.partition(".")[0] != section:
            continue
        content = full_file()
        put(content, setting.place, value)
        found, tried = sentence_of(path, written(content)), tried + 1
        if found is None or not found.startswith(setting.shown):
            taken.append((setting.shown, value, found))
            continue
        assert cli.server(["m1", "--config", str(path)]) == 2
        assert capsys.readouterr().err == f"dirk-server: {path}: {found}\n"
    assert taken == []
    assert tried > 10


def test_wrong_objects_and_keys_are_one_sentence_with_their_path(path: Path) -> None:
    taken = []
    for place in OBJECTS:
        at = shown(place)
        wrong: list[tuple[str, str]] = []
        for key in ("lenguage", "", "a\nb", "\ud800", "\u2028", TREE, "x" * 200):
            content = full_file()
            put(content, (*place, key), {"a": ["@huge@", "@digits@"]})
            wrong.append((written(content), at))
        for value in (7, "x", [], "@digits@", True, *([] if place in ((), ("loadBalancer",)) else [None])):
            content = full_file()
            if place:
                put(content, place, value)
            wrong.append((written(content if place else value), at or "the file"))
        for text, beginning in wrong:
            found = sentence_of(path, text)
            if found is None or not found.startswith(beginning):
                taken.append((at, text[:200], found))
    assert taken == []


def test_keys_given_twice_are_refused_in_every_object(path: Path) -> None:
    for setting in SETTINGS:
        text = written(full_file())
        key = json.dumps(setting.place[-1])
        assert sentence_of(path, text.replace(f"{key}: ", f"{key}: 1, {key}: ", 1)) == (
            f"{setting.place[-1]}: is given twice in one object"
        )


def test_what_was_hit_at_random_loads_or_is_one_sentence(path: Path) -> None:
    chance = random.Random(chosen_seed())
    values = [value for _, value in MISTAKES]
    for _ in range(400):
        content = copy.deepcopy(full_file()) | {"configVersion": chance.choice((1, 2))}
        for setting in chance.sample(SETTINGS, chance.randrange(3)):
            put(content, setting.place, chance.choice(values))
        text = bytearray(written(content).encode("utf-8", "surrogatepass"))
        for _ in range(chance.choice((0, 0, 1, 3))):
            at = chance.randrange(len(text))
            text[at : at + chance.randrange(3)] = chance.choice(SPOILT)
        path.write_bytes(bytes(text[: chance.randrange(len(text))] if chance.random() < 0.1 else text))
        try:
            loader.load(path, {})
        except ConfigError as error:
            assert str(error).isprintable(), repr(str(error))
