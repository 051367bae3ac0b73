"""The two workloads, run over the protocol by threads of the test: each gives a history for its checker.

    lists = ListAppend(names, seed)
    lists.prepare(client)                            # tables
    history = run(lists.session, sessions, until)    # each session in a thread, until `until()`
    final = lists.final(client)
    assert not anomalies(history) + lost(history, final)
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.checkers import bank
from tests.checkers.list_append import Append, Ending, Read, Step, Transaction
from tests.checkers.sessions import Client

Did = TypeVar("Did")

#: A session's work: its number, its client, whether to go on; what it did.
Session = Callable[[int, Client, Callable[[], bool]], list[Did]]


def run(work: Session[Did], clients: Sequence[Client], goes_on: Callable[[], bool]) -> list[Did]:
    """Each client in a thread of its own while `goes_on()`; what all did. Raises what a thread raised."""
    done: list[list[Did]] = [[] for _ in clients]
    failures: list[BaseException] = []

    def thread(number: int, client: Client) -> None:
        try:
            with client:
                done[number] = work(number, client, goes_on)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=thread, args=each) for each in enumerate(clients)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failures:
        raise failures[0]
    return [one for each in done for one in each]


class ListAppend:
    """Lists of numbers in a few tables: transactions append to some and read some."""

    def __init__(self, seed: int, tables: int = 3, keys_a_table: int = 2, most_steps: int = 4) -> None:
        self._seed = seed
        self._tables = tables
        self._keys = range(tables * keys_a_table)
        self._most_steps = most_steps
        self._values = itertools.count(1)

    def prepare(self, client: Client) -> None:
        """Make the tables, with an empty list for each key."""
        for table in range(self._tables):
            client.ask(f"manamboara tabilao lisitra{table} (k ISA fanalahidy, v LAHATSORATRA)")
        for key in self._keys:
            client.ask(f"manampia ao@ {self._table(key)} sanda ({key}, '')")

    def session(self, number: int, client: Client, goes_on: Callable[[], bool]) -> list[Transaction]:
        """Random transactions, one after another."""
        source = random.Random(f"{self._seed} {number}")
        history: list[Transaction] = []
        while goes_on():
            steps: list[Step] = []
            chosen = [(source.choice(self._keys), source.random() < 0.5) for _ in range(self._steps(source))]

            def work(
                client: Client, chosen: list[tuple[int, bool]] = chosen, steps: list[Step] = steps
            ) -> None:
                for key, is_append in chosen:
                    steps.append(self._append(client, key) if is_append else self._read(client, key))

            ending = client.transact(work)
            history.append(Transaction(f"s{number}t{len(history)}", number, ending, tuple(steps)))
        return history

    def final(self, client: Client) -> dict[int, tuple[int, ...]]:
        """All lists as they are now."""
        return {key: self._read(client, key).values for key in self._keys}

    def _steps(self, source: random.Random) -> int:
        return source.randint(1, self._most_steps)

    def _table(self, key: int) -> str:
        return f"lisitra{key % self._tables}"

    def _append(self, client: Client, key: int) -> Append:
        value = next(self._values)
        client.ask(f"havaozy {self._table(key)} ova v = v || ' {value}' rehefa k = {key}")
        return Append(key, value)

    def _read(self, client: Client, key: int) -> Read:
        text = client.rows(f"alaivo v ao@ {self._table(key)} rehefa k = {key}")[0][0]
        return Read(key, tuple(map(int, text.split())))


class Bank:
    """Accounts in two tables, so that a transfer often touches both."""

    def __init__(self, seed: int, accounts: int = 6, balance: int = 100) -> None:
        self._seed = seed
        self._accounts = range(accounts)
        self.first = (balance,) * accounts
        self._numbers = itertools.count(1)

    def prepare(self, client: Client) -> None:
        """Make the tables and open the accounts."""
        for table in ("kaonty0", "kaonty1"):
            client.ask(f"manamboara tabilao {table} (k ISA fanalahidy, vola ISA(0, null))")
        client.ask("manamboara tabilao famindrana (n ISA fanalahidy)")
        for account in self._accounts:
            client.ask(f"manampia ao@ {_account(account)} sanda ({account}, {self.first[account]})")

    def session(
        self, number: int, client: Client, goes_on: Callable[[], bool]
    ) -> list[bank.Transfer | bank.Sight]:
        """Transfers, and now and then a look at all accounts: in one transaction, or in one statement."""
        source = random.Random(f"{self._seed} {number}")
        history: list[bank.Transfer | bank.Sight] = []
        while goes_on():
            if source.random() < 0.3:
                history += self._look(client, f"s{number}", source.random() < 0.5)
            else:
                history.append(self._transfer(client, source))
        return history

    def last(self, client: Client) -> tuple[tuple[int, ...], frozenset[int]]:
        """Balances and the numbers of the transfers that happened."""
        numbers = client.rows("alaivo n ao@ famindrana")
        return self._balances(client), frozenset(row[0] for row in numbers)

    def history(
        self,
        done: Sequence[bank.Transfer | bank.Sight],
        last: Sequence[tuple[tuple[int, ...], frozenset[int]]],
    ) -> bank.History:
        """What the checker asks for."""
        transfers = tuple(one for one in done if isinstance(one, bank.Transfer))
        sights = tuple(one for one in done if isinstance(one, bank.Sight))
        return bank.History(self.first, transfers, sights, tuple(last))

    def _transfer(self, client: Client, source: random.Random) -> bank.Transfer:
        giver, taker = source.sample(self._accounts, 2)
        number, amount = next(self._numbers), source.randint(1, 20)

        def work(client: Client) -> None:
            has = client.rows(f"alaivo vola ao@ {_account(giver)} rehefa k = {giver}")[0][0]
            gets = client.rows(f"alaivo vola ao@ {_account(taker)} rehefa k = {taker}")[0][0]
            # Written as numbers, not as `vola - x`: only isolation keeps such a transfer right.
            client.ask(f"havaozy {_account(giver)} ova vola = {has - amount} rehefa k = {giver}")
            client.ask(f"havaozy {_account(taker)} ova vola = {gets + amount} rehefa k = {taker}")
            client.ask(f"manampia ao@ famindrana sanda ({number})")

        return bank.Transfer(number, giver, taker, amount, client.transact(work))

    def _look(self, client: Client, by: str, in_one: bool) -> list[bank.Sight]:
        seen: list[tuple[int, ...]] = []

        def work(client: Client) -> None:
            seen.append(self._balances(client) if in_one else self._one_by_one(client))

        if client.transact(work) is not Ending.COMMITTED:
            return []
        return [bank.Sight(by, balances) for balances in seen]

    def _balances(self, client: Client) -> tuple[int, ...]:
        both = "alaivo k, vola ao@ kaonty0 ankambana daholo alaivo k, vola ao@ kaonty1"
        return tuple(balance for _, balance in sorted(client.rows(both)))

    def _one_by_one(self, client: Client) -> tuple[int, ...]:
        return tuple(
            client.rows(f"alaivo vola ao@ {_account(account)} rehefa k = {account}")[0][0]
            for account in self._accounts
        )


def _account(number: int) -> str:
    return f"kaonty{number % 2}"
