"""The executed examples of docs/language.md: what they say, and what a cluster answers.

An example is `mg:` and `sql:` lines, the same statement in each vocabulary (or one `any:` line), and the answer
below them: a relation's column names, then a row a line as JSON values, or the message. A page is run from top to
bottom in one session, once in each vocabulary. `DIRK_UPDATE_GOLDEN=1` writes the answers anew; read the difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cluster import Connection, message, pages, rows

VOCABULARIES = ("mg", "sql")

_FENCE = re.compile(r"^```dirkdb\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_STATEMENT = re.compile(r"(mg|sql|any): +(.+;)")


@dataclass(frozen=True, slots=True)
class Example:
    """One statement by vocabulary, and the answer that the page shows."""

    texts: dict[str, str]
    answer: str


def examples(page: str) -> Iterator[Example]:
    """The examples of a page, in order. ValueError for a line that belongs to none."""
    for fence in _FENCE.finditer(page):
        yield from _of_fence(fence[1])


def with_answers(page: str, answers: Iterator[str]) -> str:
    """The page with other answers under its examples."""

    def fence(found: re.Match[str]) -> str:
        blocks = [f"{_statements(example)}\n{next(answers)}\n" for example in _of_fence(found[1])]
        return "```dirkdb\n" + "\n".join(blocks) + "```"

    return _FENCE.sub(fence, page)


def shown(answer: str) -> str:
    """An answer as the page shows it."""
    found = pages(answer)
    if not found:
        return message(answer)
    head = " | ".join(str(column["name"]) for column in found[0]["columns"])
    lines = [" | ".join(json.dumps(value, ensure_ascii=False) for value in row) for row in rows(answer)]
    return "\n".join([head, *(lines or ["(no rows)"])])


def run(page: str, connection: Connection, vocabulary: str) -> Iterator[tuple[Example, str]]:
    """Each example of a page with what `connection` answers."""
    for example in examples(page):
        text = example.texts.get("any") or example.texts[vocabulary]
        yield example, shown(connection.ask(text))


def _of_fence(text: str) -> Iterator[Example]:
    texts: dict[str, str] = {}
    answer: list[str] = []
    for line in text.splitlines():
        found = _STATEMENT.fullmatch(line)
        if found is not None and answer:
            yield Example(texts, "\n".join(answer).strip("\n"))
            texts, answer = {}, []
        if found is not None:
            texts[found[1]] = found[2]
        elif line.startswith(("mg:", "sql:", "any:")):
            raise ValueError(f"no statement: {line}")
        else:
            answer.append(line)
    if set(texts) not in ({"any"}, set(VOCABULARIES)):
        raise ValueError(f"not in both vocabularies: {text}")
    yield Example(texts, "\n".join(answer).strip("\n"))


def _statements(example: Example) -> str:
    return "\n".join(f"{name + ':':<5}{text}" for name, text in example.texts.items())
