"""The store alone: whatever the order of reads, writes and headers, what it serves is right for who asks."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from dirk_gevent.cache.store import TOUCHED_TABLES, Key, Store, StoredAnswer

LOG = 3
TABLES = ("a", "b", "c")


@dataclass
class World:
    """A log: `touched[i]` are the tables that entry i (from 1) wrote. A table's value is the last entry that did."""

    touched: list[frozenset[str]] = field(default_factory=lambda: [frozenset()])

    @property
    def head(self) -> int:
        return len(self.touched) - 1

    def value(self, tables: tuple[str, ...], index: int) -> bytes:
        last = [max((i for i in range(index + 1) if self.touched[i] & {table, "*"}), default=0) for table in tables]
        return repr(last).encode()


def key(tables: tuple[str, ...]) -> Key:
    return Key(LOG, "mg", " ".join(tables).encode(), b"")


def put(store: Store, world: World, tables: tuple[str, ...], index: int) -> StoredAnswer | None:
    return store.put(key(tables), world.value(tables, index), {"index": index}, tables)


@pytest.fixture
def store() -> Store:
    found = Store(entries=50, ttl_seconds=60, max_bytes=1_000_000)
    found.renew_lease(float("inf"))
    return found


@pytest.mark.parametrize("seed", range(60))
def test_never_serves_what_is_wrong_for_the_session(store: Store, seed: int) -> None:
    print("seed", seed)
    choose = random.Random(seed)
    world = World()
    store.welcome({LOG: 0})
    sent = served = 0
    for _ in range(400):
        tables = tuple(sorted(choose.sample(TABLES, choose.randint(0, 2))))
        match choose.choice(("write", "header", "header", "read", "find", "find", "trouble")):
            case "write":
                world.touched.append(frozenset("*" if choose.random() < 0.05 else tables))
            case "header" if sent < world.head:
                sent += 1
                assert store.header(LOG, sent, world.touched[sent])
            case "read":
                # A node may be behind the headers or ahead of them.
                put(store, world, tables, choose.randint(max(0, world.head - 4), world.head))
            case "find":
                need = choose.randint(max(0, world.head - 4), world.head)
                entry = store.find(key(tables), need)
                if entry is not None:
                    served += 1
                    assert entry.answer == world.value(tables, max(need, entry.index))
            case "trouble" if choose.random() < 0.1:
                if choose.random() < 0.5 and world.head > sent + 1:
                    sent = world.head
                    assert not store.header(LOG, sent, world.touched[sent])
                else:
                    sent = choose.randint(sent, world.head)
                    store.welcome({LOG: sent})
    assert served > 0


def test_a_log_never_heard_of_stores_nothing(store: Store) -> None:
    assert put(store, World(), ("a",), 0) is None


def test_a_newer_answer_is_not_replaced_by_an_older_one(store: Store) -> None:
    world = World([frozenset()] * 9)
    store.welcome({LOG: 5})
    newer = put(store, world, ("a",), 8)
    assert put(store, world, ("a",), 6) is newer


def test_no_lease_no_answer(store: Store) -> None:
    store.welcome({LOG: 0})
    put(store, World(), ("a",), 0)
    store.lease_until = 0.0
    assert store.find(key(("a",)), 0) is None
    assert put(store, World(), ("b",), 0) is None


def test_the_memory_of_touched_tables_is_bounded(store: Store) -> None:
    store.welcome({LOG: 0})
    for index in range(1, TOUCHED_TABLES + 10):
        store.header(LOG, index, [f"t{index}"])
    horizon = store.horizon(LOG)
    assert len(horizon.touched) <= TOUCHED_TABLES
    assert put(store, World([frozenset()] * 9), ("quiet",), 5) is None


def test_names_compare_without_case(store: Store) -> None:
    store.welcome({LOG: 0})
    put(store, World(), ("Étudiant",), 0)
    store.header(LOG, 1, ["ÉTUDIANT"])
    assert len(store) == 0


def test_nothing_is_left_behind_by_what_goes(store: Store) -> None:
    store.welcome({LOG: 0})
    for number in range(200):
        entry = store.put(key((f"t{number}",)), b"x", {"index": 0}, [f"t{number % 7}"])
        assert entry is not None
        store.remember_segment(entry, b"segment %d" % number, False, -1)
    horizon = store.horizon(LOG)
    assert len(horizon.keys) == len(store) == len(horizon.hot_answers("mg")) == 50
    store.header(LOG, 1, ["*"])
    assert (len(horizon.keys), horizon.keys_by_table, horizon.hot_answers("mg")) == (0, {}, {})
    assert store.stored_bytes == 0
