"""What a simulated client does at a time: a statement, a transaction, a database's life."""

from __future__ import annotations

import gevent

from tests.simulation.clients import Client, GiveUp
from tests.simulation.lives import Living, race
from tests.simulation.machines import PROXY
from tests.simulation.schedule import Kind, Operation
from tests.simulation.transacting import Transacting

_AWAIT_SECONDS = 15.0


def run(client: Client, operations: list[Operation], give_up: GiveUp) -> None:
    """Do the operations of a client at their times."""
    for operation in operations:
        gevent.sleep(max(0.0, operation.at_seconds - client.elapsed))
        if operation.awaits:
            client.world.await_line(operation.awaits, _AWAIT_SECONDS)
        if operation.kind.is_transaction:
            Transacting(client, operation, give_up).perform()
        elif operation.kind is Kind.LIFE:
            Living(client, operation, give_up).perform()
        elif operation.kind.is_of_databases:
            race(client, operation, give_up)
        else:
            _perform(client, operation, give_up)


def _perform(client: Client, operation: Operation, give_up: GiveUp) -> None:
    twin = None
    if operation.twice:
        other = Client(client.world, client.lane, f"{client.name}'", PROXY, client.history)
        twin = gevent.spawn(other.perform, operation, give_up)
    client.perform(operation, give_up)
    if operation.again:
        client.perform(operation, give_up)
    if twin is not None:
        twin.join()
