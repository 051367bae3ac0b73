"""Whatever function a write calls, two nodes that apply the same entries hold the same afterwards.

One node applies a few entries at a time, another all of them in one batch; what depends
on the world (the time, chance) must in all of them be the entry's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.entry import Entry
from dirk_parser.compile.expression.functions import FUNCTIONS, Function, Sort
from dirk_parser.normalize import normalizer
from dirk_parser.normalize.normalized_statement import NormalizedStatement, Value
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import LogMaker, TestLimits, open_database, work

#: The entries' time (2001-09-09 01:46:40 UTC): years before anything that the machine's own clock could say.
ENTRIES_MS = 1_000_000_000_000
SETUP = (
    "create table src (k ISA primary key, n ISA, t TEXT, u ISA:TEXT, d DATY, b BOOLEAN)",
    "insert into src values (1, 5, 'now', 'subsec', '1998-07-06', true), (2, 2.5, 'é', 7, '1996-02-29', diso),"
    " (3, -7, 'now', 'now', null, null), (4, 5, '7', '7', '1999-12-31 23:59:59', true),"
    " (5, null, null, null, null, true)",
    "create view seen as select k, random() r, now() m, datetime(t) w, datetime('subsec') s from src",
    "create table kept (name TEXT, form TEXT, v)",
    "create table counted (k ISA, v)",
    "insert into counted (k) select k from src",
)
_COLUMN, _STRING = re.compile(r"\b[kntudb]\b"), re.compile("'[^']*'")
_FORMS = ("n", "t", "u", "d", "b", "n * 2", "lower(t)", "'7'", "3")
_SPECIAL = {
    "strftime": ("'%Y-%m-%d %H:%M:%f', t", "'%s'", "'%J', u", "'%s', 'n' || 'ow'", "t, d", "'%H', 'subsec'"),
    "char": ("65, 233, 128512", "k"),
    "atanh": ("n / 10", "'0.5'"),
    "printf": ("'%d %s %.3f', n, t, n", "t, u"),
    "format": ("'%d %s %.3f', n, t, n", "u"),
    "replace": ("t, 'o', u",),
    "ntile": ("2", "3"),
    "nth_value": ("u, 2",),
    "json": ("'[1, 2.5, \"é\"]'", "'{}'"),
    "json_array_length": ("'[1, 2]'", "'{\"a\": [1]}', '$.a'"),
    "json_extract": ("'{\"a\": [5, \"x\"]}', '$.a[1]'", "'[1]', '$[0]', '$'"),
    "json_object": ("'k', n", "'k', t, 'l', null"),
    "json_patch": ("'{\"a\": 1}', '{\"b\": 2}'",),
    "json_pretty": ("'[1, {\"a\": 2}]'",),
    "json_remove": ("'[1, 2]', '$[0]'",),
    "json_type": ("'[1]'", "'[1]', '$[0]'"),
    "json_valid": ("'[1]'", "t"),
    **dict.fromkeys(("json_insert", "json_replace", "json_set"), ("'[1]', '$[0]', n", "'{}', '$.a', t")),
}
_MOMENT_ARGUMENTS = ("", "'now'", "t", "u", "d", "'subsec'", "'now', '+1 day'", "'n' || 'ow'", "d, 'subsec'", "n")


def arguments(name: str, function: Function) -> list[str]:
    """Argument lists to call the function with."""
    if name in _SPECIAL:
        return list(_SPECIAL[name])
    if function.sort is Sort.MOMENT:
        return list(_MOMENT_ARGUMENTS)
    counts = {function.low, min(function.high, 3)}
    return [
        ", ".join(_FORMS[(start + step) % len(_FORMS)] for step in range(count))
        for count in sorted(counts)
        for start in range(len(_FORMS) if count else 1)
    ]


def calls(name: str) -> list[str]:
    """Calls of a function, over the columns of `src`."""
    function = FUNCTIONS[name]
    bare = name.startswith("current_")
    found = [name if bare else f"{name}({inside})" for inside in arguments(name, function)]
    if function.sort is Sort.WINDOW:
        return [f"{each} over (partition by b order by n)" for each in found]
    if function.sort is Sort.AGGREGATE:
        return [*found, *(f"{each} over (order by n)" for each in found if "," not in each)]
    return found


def writes(name: str) -> list[str]:
    """Statements that keep what the function gives: INSERT … SELECT, UPDATE, a column's default, a condition."""
    function, texts = FUNCTIONS[name], []
    for call in calls(name):
        texts.append(f"insert into kept select '{name}', 'select', {call} from src")
        if function.sort in (Sort.SCALAR, Sort.MOMENT):
            texts.append(f"update counted set v = (select {call} from src where src.k = counted.k)")
            chosen = f"k from src where {call} > n order by {call} limit 2"
            texts.append(f"insert into kept select '{name}', 'where', {chosen}")
        texts.append(f"insert into kept select '{name}', 'scalar', (select {call} from src)")
    if function.sort in (Sort.SCALAR, Sort.MOMENT):
        for number, call in enumerate(each for each in calls(name) if not _COLUMN.search(_STRING.sub("", each))):
            table = f"def_{name}_{number}"
            texts += [f"create table {table} (k ISA, v default ({call}))", f"insert into {table} (k) values (1), (2)"]
    return texts


def others() -> list[str]:
    """Writes whose outcome hangs on order, chance or a view."""
    return [
        "insert into kept select 'view', 'now', m from seen",
        "insert into kept select 'view', 'column', w from seen",
        "insert into kept select 'view', 'subsec', s from seen",
        "insert into kept select 'view', 'random', r from seen",
        "insert into kept select 'order', 'random', k from src order by random() limit 2",
        "insert into kept select 'order', 'ties', t from src order by b limit 3",
        "update counted set v = random() where k in (select k from src order by random() limit 3)",
        "insert into kept values ('values', 'mixed', random()), ('values', 'mixed', now())",
        "insert into kept values ('a', 'rows', 1), ('b', 'rows', 2), ('c', 'rows', datetime('subsec'))",
        "create table copied as select k, random() r, now() m from src",
        "create table stamped (k ISA, at DATY default now(), day default current_date, c default current_time,"
        " r default (random()), s default (datetime('subsec')))",
        "insert into stamped (k) select k from src",
        "insert into stamped (k) values (1), (2), (3)",
        "delete from stamped where r % 3 = 0",
        "update stamped set c = 'first' limit 2",
        "delete from stamped order by k, random() limit 1 offset (select count(*) from src) - 3",
        "create table computed (n ISA, t TEXT, half as (n / 2) stored, y as (strftime('%Y', t)))",
        "insert into computed select n, d from src",
    ]


@pytest.fixture
def entries() -> list[Entry]:
    """Every function in writes, an entry each."""
    log = LogMaker(1)
    log.time_ms = ENTRIES_MS
    texts = [*SETUP, *(text for name in sorted(FUNCTIONS) for text in writes(name)), *others()]
    return [log.statement(split(text)) for text in texts]


def nodes(tmp_path: Path) -> Iterator[Engine]:
    """Two engines."""
    for number in range(2):
        engine = Engine(tmp_path / f"m{number}", f"m{number}", TestLimits())
        engine.open()
        yield engine


@pytest.mark.slow
def test_every_function_gives_the_same_on_every_node(tmp_path: Path, entries: list[Entry]) -> None:
    digests, outcomes = set(), set()
    for size, engine in zip((3, len(entries)), nodes(tmp_path), strict=True):
        with closing(engine):
            database = open_database(engine)
            found = [
                outcome
                for first in range(0, len(entries), size)
                for outcome in database.apply(work(*entries[first : first + size]))
            ]
            digests.add(database.upkeep.content_digest())
            outcomes.add(tuple((each.index, each.sqlstate, each.rows, each.digest) for each in found))
            assert not [(each.key, normalizer.text(_statement(entries, each.index))) for each in found if each.sqlstate]
            with closing(apsw.Connection(str(next(engine.directory.path.glob("db-*.sqlite"))))) as connection:
                _assert_of_the_entries_time(connection)
                assert _kept(connection) == set(FUNCTIONS)
    assert len(digests) == 1
    assert len(outcomes) == 1


def _statement(entries: list[Entry], index: int) -> NormalizedStatement:
    return entries[index - 1].statements[0].normalized


def _kept(connection: apsw.Connection) -> set[Value]:
    """The functions that gave something but null."""
    return {name for (name,) in connection.execute("SELECT name FROM kept WHERE v IS NOT NULL")} & set(FUNCTIONS)


def _assert_of_the_entries_time(connection: apsw.Connection) -> None:
    """No stored moment is near what the machine says: the tests' own years are all before 2002."""
    year = datetime.now(UTC).year
    tables = [name for (name,) in connection.execute("SELECT name FROM dirk_catalog WHERE kind = 'table'")]
    for table in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            assert not any(isinstance(value, str) and value.startswith(f"{year}-") for value in row), row
            assert not any(isinstance(value, float | int) and _is_recent(value) for value in row), row


def _is_recent(value: float) -> bool:
    """Whether it may be the machine's time as Unix seconds or Julian days."""
    seconds = datetime.now(UTC).timestamp()
    return abs(value - seconds) < 86_400 or abs(value - (seconds / 86_400 + 2_440_587.5)) < 2
