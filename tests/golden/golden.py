"""Golden scripts: statements run on a real cluster, beside the answers a person has read and found right.

A script is a `.dirkdb` file; its record is a `.out` file of the same name: each statement as it was sent, then
the answer. Where a relation's order is not fixed by the statement its rows are recorded sorted, so that a record
never depends on how an engine walks a table. `DIRK_UPDATE_GOLDEN=1` writes the records anew; read the difference
against the language's rules before it is kept.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from dirk_gevent.protocol.splitter import StatementSplitter
from tests.cluster import ROOT, Connection, message, pages, rows

HERE = Path(__file__).resolve().parent
SCRIPTS = sorted([*(ROOT / "examples").glob("*.dirkdb"), *(HERE / "scripts").glob("*.dirkdb")])

_ORDERED = re.compile(r"\b(alaharo|order\s+by|asehoy|show|fetra|limit)\b", re.IGNORECASE)
_SHOW_DATABASES = "asehoy ny tahiry;"


def record_path(script: Path) -> Path:
    """Where the answers of `script` are recorded."""
    return HERE / f"{script.stem}.out"


def statements(script: Path) -> list[str]:
    """The statements of a script, without their `;`."""
    return [one.decode() for one in StatementSplitter().feed(script.read_bytes())]


def run(script: Path, connection: Connection) -> str:
    """The record of `script` run on `connection`; the databases it makes are dropped again."""
    before = {name for (name,) in connection.ask_rows(_SHOW_DATABASES)}
    blocks = [f"{one}\n{_shown(one, connection.ask(one + ';'))}" for one in statements(script)]
    for (name,) in connection.ask_rows(_SHOW_DATABASES):
        if name not in before:
            connection.ask(f"ravao ny tahiry `{name}`;")
    return "\n\n".join(blocks) + "\n"


def check(script: Path, connection: Connection, may_write: bool) -> None:
    """Compare a run with its record; with `may_write`, write the record when the environment asks for it."""
    found = run(script, connection)
    path = record_path(script)
    if may_write and os.environ.get("DIRK_UPDATE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8"), f"{script.name} does not answer as {path.name} records"


def _shown(statement: str, answer: str) -> str:
    """An answer in the record's form: columns with their origin, a row a line, the message."""
    said = "\n".join(f"= {line}" for line in message(answer).split("\n"))
    found = pages(answer)
    if not found or "RELATION_JSON_END" not in answer:
        return said
    columns = " | ".join(_column(one) for one in found[0]["columns"])
    lines = [json.dumps(row, ensure_ascii=False) for row in rows(answer)]
    if not _ORDERED.search(statement):
        lines.sort()
    head = f"  {found[0]['name']} ({columns})"
    return "\n".join([head, *(f"  {line}" for line in lines), said])


def _column(column: dict[str, Any]) -> str:
    return f"{column['name']} @{column['origin']}" if column["origin"] else str(column["name"])
