"""The driver and a real node: whatever is raised in it, and whatever text it is given, each answer is its own."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dirk_gevent.driver import dbapi
from tests.client.program import Program, rows_of
from tests.cluster import HOST, Cluster
from tests.seeds import chosen_seed

_TEXTS = st.lists(
    st.sampled_from(
        [
            "alaivo 1", "SELECT 'a'", ";", "'", '"', "`", "\\", "--", "//", "/*", "*/", "#-", "\n", " ", "\0", "é",
            "END", "END\n",
        ]
    ),
    max_size=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A node that holds the log itself, with the database `zavatra` and an empty table."""
    with Cluster(tmp_path_factory.mktemp("alone"), masters=("m1",), is_balanced=False) as cluster:
        cluster.ask("m1", "manamboara tahiry zavatra;")
        with dbapi.connect(HOST, cluster.ports["m1"], "zavatra") as connection:
            connection.cursor().execute("manamboara tabilao t (a ISA)")
        yield cluster.ports["m1"]


def read(number: int) -> str:
    """Several pages for every third number."""
    counted = f"SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x + 1 < {rows_of(number)}"
    return f"WITH RECURSIVE c(x) AS ({counted}) SELECT {number}, x FROM c"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("autocommit", [False, True])
def test_what_was_committed_is_kept_and_no_answer_is_another_s(port: int, autocommit: bool) -> None:
    chance = random.Random(chosen_seed())
    with dbapi.connect(HOST, port, "zavatra") as reader:
        reader.cursor().execute("fafao ao@ t")
        program = Program(dbapi.connect(HOST, port, "zavatra", autocommit=autocommit), chance, read)
        for _ in range(40):
            program.step()
        with suppress(dbapi.OperationalError):
            program.commit()
        program.connection.close()
        kept = {row[0] for row in reader.cursor().execute("alaivo a ao@ t").fetchall()}
    assert program.must <= kept <= program.must | program.may
    gc.collect()


@given(texts=st.lists(_TEXTS, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_whatever_the_text_is_the_next_answer_is_its_own(port: int, texts: list[list[str]]) -> None:
    """A text is refused, does nothing, or has its one answer, an error often."""
    with dbapi.connect(HOST, port, "zavatra", timeout_seconds=30) as connection:
        for number, pieces in enumerate(texts):
            with suppress(dbapi.ProgrammingError, dbapi.DataError, dbapi.NotSupportedError):
                connection.cursor().execute("".join(pieces))
            assert connection.cursor().execute(f"alaivo {number}").fetchall() == [(number,)]
