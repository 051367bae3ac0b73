"""The anomalies of Adya and of Hermitage (Kleppmann), each tried through two doors: none happens.

What one transaction touched, another changed: whoever comes second gets 40001, at the latest when it commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.checkers.sessions import sqlstate
from tests.cluster import Cluster, Connection, rows, wait_for

CONFLICT = "40001"
_numbers = count(1)


class Two:
    """Two sessions in a database of their own with the table `t`: (1, 10), (2, 20), and `other`: (1, 1)."""

    def __init__(self, cluster: Cluster, one: str, other: str) -> None:
        self.name = f"anomalia{next(_numbers)}"
        assert not sqlstate(cluster.ask("proxy", f"manamboara tahiry {self.name};"))
        self.a, self.b = cluster.connect(one), cluster.connect(other)
        for session in (self.a, self.b):
            # A node may hear of the database a moment later than the proxy.
            wait_for(lambda session=session: not sqlstate(session.ask(f"ampiasao {self.name};")), 20)
        self.ok(self.a, "manamboara tabilao t (id ISA fanalahidy, v ISA)")
        self.ok(self.a, "manamboara tabilao other (id ISA fanalahidy, v ISA)")
        self.ok(self.a, "manampia ao@ t sanda (1, 10), (2, 20)")
        self.ok(self.a, "manampia ao@ other sanda (1, 1)")
        # What the first session wrote the second shall see, whatever node it is on.
        for session in (self.a, self.b):
            assert rows(session.ask('/*dirk {"read":"strong"}*/alaivo isaina(*) ao@ other;')) == [[1]]

    def ok(self, session: Connection, *statements: str) -> None:
        """Each succeeds."""
        for statement in statements:
            answer = session.ask(f"{statement};")
            assert not sqlstate(answer), answer

    def begin(self) -> None:
        """Both begin, on a state that has all there is."""
        for session in (self.a, self.b):
            self.ok(session, '/*dirk {"read":"strong"}*/atombohy')

    def fails(self, session: Connection, statement: str, state: str = CONFLICT) -> None:
        """It is refused with that SQLSTATE."""
        answer = session.ask(f"{statement};")
        assert sqlstate(answer) == state, answer

    def reads(self, session: Connection, query: str, expected: list[list[object]]) -> None:
        """It answers with these rows."""
        assert rows(session.ask(f"{query};")) == expected

    def ends(self, expected: list[list[object]], query: str = "alaivo id, v ao@ t alaharo id") -> None:
        """Outside of any transaction, this is there."""
        self.reads(self.b, f'/*dirk {{"read":"strong"}}*/{query}', expected)


DOORS = [
    ("proxy", "m2"),
    pytest.param(("m1", "cache"), marks=pytest.mark.slow),
    pytest.param(("proxy", "proxy"), marks=pytest.mark.slow),
    pytest.param(("m1", "m2"), marks=pytest.mark.slow),
]


@pytest.fixture(params=DOORS, ids="-".join)
def two(shared_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Two]:
    found = Two(shared_cluster, *request.param)
    yield found
    found.a.close()
    found.b.close()


def test_dirty_writes_g0(two: Two) -> None:
    two.begin()
    two.ok(two.a, "havaozy t ova v = 11 rehefa id = 1")
    two.ok(two.b, "havaozy t ova v = 12 rehefa id = 1")
    two.ok(two.a, "havaozy t ova v = 21 rehefa id = 2", "tehirizo")
    two.fails(two.b, "tehirizo")
    two.ends([[1, 11], [2, 21]])


def test_aborted_reads_g1a(two: Two) -> None:
    two.begin()
    two.ok(two.a, "havaozy t ova v = 101 rehefa id = 1")
    two.reads(two.b, "alaivo v ao@ t alaharo id", [[10], [20]])
    two.ok(two.a, "avereno")
    two.reads(two.b, "alaivo v ao@ t alaharo id", [[10], [20]])
    two.ok(two.b, "tehirizo")
    two.ends([[1, 10], [2, 20]])


def test_intermediate_reads_g1b(two: Two) -> None:
    two.begin()
    two.ok(two.a, "havaozy t ova v = 101 rehefa id = 1")
    two.reads(two.b, "alaivo v ao@ t rehefa id = 1", [[10]])
    two.ok(two.a, "havaozy t ova v = 11 rehefa id = 1", "tehirizo")
    two.fails(two.b, '/*dirk {"read":"strong"}*/alaivo v ao@ t rehefa id = 1')
    two.ok(two.b, "avereno")
    two.ends([[1, 11], [2, 20]])


def test_circular_information_flow_g1c(two: Two) -> None:
    two.begin()
    two.ok(two.a, "havaozy t ova v = 11 rehefa id = 1")
    two.ok(two.b, "havaozy other ova v = 22 rehefa id = 1")
    two.reads(two.a, "alaivo v ao@ other", [[1]])
    two.reads(two.b, "alaivo v ao@ t rehefa id = 1", [[10]])
    two.ok(two.a, "tehirizo")
    two.fails(two.b, "tehirizo")
    two.ends([[1]], "alaivo v ao@ other")


def test_observed_transaction_vanishes_otv(two: Two) -> None:
    two.begin()
    two.ok(two.a, "havaozy t ova v = 11 rehefa id = 1", "havaozy other ova v = 19", "tehirizo")
    two.reads(two.b, '/*dirk {"read":"strong"}*/alaivo v ao@ t rehefa id = 1', [[11]])
    two.ok(two.a, "atombohy", "havaozy t ova v = 12 rehefa id = 1", "havaozy other ova v = 18", "tehirizo")
    answer = two.b.ask("alaivo v ao@ other;")
    assert sqlstate(answer) == CONFLICT or rows(answer) == [[19]]


def test_predicates_read_again_pmp(two: Two) -> None:
    two.begin()
    two.reads(two.a, "alaivo id ao@ t rehefa v = 30", [])
    two.ok(two.b, "manampia ao@ t sanda (3, 30)", "tehirizo")
    two.fails(two.a, '/*dirk {"read":"strong"}*/alaivo id ao@ t rehefa v % 3 = 0')


def test_predicates_of_writes_pmp(two: Two) -> None:
    two.begin()
    two.ok(two.a, "havaozy t ova v = v + 10")
    two.ok(two.b, "fafao ao@ t rehefa v = 20")
    two.ok(two.a, "tehirizo")
    two.fails(two.b, "tehirizo")
    two.ends([[1, 20], [2, 30]])


def test_lost_update_p4(two: Two) -> None:
    two.begin()
    two.reads(two.a, "alaivo v ao@ t rehefa id = 1", [[10]])
    two.reads(two.b, "alaivo v ao@ t rehefa id = 1", [[10]])
    two.ok(two.a, "havaozy t ova v = 11 rehefa id = 1")
    two.ok(two.b, "havaozy t ova v = 12 rehefa id = 1")
    two.ok(two.a, "tehirizo")
    two.fails(two.b, "tehirizo")
    two.ends([[1, 11], [2, 20]])


def test_read_skew_g_single(two: Two) -> None:
    two.begin()
    two.reads(two.a, "alaivo v ao@ t rehefa id = 1", [[10]])
    two.ok(two.b, "havaozy t ova v = 12 rehefa id = 1", "havaozy other ova v = 18", "tehirizo")
    two.fails(two.a, '/*dirk {"read":"strong"}*/alaivo v ao@ other')


def test_read_skew_with_a_write_g_single(two: Two) -> None:
    two.begin()
    two.reads(two.a, "alaivo v ao@ t rehefa id = 1", [[10]])
    two.ok(two.b, "havaozy t ova v = 12 rehefa id = 1", "havaozy other ova v = 18", "tehirizo")
    answer = two.a.ask("fafao ao@ other rehefa v = 1;")
    assert sqlstate(answer) in ("", CONFLICT)
    two.fails(two.a, "tehirizo")
    two.ends([[18]], "alaivo v ao@ other")


def test_write_skew_g2_item(two: Two) -> None:
    two.begin()
    for session in (two.a, two.b):
        two.reads(session, "alaivo v ao@ other", [[1]])
        two.reads(session, "alaivo isaina(*) ao@ t rehefa id anaty (1, 2)", [[2]])
    two.ok(two.a, "havaozy t ova v = 11 rehefa id = 1")
    two.ok(two.b, "havaozy other ova v = 21")
    two.ok(two.a, "tehirizo")
    two.fails(two.b, "tehirizo")


def test_write_skew_on_a_predicate_g2(two: Two) -> None:
    two.begin()
    two.reads(two.a, "alaivo isaina(*) ao@ t rehefa v % 3 = 0", [[0]])
    two.reads(two.b, "alaivo isaina(*) ao@ t rehefa v % 3 = 0", [[0]])
    two.ok(two.a, "manampia ao@ t sanda (3, 30)")
    two.ok(two.b, "manampia ao@ t sanda (4, 42)")
    two.ok(two.b, "tehirizo")
    two.fails(two.a, "tehirizo")
    two.ends([[1, 10], [2, 20], [4, 42]])


def test_a_transaction_that_only_read_has_seen_one_state(two: Two) -> None:
    two.begin()
    two.reads(two.a, "alaivo v ao@ t rehefa id = 1", [[10]])
    two.ok(two.b, "havaozy t ova v = 0", "havaozy other ova v = 0", "tehirizo")
    two.ok(two.a, "tehirizo")


def test_tables_that_nobody_else_touched_are_no_conflict(two: Two) -> None:
    two.begin()
    two.ok(two.a, "havaozy t ova v = 0", "manampia ao@ t sanda (3, 0)")
    two.ok(two.b, "havaozy other ova v = 0")
    two.ok(two.b, "tehirizo")
    two.ok(two.a, "fafao ao@ t rehefa id = 1", "tehirizo")
    two.ends([[2, 0], [3, 0]])


def test_what_a_statement_only_consults_counts(two: Two) -> None:
    two.ok(two.a, "manamboara jery v @ alaivo v ao@ other")
    two.ok(two.a, "manamboara tabilao zana (id ISA fanalahidy, rain ISA manondro t(id))")
    two.ok(two.b, '/*dirk {"read":"strong"}*/alaivo * ao@ zana')
    through_view, in_a_write, parent, child = (
        ("alaivo * ao@ v", "havaozy other ova v = v + 1"),
        ("manampia ao@ t alaivo 50, max(v) ao@ other", "havaozy other ova v = v + 1"),
        ("manampia ao@ zana sanda (1, 2)", "fafao ao@ t rehefa id = 2"),
        ("fafao ao@ t rehefa id = 2", "manampia ao@ zana sanda (1, 2)"),
    )
    for mine, theirs in (through_view, in_a_write, parent, child):
        two.begin()
        two.ok(two.a, mine, "manampia ao@ zana sanda (9, null)")
        two.ok(two.b, theirs, "tehirizo")
        two.fails(two.a, "tehirizo")
        two.ok(two.b, "fafao ao@ zana")
        two.ok(two.b, "manampia ao@ t alaivo 2, 20 rehefa tsy misy (alaivo 1 ao@ t rehefa id = 2)")


def test_definitions_count_as_read(two: Two) -> None:
    two.begin()
    two.fails(two.a, "alaivo * ao@ vaovao", "42P01")
    two.ok(two.b, "manamboara tabilao vaovao (a ISA)", "tehirizo")
    two.fails(two.a, '/*dirk {"read":"strong"}*/alaivo * ao@ vaovao')
    two.ok(two.a, "avereno")
    two.begin()
    two.ok(two.a, "manamboara tokana tondro i @ t (v)")
    two.ok(two.b, "manampia ao@ other sanda (7, 7)", "tehirizo")
    two.fails(two.a, "tehirizo")
    two.ok(two.a, "manampia ao@ t sanda (3, 10)")
