"""Test corpora in the sqllogictest format: a file's records, with the conditions that choose between engines applied.

A record is a statement with how it must end, or a query with the values it must answer. Records are separated by blank
lines; `#` begins a comment line. `skipif E` and `onlyif E` before a record choose by engine, `halt` ends the file,
`hash-threshold N` says from how many values a result is given as a hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile


class CorpusError(Exception):
    """A file that is not in the format; the message names the line."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that must succeed (`fails` False) or fail. `line`: where its record begins, from 1."""

    sql: str
    line: int
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query and its expected values, in the order of `sort`.

    `types`: a letter a column: T text, I whole, R real to three places. `sort`: nosort, rowsort or valuesort.
    `values`: as the file gives them, or None when `digest` does: count of values and their MD5.
    """

    sql: str
    line: int
    types: str
    sort: str = "nosort"
    values: tuple[str, ...] | None = ()
    digest: tuple[int, str] | None = None


Record = Statement | Query


def records(text: str, engine: str) -> Iterator[Record]:
    """The records of a file that are for `engine`. Raises CorpusError."""
    for first, lines in _blocks(text):
        conditions = list(takewhile(lambda line: line.split()[0] in ("skipif", "onlyif"), lines))
        lines = lines[len(conditions) :]
        if not lines or not all(_applies(each.split(), engine) for each in conditions):
            continue
        words = lines[0].split()
        if words[0] == "halt":
            return
        if words[0] == "hash-threshold":
            continue
        yield _record(words, lines[1:], first)


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines that are not blank, with the number of the first; comment lines left out."""
    block: list[str] = []
    first = 1
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if not line.strip():
            if block:
                yield first, block
            block = []
        elif not line.startswith("#"):
            first = first if block else number
            block.append(line.rstrip("\r"))


def _applies(words: list[str], engine: str) -> bool:
    return (words[1] == engine) == (words[0] == "onlyif")


def _record(words: list[str], body: list[str], line: int) -> Record:
    if words[0] == "statement" and words[1:2] in (["ok"], ["error"]):
        return Statement("\n".join(body), line, words[1] == "error")
    if words[0] != "query" or len(words) < 2:
        raise CorpusError(f"line {line}: neither a statement nor a query: {' '.join(words)}")
    end = body.index("----") if "----" in body else len(body)
    sql, found = "\n".join(body[:end]), body[end + 1 :]
    sort = next((word for word in words[2:] if word in ("nosort", "rowsort", "valuesort")), "nosort")
    if len(found) == 1 and " values hashing to " in found[0]:
        count, digest = found[0].split(" values hashing to ")
        return Query(sql, line, words[1], sort, None, (int(count), digest.strip()))
    return Query(sql, line, words[1], sort, tuple(found))
