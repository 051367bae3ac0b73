"""The META line of each kind of answer, byte for byte as it was recorded: which fields, in which order, how written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dirk_gevent.server.statement_cache import HUB_CHARACTERS
from tests.cluster import Cluster, Connection, meta, wait_for

#: Under each part's name its statements, as far as they are short, and their META lines.
RECORD = Path(__file__).with_name("meta_lines.out")
PARTS = ("m1", "proxy", "cache", "m3")
#: What differs from one run to the next: every number, and which of two nodes answered.
_DIFFERS = ((re.compile(r"\d+(\.\d+)?"), "0"), (re.compile(r'"m0"'), '"m"'))
_LONG = "x" * HUB_CHARACTERS
_PLAIN: dict[str, Any] = {}
#: Dated after the log's time.
_LATE_ID = {"id": "9999999999999-00000000000000000000000000000001"}
_COMMIT_ID = {"id": "9-x"}

#: Fields of the metadata, and a statement. No read is said twice here: a node may answer what it knows in another way.
STATEMENTS: tuple[tuple[dict[str, Any], str], ...] = (
    (_PLAIN, "/* tsy misy */"),
    (_PLAIN, "alaivo 1 + 1"),
    (_PLAIN, "ampiasao {db}"),
    ({"lang": "fr"}, "ampiasao {db}"),
    (_PLAIN, "manamboara tabilao t (n ISA fanalahidy, a LAHATSORATRA(1, 40))"),
    ({"trace": "x"}, "manampia ao@ t sanda (1, 'iray'), (2, 'roa')"),
    (_PLAIN, "manampia ao@ t sanda (3, 'telo') returning n"),
    (_PLAIN, "havaozy t ova a = 'efatra' rehefa n = 3"),
    (_PLAIN, "alaivo a ao@ t rehefa n = 1"),
    ({"lang": "en"}, "alaivo a ao@ t rehefa n = 2"),
    ({"args": [1]}, "alaivo a ao@ t rehefa n = ?"),
    ({"read": "strong"}, "alaivo a, n ao@ t"),
    ({"read": "any"}, "alaivo n, a, n ao@ t"),
    ({"db": "{db}"}, "alaivo n + 1 ao@ t"),
    (_PLAIN, "alaivo random()"),
    (_PLAIN, f"alaivo '{_LONG}'"),
    (_PLAIN, "asehoy ny tabilao"),
    (_PLAIN, "hazavao ny alaivo a ao@ t"),
    (_PLAIN, "asehoy ny tahiry"),
    ({"lang": "fr", "read": "strong"}, "asehoy ny tahiry"),
    (_PLAIN, "asehoy ny mpizara"),
    (_PLAIN, "asehoy ny fifandirana"),
    (_PLAIN, "safidio fiteny fr"),
    (_PLAIN, "safidio fiteny mg"),
    (_PLAIN, "safidio fiteny zz"),
    (_PLAIN, "alaivo 1 +"),
    (_PLAIN, "alaivo a\nao@ tsisy"),
    ({"lang": "en"}, "manampia ao@ t sanda (1, 'dimy')"),
    (_LATE_ID, "manampia ao@ t sanda (9, 'sivy')"),
    ({"db": "tsisy"}, "alaivo 2"),
    ({"lang": 5}, "alaivo 3"),
    (_PLAIN, "manampia ao@ t alaivo n + 100, a ao@ tsisy.t"),
    (_PLAIN, "tehirizo"),
    (_COMMIT_ID, "tehirizo"),
    (_PLAIN, "atombohy"),
    (_PLAIN, "alaivo a ao@ t rehefa n = 11"),
    (_PLAIN, f"alaivo '{_LONG}', 2"),
    (_PLAIN, "asehoy ny tahiry"),
    (_PLAIN, "asehoy ny mpizara"),
    (_PLAIN, "manampia ao@ t sanda (4, 'dimy')"),
    (_PLAIN, "manampia ao@ t sanda (5, 'dimy') returning n"),
    (_PLAIN, "alaivo a ao@ t rehefa n = 4"),
    (_PLAIN, f"alaivo '{_LONG}' ao@ t"),
    (_PLAIN, "alaivo tsisy"),
    (_PLAIN, "tehirizo"),
    (_PLAIN, "atombohy"),
    (_PLAIN, "alaivo a ao@ t rehefa n = 12"),
    (_PLAIN, "tehirizo"),
    (_PLAIN, "atombohy"),
    (_PLAIN, "avereno"),
    (_PLAIN, "atombohy"),
    ({"prepare": True}, "tehirizo"),
    (_PLAIN, "avereno"),
    (_PLAIN, "atombohy"),
    (_PLAIN, "manampia ao@ t sanda (6, 'enina')"),
    ({"prepare": True}, "tehirizo"),
    (_PLAIN, "avereno"),
    (_PLAIN, "ravao ny tahiry {db}"),
)  # fmt: skip


def said(connection: Connection, fields: dict[str, Any], statement: str) -> str:
    """The META line of one answer, without what differs from one run to the next."""
    answer = connection.ask(f"/*dirk {json.dumps(fields)}*/{statement};")
    line = answer.rstrip("\n").split("\n")[-2]
    assert line.startswith("META "), answer
    for pattern, shown in _DIFFERS:
        line = pattern.sub(shown, line)
    return line


def spoken(cluster: Cluster, part: str) -> Iterator[str]:
    """Each statement and its META line, then those of a read that the part knows by heart."""
    name = f"meta_{part}"
    with cluster.connect(part) as connection:
        yield said(connection, {}, f"manamboara tahiry {name}")
        wait_for(lambda: said(connection, {}, f"ampiasao {name}").find("error") < 0, 20)
        for fields, statement in STATEMENTS:
            asked = json.loads(json.dumps(fields).replace("{db}", name))
            if statement.startswith("ravao") and part != "proxy":
                yield from known(connection, name)
            yield f"{json.dumps(fields)} {statement[:60]!r}"
            yield said(connection, asked, statement.replace("{db}", name))


def known(connection: Connection, name: str) -> Iterator[str]:
    """A read said three times, as a proxy asks for one. (The proxy itself asks now this node, now that.)"""
    first = meta(connection.ask("/*dirk {}*/alaivo n, n ao@ t;"))
    fields = {"db": name, "lang": "fr", "min": {str(first["log"]): first["index"]}}
    for number in range(3):
        yield f"known {number}"
        yield said(connection, fields, "alaivo n, a, n, a ao@ t rehefa n = 1")


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A node that hosts the log itself."""
    with Cluster(tmp_path_factory.mktemp("lone"), masters=("m3",), is_balanced=False) as found:
        yield found


@pytest.mark.parametrize("part", PARTS)
def test_the_lines_are_those_that_were_recorded(shared_cluster: Cluster, lone: Cluster, part: str) -> None:
    found = list(spoken(lone if part == "m3" else shared_cluster, part))
    recorded = RECORD.read_text(encoding="utf-8") if RECORD.exists() else ""
    parts = dict(re.findall(r"== (\w+)\n(.*?)(?=\n== |\Z)", recorded, re.DOTALL))
    assert found == parts[part].strip("\n").split("\n")
