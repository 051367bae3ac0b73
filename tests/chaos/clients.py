"""What the clients of a run do: registers, sets, counters, a bank and lists, each choice a function of the seed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Set
from random import Random
from typing import Any

import gevent

from tests.chaos.history import History, Operation
from tests.chaos.speaking import Answer, NoAnswerError, Speaker

#: Keys of each kind; clients move from key to key so that no history of one grows long.
KEYS = 400
ACCOUNTS = 6
FIRST_BALANCE = 100
#: Operations that a client makes before it moves on to the next keys, and how many keys it then has.
_STAY = 25
_CHOICE = 3
#: Not done, or done by another part in a moment: ask again.
_AGAIN = {"57P03", "53300", "53100", "08006", "58030"}
_UNKNOWN = "08007"
_NO_DATABASE = "3D000"
_NO_TABLE = "42P01"
#: A log that has lost what nodes know of says so with this command: no fault of a run excuses it.
_NEEDS_A_PERSON = "rebuild-log"
#: A conflict of transactions, a step that was refused because its transaction is gone.
_ABORTED = {"40001", "25P01", "25P02", "57P03", "53300", "53100", "08006", "58030"}
#: Requests whose `min` is below what their session has seen, of its database's log and of the log of databases.
_LESS_SHARE = 0.4
PAUSE_SECONDS = 0.03
_AGAIN_SECONDS = 0.08

#: What every run begins with.
SCHEMA = (
    "CREATE TABLE registers (k INTEGER PRIMARY KEY, v INTEGER)",
    "CREATE TABLE elements (k INTEGER, n INTEGER)",
    "CREATE TABLE counters (k INTEGER PRIMARY KEY, n INTEGER)",
    "CREATE TABLE accounts (k INTEGER PRIMARY KEY, n INTEGER)",
    "CREATE TABLE transfers (n INTEGER)",
    "CREATE TABLE lists (k INTEGER PRIMARY KEY, v TEXT)",
    "INSERT INTO registers (k, v) VALUES " + ", ".join(f"({key}, 0)" for key in range(KEYS)),
    "INSERT INTO counters (k, n) VALUES " + ", ".join(f"({key}, 0)" for key in range(KEYS)),
    "INSERT INTO accounts (k, n) VALUES " + ", ".join(f"({key}, {FIRST_BALANCE})" for key in range(ACCOUNTS)),
    "INSERT INTO lists (k, v) VALUES " + ", ".join(f"({key}, '')" for key in range(KEYS)),
)


class Unexpected(Exception):  # noqa: N818 - it is what the run was looking for
    """An answer that no fault explains."""


class Client:
    """One client; `run` until `stop`, then `is_done` once its last operation has ended."""

    def __init__(self, number: int, speaker: Speaker, history: History, chance: Random) -> None:
        self.number = number
        # A node that lost its files in a power cut knows no database until it follows the log again.
        self._lost = {_NO_DATABASE} if speaker.is_at_node else set()
        self._speaker = speaker
        self._history = history
        self._chance = chance
        self._made = 0
        self._last_value: dict[int, int] = {}
        self._is_stopping = False
        self._works: list[Callable[[], None]] = [
            self._write,
            self._write,
            self._compare_and_set,
            self._read_register,
            self._read_register,
            self._insert,
            self._insert,
            self._read_elements,
            self._add,
            self._read_counter,
            self._transfer,
            self._read_accounts,
            self._lists,
            self._lists,
        ]

    def run(self) -> None:
        """Operation after operation. Raises Unexpected."""
        while not self._is_stopping:
            self._made += 1
            work = self._chance.choice(self._works)
            work()
            gevent.sleep(self._chance.random() * PAUSE_SECONDS)
        self._speaker.leave()

    def learn(self, speaker: Speaker) -> None:
        """Begin with what `speaker` has seen."""
        self._speaker.learn(speaker)

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True

    # -- single statements ------------------------------------------------------------------------------------

    def _key(self) -> int:
        return (self._made // _STAY * _CHOICE + self._chance.randrange(_CHOICE)) % KEYS

    def _value(self) -> int:
        return self._made * 100 + self.number

    def _write(self) -> None:
        key, value = self._key(), self._value()
        self._change("write", key, value, f"UPDATE registers SET v = {value} WHERE k = {key}")
        self._last_value[key] = value

    def _compare_and_set(self) -> None:
        key, value = self._key(), self._value()
        old = self._last_value.get(key, 0)
        text = f"UPDATE registers SET v = {value} WHERE k = {key} AND v = {old}"
        self._change("cas", key, [old, value], text)

    def _insert(self) -> None:
        key, value = self._key(), self._value()
        self._change("insert", key, value, f"INSERT INTO elements (k, n) VALUES ({key}, {value})")

    def _add(self) -> None:
        key = self._key()
        self._change("add", key, 1, f"UPDATE counters SET n = n + 1 WHERE k = {key}")

    def _read_register(self) -> None:
        key = self._key()
        found = self._read("register", key, f"SELECT v FROM registers WHERE k = {key}")
        if found is not None:
            self._last_value[key] = found[0]

    def _read_elements(self) -> None:
        key = self._key()
        self._read("elements", key, f"SELECT n FROM elements WHERE k = {key}")

    def _read_counter(self) -> None:
        key = self._key()
        self._read("counter", key, f"SELECT n FROM counters WHERE k = {key}")

    def _read_accounts(self) -> None:
        self._read("accounts", 0, "SELECT n FROM accounts ORDER BY k")

    def _change(self, kind: str, key: int, value: object, text: str) -> None:
        operation = self._history.invoke(self.number, kind, key, value, "", new_request_id())
        answer = self._ask_until(operation, text, id=operation.request_id)
        self._history.end(operation, "fail" if answer.sqlstate else "ok", answer.sqlstate or answer.changed)
        if answer.sqlstate:
            raise Unexpected(f"{operation.shown()}: {answer.text}")

    def _read(self, kind: str, key: int, text: str) -> list[int] | None:
        level = self._chance.choice(["session", "session", "strong", "any"])
        operation = self._history.invoke(self.number, kind, key, None, level)
        answer = self._ask_until(operation, text, read=level)
        found = [row[0] for row in answer.rows]
        self._history.end(operation, "fail" if answer.sqlstate else "ok", answer.sqlstate or found)
        if answer.sqlstate:
            raise Unexpected(f"{operation.shown()}: {answer.text}")
        return found or None

    def _ask_until(self, operation: Operation, text: str, **metadata: Any) -> Answer:
        # "any" takes any state, after a power cut one from before the tables were made.
        early = {_NO_DATABASE, _NO_TABLE} if operation.level == "any" else self._lost
        if self._chance.random() < _LESS_SHARE and (least := self._speaker.less(self._chance)):
            metadata["min"] = least
        return ask_until(self._speaker, operation, text, early, **metadata)

    # -- transactions -----------------------------------------------------------------------------------------

    def _transfer(self) -> None:
        source, target = self._chance.sample(range(ACCOUNTS), 2)
        amount, number = self._chance.randint(1, 20), self._value()
        value = [source, target, amount, number]
        operation = self._history.invoke(self.number, "transfer", 0, value, "", new_request_id())

        def body() -> bool:
            rows = self._step(f"SELECT n FROM accounts WHERE k = {source}").rows
            if rows[0][0] < amount:
                return False
            self._step(f"UPDATE accounts SET n = n - {amount} WHERE k = {source}")
            self._step(f"UPDATE accounts SET n = n + {amount} WHERE k = {target}")
            self._step(f"INSERT INTO transfers (n) VALUES ({number})")
            return True

        self._transact(operation, body)

    def _lists(self) -> None:
        """Reads and appends on some lists; what was read is the operation's result, filled in on the way."""
        steps: list[list[object]] = []
        operation = self._history.invoke(self.number, "lists", 0, steps, "", new_request_id())
        number = 0

        def body() -> bool:
            nonlocal number
            for _ in range(self._chance.randint(1, 4)):
                key = self._key()
                if self._chance.random() < 0.5:
                    found = str(self._step(f"SELECT v FROM lists WHERE k = {key}").rows[0][0])
                    steps.append(["read", key, [int(one) for one in found.split(",") if one]])
                else:
                    number += 1
                    value = self._value() * 10 + number
                    self._step(f"UPDATE lists SET v = v || ',' || '{value}' WHERE k = {key}")
                    steps.append(["append", key, value])
            return True

        self._transact(operation, body)

    def _transact(self, operation: Operation, body: Callable[[], bool]) -> None:
        """BEGIN, `body`, COMMIT. A transaction is not tried again: it ends in ok, fail, or nobody knows."""
        is_committing = False
        try:
            self._step("BEGIN")
            if not body():
                self._step("ROLLBACK")
                self._history.end(operation, "fail", "rolled back")
                return
            is_committing = True
            answer = self._step("COMMIT", id=operation.request_id)
            operation.log, operation.index, operation.node = answer.log, answer.index, answer.node
            self._history.end(operation, "ok", "")
        except NoAnswerError:
            if is_committing:
                self._settle(operation)
            else:
                self._history.end(operation, "fail", "no answer")
        except _StepFailed as failed:
            self._speaker.leave()
            if failed.answer.sqlstate == _UNKNOWN:
                self._settle(operation)
                return
            self._history.end(operation, "fail", failed.answer.sqlstate)
            if failed.answer.sqlstate not in _ABORTED | self._lost:
                raise Unexpected(f"{operation.shown()}: {failed.answer.text}") from failed

    def _settle(self, operation: Operation) -> None:
        """Ask how a COMMIT ended until it is known. One that was denied (25P01) must not be seen later."""
        answer = ask_until(self._speaker, operation, "COMMIT", self._lost, id=operation.request_id)
        self._history.end(operation, "fail" if answer.sqlstate else "ok", answer.sqlstate)
        if answer.sqlstate not in _ABORTED | {""}:
            raise Unexpected(f"{operation.shown()}: {answer.text}")

    def _step(self, text: str, **metadata: Any) -> Answer:
        answer = self._speaker.ask(text, **metadata)
        if answer.sqlstate:
            raise _StepFailed(answer)
        return answer


def ask_until(speaker: Speaker, operation: Operation, text: str, early: Set[str], **metadata: Any) -> Answer:
    """Ask, again with the same request id while the answer is that nobody knows or that nobody can.

    `early` are the errors of a part that does not know enough yet. Raises Unexpected when a person is asked for.
    """
    while True:
        operation.tries += 1
        try:
            answer = speaker.ask(text, **metadata)
        except NoAnswerError:
            gevent.sleep(_AGAIN_SECONDS)
            continue
        operation.log, operation.index, operation.node = answer.log, answer.index, answer.node
        if _NEEDS_A_PERSON in answer.text:
            raise Unexpected(f"{operation.shown()}: {answer.text}")
        if answer.sqlstate not in _AGAIN | early | {_UNKNOWN}:
            return answer
        gevent.sleep(_AGAIN_SECONDS)


class _StepFailed(Exception):  # noqa: N818
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


def new_request_id() -> str:
    """Fresh in every run: a seed that is run again in the same database must not meet its own requests."""
    return f"{time.time_ns() // 1_000_000}-{secrets.token_hex(8)}"
