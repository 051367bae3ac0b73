"""What depends on the time or on chance is the entry's: on a real cluster both masters hold the same, and what can't
be frozen is refused."""

from __future__ import annotations

import pytest

from dirk_parser.compile.expression.functions import FUNCTIONS
from tests.cluster import Cluster, Connection, message, meta
from tests.engine.test_same_on_every_node import SETUP, others, writes

CHUNK = 50


def run_all(connection: Connection, statements: list[str]) -> list[tuple[str, str]]:
    """Each statement with its message, sent many at a time."""
    found = []
    for first in range(0, len(statements), CHUNK):
        chunk = statements[first : first + CHUNK]
        connection.send("".join(f"{text};\n" for text in chunk))
        found += [(text, message(connection.receive())) for text in chunk]
    return found


def content(cluster: Cluster, node: str, least: dict[str, int]) -> dict[str, list[list[str]]]:
    """All rows of all tables on one node, in a state at least this far."""
    metadata = f'/*dirk {{"min":{least}}}*/'.replace("'", '"')
    with cluster.connect(node) as connection:
        connection.ask("ampiasao mangatsiaka;")
        tables = sorted(name for (name,) in connection.ask_rows(f"{metadata}asehoy ny tabilao;"))
        heads = {name: [row[0] for row in connection.ask_rows(f"lazao {name};")] for name in tables}
        # An answer can't hold infinity, a text of it can.
        asked = {name: ", ".join(f"quote({head})" for head in found) for name, found in heads.items()}
        rows = {name: connection.ask_rows(f"{metadata}alaivo {what} ao@ {name};") for name, what in asked.items()}
    return {name: sorted(found) for name, found in rows.items()}


@pytest.mark.slow
def test_every_function_in_a_write_leaves_both_masters_alike(shared_cluster: Cluster) -> None:
    # One form of write for each call is enough here: that all forms are alike, the engine's own test shows.
    kept = (text for name in sorted(FUNCTIONS) for text in writes(name) if "'select'" in text or " default " in text)
    statements = [*SETUP, *kept, *others()]
    with shared_cluster.connect("proxy") as connection:
        connection.ask("manamboara tahiry mangatsiaka;")
        connection.ask("ampiasao mangatsiaka;")
        failed = [each for each in run_all(connection, statements) if "Hadisoana" in each[1]]
        assert failed == []
        last = meta(connection.ask("/*dirk {}*/alaivo 1;"))
    least = {str(last["log"]): last["index"]}
    first, second = (content(shared_cluster, node, least) for node in ("m1", "m2"))
    assert first == second
    assert {row[0].strip("'") for row in first["kept"] if row[2] != "NULL"} >= set(FUNCTIONS)


@pytest.mark.parametrize(
    ("text", "state", "why"),
    [
        ("insert into t values (datetime('now', 'localtime'))", "0A000", "localtime"),
        ("insert into t values (date('2026-01-01', 'utc'))", "0A000", "utc"),
        ("insert into t select date('now', 'local' || 'time')", "0A000", "localtime"),
        ("alaivo date('now', 'local' || 'time')", "0A000", "localtime"),
        ("create table u (d default (datetime('now', 'localtime')))", "0A000", "localtime"),
        ("alaivo sqlite_version()", "42883", "sqlite_version"),
        ("alaivo last_insert_rowid()", "42883", "last_insert_rowid"),
        ("alaivo changes()", "42883", "changes"),
    ],
)
def test_what_can_not_be_frozen_is_refused_with_the_reason(
    shared_cluster: Cluster, text: str, state: str, why: str
) -> None:
    with shared_cluster.connect("proxy") as connection:
        connection.ask("manamboara tahiry raha tsy misy lavina;")
        connection.ask("ampiasao lavina;")
        connection.ask("manamboara tabilao raha tsy misy t (v);")
        connection.ask("safidio ny fiteny en;")
        said = message(connection.ask(f"{text};"))
        assert f"({state})" in said and why in said, said


@pytest.mark.parametrize(
    ("text", "cached"),
    [
        ("alaivo date(d) ao@ t", True),
        ("alaivo date(w) ao@ t", False),
        ("alaivo strftime('%s', w) ao@ t", False),
        ("alaivo date('2026-01-01') ao@ t", True),
        ("alaivo datetime(date(d), '+1 day') ao@ t", True),
        ("alaivo now() ao@ t", False),
        ("alaivo w ao@ t alaharo random()", False),
        ("alaivo * ao@ v", False),
    ],
)
def test_the_cache_keeps_no_answer_that_may_hold_the_time(shared_cluster: Cluster, text: str, cached: bool) -> None:
    with shared_cluster.connect("cache") as connection:
        for made in ("tahiry raha tsy misy kajy", "tabilao raha tsy misy t (d daty, w text)",
                     "jery raha tsy misy v @ alaivo date(w) x ao@ t"):  # fmt: skip
            connection.ask(f"manamboara {made};")
            connection.ask("ampiasao kajy;")
        connection.ask("manampia ao@ t sanda ('2026-01-01', 'now');")
        first, second = (meta(connection.ask(f"/*dirk {{}}*/{text};")) for _ in range(2))
        assert (first["repeatable"], second["cache"]) == (cached, "hit" if cached else "not_repeatable")
