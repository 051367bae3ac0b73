"""What a session sees inside a transaction, what is refused there, and what is left when it has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.checkers.sessions import sqlstate
from tests.cluster import Cluster, Connection, message, meta, rows, wait_for

_numbers = count(1)
BEGUN, KEPT, UNDONE = "Nanomboka ny asa", "Voatahiry ny asa", "Naverina ny asa"
DOORS = ["cache", *(pytest.param(door, marks=pytest.mark.slow) for door in ("m1", "proxy"))]


@pytest.fixture
def database(shared_cluster: Cluster) -> str:
    """A database of the test's own with the table `t`: (1, 10), (2, 20); both nodes have it."""
    name = f"baiko{next(_numbers)}"
    with shared_cluster.connect("proxy") as first:
        for statement in (
            f"manamboara tahiry {name}", f"ampiasao {name}",
            "manamboara tabilao t (id ISA fanalahidy, v ISA(0, 1000))", "manampia ao@ t sanda (1, 10), (2, 20)",
        ):  # fmt: skip
            assert not sqlstate(first.ask(f"{statement};"))
    for node in ("m1", "m2"):
        look = f'/*dirk {{"db":"{name}"}}*/alaivo * ao@ t;'
        wait_for(lambda node=node, look=look: not sqlstate(shared_cluster.ask(node, look)), 20)
    return name


@pytest.fixture
def opened(shared_cluster: Cluster, database: str) -> Iterator[Callable[[str], Connection]]:
    """Opens sessions in the test's database."""
    made: list[Connection] = []

    def open_one(door: str) -> Connection:
        made.append(shared_cluster.connect(door))
        assert not sqlstate(made[-1].ask(f"ampiasao {database};"))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


def says(session: Connection, statement: str) -> str:
    """The message of an answer."""
    return message(session.ask(f"{statement};"))


def state(session: Connection, statement: str) -> str:
    """The SQLSTATE of an answer; empty for a success."""
    return sqlstate(session.ask(f"{statement};"))


def all_of(session: Connection, table: str = "t") -> list[list[object]]:
    """What everybody sees of a table now."""
    return rows(session.ask(f'/*dirk {{"read":"strong"}}*/alaivo * ao@ {table} alaharo 1;'))


@pytest.mark.parametrize("door", DOORS)
def test_own_changes_are_seen_inside_and_by_nobody_else(opened: Callable[[str], Connection], door: str) -> None:
    mine, other = opened(door), opened("m2")
    assert says(mine, "atombohy") == BEGUN
    assert says(mine, "manampia ao@ t sanda (3, 30), (4, 40)").endswith("(2)")
    assert says(mine, "havaozy t ova v = v + 1 rehefa id > 2").endswith("(2)")
    assert rows(mine.ask("fafao ao@ t rehefa id = 4 RETURNING id, v;")) == [[4, 41]]
    assert rows(mine.ask("alaivo id, v ao@ t alaharo id;")) == [[1, 10], [2, 20], [3, 31]]
    assert rows(mine.ask("alaivo isaina(*) ao@ t;")) == [[3]]
    assert all_of(other) == [[1, 10], [2, 20]]
    assert says(mine, "tehirizo") == KEPT
    assert all_of(other) == [[1, 10], [2, 20], [3, 31]] == all_of(mine)


@pytest.mark.parametrize("door", DOORS)
def test_a_rollback_leaves_nothing(opened: Callable[[str], Connection], door: str) -> None:
    mine = opened(door)
    assert says(mine, "BEGIN TRANSACTION") == BEGUN
    assert not state(mine, "DELETE FROM t")
    assert rows(mine.ask("alaivo * ao@ t;")) == []
    assert says(mine, "ROLLBACK") == UNDONE
    assert all_of(mine) == [[1, 10], [2, 20]]


@pytest.mark.parametrize("door", DOORS)
def test_a_statement_that_fails_is_undone_alone(opened: Callable[[str], Connection], door: str) -> None:
    mine = opened(door)
    mine.ask("atombohy;")
    assert not state(mine, "manampia ao@ t sanda (3, 30)")
    assert state(mine, "manampia ao@ t sanda (4, 40), (3, 31)") == "23505"
    assert state(mine, "havaozy t ova v = v * 100") == "23514"
    assert state(mine, "alaivo 1 / (id - id) ao@ t") == "22012"
    assert state(mine, "alaivo tsymisy ao@ t") == "42703"
    assert state(mine, "manampia ao@ t sanda (") == "42601"
    assert rows(mine.ask("alaivo id ao@ t alaharo id;")) == [[1], [2], [3]]
    assert says(mine, "tehirizo") == KEPT
    assert all_of(mine) == [[1, 10], [2, 20], [3, 30]]


@pytest.mark.parametrize("door", DOORS)
def test_what_can_not_stand_inside_is_refused(opened: Callable[[str], Connection], database: str, door: str) -> None:
    mine = opened(door)
    for outside in ("tehirizo", "avereno", "COMMIT", "ROLLBACK"):
        assert state(mine, outside) == "25P01"
    mine.ask("atombohy;")
    for inside in (
        "atombohy", f"ampiasao {database}", "manamboara tahiry hafa", f"ravao ny tahiry {database}", "BEGIN",
        '/*dirk {"db":"tsymisy"}*/alaivo 1',
    ):  # fmt: skip
        assert state(mine, inside) == "25001", inside
    assert [database] in rows(mine.ask("asehoy ny tahiry;"))
    assert "fiteny" in says(mine, "safidio ny fiteny en")
    assert "already open" in says(mine, "atombohy")
    assert says(mine, "avereno") == UNDONE


@pytest.mark.parametrize("door", DOORS)
def test_meta_says_whether_a_transaction_is_open(opened: Callable[[str], Connection], database: str, door: str) -> None:
    mine = opened(door)
    asked = [
        ("atombohy", True), ("alaivo * ao@ t", True), ("manampia ao@ t sanda (3, 30)", True), ("alaivo * ao@ t", True),
        ("alaivo x ao@ t", True), ("manampia ao@ t sanda (3, 30)", True), ("tehirizo", False),
        ("atombohy", True), ("avereno", False), ("avereno", False),
    ]  # fmt: skip
    for statement, is_inside in asked:
        found = meta(mine.ask(f"/*dirk {{}}*/{statement};"))
        assert found.get("tx") is is_inside, (statement, found)
        assert "commit" not in found
    assert "tx" not in meta(mine.ask("/*dirk {}*/alaivo * ao@ t;"))


def test_a_conflict_aborts_and_only_the_end_is_heard(opened: Callable[[str], Connection]) -> None:
    mine, other = opened("proxy"), opened("proxy")
    for end, expected in (("avereno", UNDONE), ("tehirizo", "40001")):
        mine.ask("atombohy;")
        assert not state(mine, "manampia ao@ t sanda (5, 50)")
        assert not state(other, "havaozy t ova v = v + 1")
        assert state(mine, '/*dirk {"read":"strong"}*/alaivo * ao@ t') == "40001"
        assert [state(mine, "alaivo 1"), state(mine, "manampia ao@ t sanda (6, 6)")] == ["25P02", "25P02"]
        assert expected in says(mine, end)
        assert state(mine, end) == "25P01"
    assert all_of(mine) == [[1, 12], [2, 22]]


@pytest.mark.parametrize("door", DOORS)
def test_definitions_change_inside_too(opened: Callable[[str], Connection], door: str) -> None:
    mine, other = opened(door), opened("m2")
    mine.ask("atombohy;")
    for statement in (
        "manamboara tabilao vao (a ISA, b NUMERIC(5, 1))", "manampia ao@ vao sanda (1, 2.345)",
        "ravao ny tabilao vao", "manamboara tabilao vao (a ISA, b NUMERIC(5, 2))", "manampia ao@ vao sanda (1, 2.345)",
        "ovay ny tabilao t ampio tsanganana w ISA", "havaozy t ova w = id * 2", "manamboara tabilao lasa (x ISA)",
        "manamboara jery j @ alaivo w ao@ t", "ravao ny tabilao lasa",
    ):  # fmt: skip
        assert not state(mine, statement), statement
    assert rows(mine.ask("alaivo b ao@ vao;")) in ([[2.35]], [[2.34]])
    assert rows(mine.ask("alaivo * ao@ j;")) == [[2], [4]]
    assert rows(mine.ask("asehoy ny tabilao;")) == [["t"], ["vao"]]
    assert rows(other.ask("asehoy ny tabilao;")) == [["t"]]
    assert says(mine, "tehirizo") == KEPT
    assert all_of(other, "vao") == all_of(mine, "vao") != []
    assert all_of(other) == [[1, 10, 2], [2, 20, 4]] == all_of(mine)
    assert state(other, '/*dirk {"read":"strong"}*/alaivo * ao@ lasa') == "42P01"
    assert not state(other, "manamboara tabilao lasa (x ISA)")


def test_what_was_seen_is_what_is_committed(opened: Callable[[str], Connection], shared_cluster: Cluster) -> None:
    mine = opened("proxy")
    assert not state(mine, "manamboara tabilao r (n ISA, k LAHATSORATRA sanda fototra (datetime('now')))")
    mine.ask("atombohy;")
    for _ in range(5):
        assert not state(mine, "manampia ao@ r (n) sanda (random())")
    assert not state(mine, "manampia ao@ r (n) alaivo random() ao@ t")
    seen = rows(mine.ask("alaivo n, k ao@ r;"))
    mine.ask("manampia ao@ t sanda (7, 7);")
    assert rows(mine.ask("alaivo n, k ao@ r;")) == seen
    assert says(mine, "tehirizo") == KEPT
    for door in ("m1", "m2"):
        assert rows(opened(door).ask('/*dirk {"read":"strong"}*/alaivo n, k ao@ r;')) == seen
    assert len({row[0] for row in seen}) == 7


def test_a_commit_said_again_gives_the_first_outcome(opened: Callable[[str], Connection]) -> None:
    request_ids = [f"{time.time_ns() // 1_000_000}-{number:024x}" for number in range(3)]
    mine, other, direct = opened("proxy"), opened("cache"), opened("m2")
    mine.ask("atombohy;")
    mine.ask("manampia ao@ t sanda (3, 30);")
    commit, conflict, never = (f'/*dirk {{"id":"{each}"}}*/tehirizo' for each in request_ids)
    assert [says(each, commit).split("\n")[0] for each in (mine, mine, other, direct)] == [KEPT] * 4
    direct.ask("atombohy;")
    direct.ask("manampia ao@ t sanda (4, 40);")
    assert not state(mine, "manampia ao@ t sanda (5, 50)")
    assert "40001" in [state(direct, conflict), state(other, conflict)]
    assert state(mine, never) == "25P01" == state(direct, never)
    assert all_of(mine) == [[1, 10], [2, 20], [3, 30], [5, 50]]


def test_a_long_answer_sees_own_changes(opened: Callable[[str], Connection]) -> None:
    mine = opened("proxy")
    mine.ask("atombohy;")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
    assert says(mine, f"{numbers} INSERT INTO t SELECT i + 10, 1 FROM n").endswith("(5000)")
    assert len(rows(mine.ask("alaivo id ao@ t;"))) == 5002
    assert rows(mine.ask("alaivo isaina(*) ao@ t;")) == [[5002]]
    assert says(mine, "avereno") == UNDONE


def test_work_that_no_transaction_left_is_refused(opened: Callable[[str], Connection]) -> None:
    mine = opened("proxy")
    log_id = meta(mine.ask("/*dirk {}*/alaivo * ao@ t;"))["log"]
    insert = ["manampia ao@ t sanda (3, 30)", [], 1_700_000_000_000, 7]
    right: dict[str, Any] = {"log": log_id, "base": 2, "tables": ["t"], "statements": [insert]}
    for wrong in (
        None, 7, {}, {**right, "log": 0}, {**right, "base": -1}, {**right, "base": 10**6}, {**right, "tables": []},
        {**right, "tables": [7]}, {**right, "statements": []}, {**right, "statements": [insert[:3]]},
        *({**right, "statements": [[*insert[:place], bad, *insert[place + 1 :]]]} for place, bad in (
            (0, "alaivo 1"), (0, "manamboara tahiry x"), (0, "tehirizo"), (0, "manampia\0"), (0, 7), (1, 7),
            (1, [[]]), (2, -1), (2, 10**15), (2, "1"), (3, -1), (3, 2**64),
        )),
    ):  # fmt: skip
        found = state(mine, f'/*dirk {{"commit":{json.dumps(wrong)}}}*/tehirizo')
        assert found == "22023", (wrong, found)
    assert state(mine, f'/*dirk {{"commit":{json.dumps({**right, "base": 1})}}}*/tehirizo') == "40001"
    assert not state(mine, f'/*dirk {{"commit":{json.dumps(right)}}}*/tehirizo')
    assert all_of(mine) == [[1, 10], [2, 20], [3, 30]]


def test_arguments_and_explain_inside(opened: Callable[[str], Connection]) -> None:
    mine = opened("cache")
    mine.ask("atombohy;")
    assert not state(mine, '/*dirk {"args":[3, 30]}*/manampia ao@ t sanda (?, ?)')
    assert not state(mine, '/*dirk {"args":{"v": 31}}*/havaozy t ova v = $v rehefa id = 3')
    assert "RELATION_JSON_END" in mine.ask("hazavao alaivo * ao@ t rehefa id = 3;")
    assert says(mine, "tehirizo") == KEPT
    assert all_of(mine) == [[1, 10], [2, 20], [3, 31]]
