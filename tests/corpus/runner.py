"""Runs a corpus over the protocol, record by record, and says which records did not end as they should."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from tests.corpus.reader import Query, Record

Rows = list[list[Any]]
#: Sends one statement, without its `;`, and gives the rows of its answer; None when that is a message. Raises Refused.
Ask = Callable[[str], Rows | None]
_PAGE = re.compile(r"^RELATION_JSON_PAGE \d+/\d+$", re.MULTILINE)


class Refused(Exception):  # noqa: N818 — what the server answers is no error of the runner
    """The server's own sentence of refusal."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that did not end as it should, and how it did end."""

    record: Record
    found: str


@dataclass(slots=True)
class Report:
    """What a corpus came to."""

    ran: int = 0
    failures: list[Failure] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.ran} records, {len(self.failures)} failed"]
        lines += [f"line {each.record.line}: {each.record.sql}\n  {each.found}" for each in self.failures]
        return "\n".join(lines)


def asking(send: Callable[[str], str]) -> Ask:
    """An `Ask` over a connection: `send` sends a text and returns the whole answer."""

    def ask(sql: str) -> Rows | None:
        return answered(send(sql + ";"))

    return ask


def answered(answer: str) -> Rows | None:
    """The rows of an answer's text, None for a message. Raises Refused."""
    if answer.startswith("RESULT_MESSAGE\n"):
        message = answer.removeprefix("RESULT_MESSAGE\n").removesuffix("END\n")
        if message.startswith("Hadisoana : "):
            raise Refused(message.strip())
        return None
    rows: Rows = []
    for page in _PAGE.finditer(answer):
        end = answer.index("\n", page.end() + 1)
        rows += json.loads(answer[page.end() + 1 : end])["rows"]
    return rows


def run(corpus: Iterable[Record], ask: Ask) -> Report:
    """Runs `corpus` to its end, whatever fails."""
    report = Report()
    for record in corpus:
        report.ran += 1
        found = _ended(record, ask)
        if found:
            report.failures.append(Failure(record, found))
    return report


def _ended(record: Record, ask: Ask) -> str:
    """How the record ended; '' when it is how it should."""
    wants_failure = not isinstance(record, Query) and record.fails
    try:
        rows = ask(record.sql)
    except Refused as refused:
        return "" if wants_failure else str(refused)
    if wants_failure:
        return "it succeeded"
    return _compared(record, rows or []) if isinstance(record, Query) else ""


def _compared(query: Query, rows: Rows) -> str:
    if rows and len(rows[0]) != len(query.types):
        return f"{len(rows[0])} columns"
    values = sorted_values(
        [[shown(value, kind) for value, kind in zip(row, query.types, strict=True)] for row in rows], query.sort
    )
    if query.values is not None:
        expected = list(query.values)
        if values != expected and " ".join(values).split() == " ".join(expected).split():
            # A row a line, its values with spaces between, is another way to write results.
            return ""
        return "" if values == expected else f"found {values[:20]}, expected {expected[:20]}"
    digest = md5("".join(f"{value}\n" for value in values).encode(), usedforsecurity=False).hexdigest()
    return "" if (len(values), digest) == query.digest else f"found {len(values)} values hashing to {digest}"


def shown(value: Any, kind: str) -> str:
    """A value as results are written: by the letter of its column."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        value = int(value)
    if kind == "I":
        return str(int(float(_leading_number(value)))) if not isinstance(value, int) else str(value)
    if kind == "R":
        return f"{float(_leading_number(value)):.3f}"
    text = str(value)
    return "".join(each if " " <= each <= "~" else "@" for each in text) or "(empty)"


def _leading_number(value: Any) -> str | float:
    if not isinstance(value, str):
        return float(value)
    found = re.match(r"\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", value)
    return found[0] if found else "0"


def sorted_values(rows: list[list[str]], sort: str) -> list[str]:
    """The values of `rows` one after another, rows or values sorted as the record says."""
    if sort == "rowsort":
        rows = sorted(rows)
    values = [value for row in rows for value in row]
    return sorted(values) if sort == "valuesort" else values
