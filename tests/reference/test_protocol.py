"""docs/protocol.md against the bytes: its session is replayed on every part, its tables are compared with the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from dirk_gevent.server.statement_cache import HUB_CHARACTERS
from tests.cluster import ROOT, Cluster, Connection, meta

PAGE = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
FRAME = re.compile(r'"t": "(\w+)"|snapshot_fields\("(\w+)"')


def section(mark: str) -> str:
    """What stands behind `<!-- mark -->`, up to the first empty line after a table or the end of a fence."""
    found = re.search(rf"<!-- {mark} -->\n(?:```\n(.*?)```|((?:\|[^\n]*\n)+))", PAGE, re.DOTALL)
    assert found is not None, mark
    return found[1] or found[2]


def first_cells(mark: str) -> set[str]:
    """The back-quoted words of a table's first column."""
    rows = section(mark).splitlines()[2:]
    return {word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1])}


def exchanges() -> Iterator[tuple[str, str]]:
    """Each request of the page's session with the answer that it shows."""
    for block in re.split(r"^> ", section("session"), flags=re.MULTILINE)[1:]:
        request, *answer = block.splitlines()
        yield request, "".join(f"{line.removeprefix('< ')}\n" for line in answer)


def pattern(answer: str) -> str:
    """`answer` as a regular expression: `…` is any text on one line."""
    return "[^\n]*".join(map(re.escape, answer.split("…")))


@pytest.mark.parametrize("part", ["cache", "proxy", "m1"])
def test_the_session_on_the_page_is_what_happens(shared_cluster: Cluster, part: str) -> None:
    with shared_cluster.connect(part) as connection:
        for request, answer in exchanges():
            found = connection.ask(request)
            assert re.fullmatch(pattern(answer), found), f"{request}\n{found}"


def test_the_request_fields_are_those_that_are_read() -> None:
    source = (ROOT / "dirk_gevent/server/session.py").read_text(encoding="utf-8")
    read = set(re.findall(r'(?:metadata, |metadata\.get\(|metadata\[)"(\w+)"', source))
    assert first_cells("request") == read | {"follow", "log"}


def asked(connection: Connection, statement: str) -> set[str]:
    """The META fields of one statement's answer."""
    return set(meta(connection.ask(f"/*dirk {{}}*/{statement};")))


def test_the_answer_fields_are_those_that_are_sent(shared_cluster: Cluster) -> None:
    with shared_cluster.connect("cache") as connection:
        statements = (
            "manamboara tahiry saha", "ampiasao saha", "manamboara tabilao t (a ISA)", "manampia ao@ t sanda (1)",
            "alaivo a ao@ t", "alaivo 1 +", "asehoy ny tahiry", "asehoy ny mpizara", "atombohy",
            "avereno", "ravao ny tahiry saha",
        )  # fmt: skip
        sent = [asked(connection, statement) for statement in statements]
    assert set.union(*sent) == first_cells("answer")
    everywhere = {row.split("`")[1] for row in section("answer").splitlines() if "| all |" in row}
    assert everywhere == set.intersection(*sent) - {"cache"}


@pytest.mark.parametrize("part", ["cache", "proxy", "m1"])
def test_a_long_read_tells_what_a_short_one_does(shared_cluster: Cluster, part: str) -> None:
    """Which of the two it becomes hangs on how busy the node is; a text as long as this one is never short."""
    with shared_cluster.connect(part) as connection:
        short, long = (asked(connection, f"alaivo '{'x' * length}'") for length in (1, HUB_CHARACTERS))
    assert short == long >= {"ms", "rows", "index"}


def test_the_frames_are_those_that_are_sent() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("dirk_gevent/**/*.py")]
    sent = {one or other for source in sources for one, other in FRAME.findall(source)}
    assert sent == first_cells("node frames") | first_cells("cache frames") | first_cells("admin frames")


def test_every_json_line_on_the_page_is_json() -> None:
    lines = [line for _, answer in exchanges() for line in answer.splitlines() if line.startswith("{")]
    assert all(json.loads(line)["type"] == "relation" for line in lines)
    assert lines
