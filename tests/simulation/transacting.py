"""Transactions of simulated clients: each statement from what those before it read, then COMMIT until it is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from tests.simulation.clients import AGAIN, Answer, Client, GiveUp, Sight, Trial, request_id, statement
from tests.simulation.schedule import Kind, Operation

#: What COMMIT is told when nobody knows of it. It may still be on its way over another connection.
NO_TRANSACTION = "25P01"
ACCOUNTS = 3
BEGIN, COMMIT, ROLLBACK = "atombohy;", "tehirizo;", "avereno;"
#: A change that tells what it leaves.
RAISE = "UPDATE isany SET n = n + 1 RETURNING k, n;"


class _EndedError(Exception):
    """A statement failed, with this SQLSTATE, or nothing came (empty): the transaction is over."""

    def __init__(self, sqlstate: str, text: str) -> None:
        super().__init__(sqlstate, text)
        self.sqlstate = sqlstate
        self.text = text


def accounts(operation: Operation) -> tuple[int, int]:
    """From which account of the bank a transfer takes money, and where it goes."""
    source = operation.number % ACCOUNTS
    return 1 + source, 1 + (source + 1 + operation.value % 2) % ACCOUNTS


def balance_text(account: int, balance: int) -> str:
    """The statement by which an account has a balance."""
    return f"UPDATE banky SET n = {balance} WHERE k = {account};"


class Transacting:
    """One transaction of a client. It is not tried again: whether it committed is asked until that is known."""

    def __init__(self, client: Client, operation: Operation, give_up: GiveUp) -> None:
        self._client = client
        self._operation = operation
        self._give_up = give_up
        self._trial = Trial(operation, client.floor)
        client.history.trials.append(self._trial)

    def perform(self) -> None:
        """From BEGIN to its end."""
        bodies: dict[Kind, Callable[[], bool]] = {
            Kind.TRANSFER: self._transfer,
            Kind.BUMP: self._bump,
            Kind.SIGHT: self._sight,
            Kind.GLANCE: self._glance,
        }
        try:
            self._step(BEGIN)
            if not bodies[self._operation.kind]():
                self._step(ROLLBACK)
                return
        except _EndedError as ended:
            self._trial.sqlstate, self._trial.text = ended.sqlstate, ended.text
            if ended.sqlstate:
                # What was aborted stays until its session ends it.
                self._client.say(self._operation.name, ROLLBACK, {})
            return
        self._trial.is_handed_over = True
        answer = self._client.until_known(self._commit, self._give_up)
        if self._operation.again and answer is not None and not answer.sqlstate:
            self._client.until_known(self._commit, self._give_up)

    def _transfer(self) -> bool:
        source, target = accounts(self._operation)
        amount = self._operation.value
        balances = dict(self._read(Kind.READ_BANK))
        if balances[source] < amount:
            return False
        self._step(balance_text(source, balances[source] - amount))
        self._step(balance_text(target, balances[target] + amount))
        self._read(Kind.READ_BANK, is_own=True)
        return True

    def _bump(self) -> bool:
        numbers = dict(self._read(Kind.READ_NUMBERS))
        self._step(f"UPDATE isany SET n = {numbers[1] + 1} WHERE k = 1;")
        return True

    def _sight(self) -> bool:
        self._read(Kind.READ_NUMBERS)
        self._read(Kind.READ_BANK)
        return True

    def _glance(self) -> bool:
        self._read(Kind.READ_NUMBERS)
        self._saw(Kind.READ_NUMBERS, self._step(RAISE), is_own=True)
        self._read(Kind.READ_BANK, is_own=True)
        return False

    def _read(self, kind: Kind, is_own: bool = False) -> list[list[Any]]:
        rows = self._saw(kind, self._step(statement(Operation(0, 0, 0.0, kind, 0))), is_own)
        gevent.sleep(self._operation.pause_seconds)
        return rows

    def _saw(self, kind: Kind, answer: Answer, is_own: bool) -> list[list[Any]]:
        assert answer.rows is not None, answer
        self._trial.sights.append(Sight(kind, answer.rows, answer.index, is_own))
        return answer.rows

    def _step(self, text: str) -> Answer:
        answer = self._client.say(self._operation.name, text, {})
        if answer is None or answer.sqlstate:
            raise _EndedError(*("", "no answer") if answer is None else (answer.sqlstate, answer.text))
        return answer

    def _commit(self) -> Answer | None:
        history = self._client.history
        attempt = self._client.attempt(self._operation)
        answer = self._client.say(self._operation.name, COMMIT, {"id": request_id(self._operation)})
        attempt.answer, attempt.ended = answer, self._client.elapsed
        if answer is None or answer.sqlstate in AGAIN:
            # On a connection of its own: this one may hold a transaction, or an answer that is still to come.
            self._client.leave()
        elif not answer.sqlstate:
            history.known = max(history.known, answer.seen)
        return answer
