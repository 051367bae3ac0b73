"""Clients that make databases, fill them, read them and drop them, each again and again under a name of its own."""

from __future__ import annotations

from random import Random
from typing import Any

import gevent

from tests.chaos.clients import PAUSE_SECONDS, ask_until, new_request_id
from tests.chaos.history import History
from tests.chaos.speaking import Speaker

#: The kinds of operations that are about databases which come and go, in the order of a database's life.
KINDS = ("make", "table", "fill", "rows", "drop", "gone", "void")
_REST_SECONDS = 0.4
_MOST_ROWS = 4


class Maker:
    """One client; `run` until `stop`. Nobody else uses its name, so that each answer can be one thing only.

    An operation's `key` is the name, its `value` the rows that the database has then.
    """

    def __init__(self, number: int, speaker: Speaker, history: History, chance: Random) -> None:
        self.number = number
        self.name = f"d{number}"
        self._speaker = speaker
        self._history = history
        self._chance = chance
        self._lives = 0
        self._is_stopping = False

    def run(self) -> None:
        """Life after life, the last one broken off. Raises Unexpected."""
        while not self._is_stopping:
            self._lives += 1
            self._live()
            gevent.sleep(self._chance.random() * _REST_SECONDS)
        self._speaker.leave()

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True

    def _live(self) -> None:
        values = [self._lives * 100 + row for row in range(self._chance.randint(1, _MOST_ROWS))]
        inserted = ", ".join(f"({value})" for value in values)
        level = self._chance.choice(["session", "strong"])
        steps: tuple[tuple[str, str, list[int], str], ...] = (
            ("make", f"CREATE DATABASE {self.name}", [], ""),
            ("table", "CREATE TABLE t (n INTEGER)", [], ""),
            ("fill", f"INSERT INTO t (n) VALUES {inserted}", values, ""),
            ("rows", "SELECT n FROM t ORDER BY n", values, level),
            ("drop", f"DROP DATABASE {self.name}", [], ""),
            ("gone", "SELECT n FROM t ORDER BY n", [], level),
            ("void", f"INSERT INTO t (n) VALUES {inserted}", [], ""),
        )
        for kind, text, rows, read in steps:
            if self._is_stopping:
                return
            self._step(kind, text, rows, read)
            gevent.sleep(self._chance.random() * PAUSE_SECONDS)

    def _step(self, kind: str, text: str, rows: list[int], level: str) -> None:
        request_id = "" if level else new_request_id()
        operation = self._history.invoke(self.number, kind, self.name, rows, level, request_id)
        metadata: dict[str, Any] = {"read": level} if level else {"id": request_id}
        metadata["db"] = None if kind in ("make", "drop") else self.name
        answer = ask_until(self._speaker, operation, text, set(), **metadata)
        told = answer.sqlstate or ([row[0] for row in answer.rows] if level else answer.changed)
        self._history.end(operation, "fail" if answer.sqlstate else "ok", told)
