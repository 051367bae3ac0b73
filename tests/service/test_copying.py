"""INSERT … SELECT from another database: its rows are read once and travel in the entry as values."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dirk_gevent.base.request_ids import new_request_id
from tests.cluster import Cluster, message, meta, rows
from tests.faults.writing import level

PARTS = ("m1", "m2", "proxy", "cache")
#: What a copy must keep to the bit: kinds, signs, and what a literal has to escape.
VALUES = (
    "(1, null)", "(2, 9223372036854775807)", "(3, -9223372036854775808)", "(4, 0.1)", "(5, 1e300)",
    "(6, 'it''s \\\\ \n; --')", "(7, x'00ff27')", "(8, x'')", "(9, '')", "(10, -2.5)", "(11, 'É😀')", "(12, marina)",
)  # fmt: skip
EXACT = "alaivo k, typeof(v), hex(v), quote(v) ao@ {} alaharo k;"


def made(cluster: Cluster, name: str, part: str = "proxy") -> tuple[str, str]:
    """Two databases, `there` with rows in `src` and `here` with an empty `dst`."""
    here, there = f"here_{name}", f"there_{name}"
    with cluster.connect(part) as connection:
        for text in (
            f"manamboara tahiry {here};",
            f"manamboara tahiry {there};",
            f"ampiasao {there};",
            "create table src (k INTEGER PRIMARY KEY, v);",
            f"insert into src values {', '.join(VALUES)};",
            f"ampiasao {here};",
            "create table dst (k INTEGER PRIMARY KEY, v);",
        ):
            assert "Hadisoana" not in connection.ask(text), text
    if part == "proxy":
        level(cluster, "m1", "m2")
    return here, there


@pytest.mark.parametrize("part", PARTS)
def test_rows_are_copied_exactly(shared_cluster: Cluster, part: str) -> None:
    here, there = made(shared_cluster, f"exact_{part}")
    with shared_cluster.connect(part) as connection:
        assert "miasa" in connection.ask(f"ampiasao {there};")
        before = rows(connection.ask(EXACT.format("src")))
        assert "miasa" in connection.ask(f"ampiasao {here};")
        assert "(12)" in connection.ask(f"insert into dst select * from {there}.src;")
        assert rows(connection.ask(EXACT.format("dst"))) == before
        assert "(0)" in connection.ask(f"manampia ao@ dst alaivo * ao@ {there}.src rehefa k > 99;")
        text = f"manampia ao@ dst (v, k) alaivo v, k + 20 ao@ {there}.src rehefa {there}.src.k < 3 RETURNING k;"
        assert rows(connection.ask(text)) == [[21], [22]]
        upsert = f"with w as (select * from {there}.src) insert into dst select k, 'new' from w where k = 1"
        assert "(1)" in connection.ask(f"{upsert} on conflict (k) do update set v = excluded.v;")
        assert rows(connection.ask("alaivo v ao@ dst rehefa k = 1;")) == [["new"]]
    level(shared_cluster, "m1", "m2")


def test_a_node_that_holds_the_log_copies_too(tmp_path: Path) -> None:
    with Cluster(tmp_path, masters=("m1",), is_balanced=False) as cluster:
        here, there = made(cluster, "alone", "m1")
        with cluster.connect("m1") as connection:
            assert "miasa" in connection.ask(f"ampiasao {here};")
            assert "(12)" in connection.ask(f"insert into dst select * from {there}.src;")
            assert message(connection.ask(f"insert into dst select * from {there}.nisy;")).endswith("(42P01)")
            copied = rows(connection.ask(EXACT.format("dst")))
            assert "miasa" in connection.ask(f"ampiasao {there};")
            assert rows(connection.ask(EXACT.format("src"))) == copied


def test_a_cache_keeps_no_answer_in_literals(shared_cluster: Cluster) -> None:
    _, there = made(shared_cluster, "kept")
    with shared_cluster.connect("cache") as connection:
        assert "miasa" in connection.ask(f"ampiasao {there};")
        for field in ('{"literals":true}', "{}"):
            assert rows(connection.ask(f"/*dirk {field}*/ select k from src where k < 3;")) == [[1], [2]]


def test_a_copy_sees_what_its_session_wrote_there(shared_cluster: Cluster) -> None:
    here, there = made(shared_cluster, "fresh")
    with shared_cluster.connect("m1") as connection:
        for number in range(100, 120):
            assert "(1)" in connection.ask(f'/*dirk {{"db":"{there}"}}*/ insert into src values ({number}, 1);')
            text = f"insert into dst select * from {there}.src where k = {number};"
            assert "(1)" in connection.ask(f'/*dirk {{"db":"{here}"}}*/ {text}')


def test_arguments_go_where_they_are_named(shared_cluster: Cluster) -> None:
    here, there = made(shared_cluster, "args")
    with shared_cluster.connect("proxy") as connection:
        assert "miasa" in connection.ask(f"ampiasao {here};")
        text = f"insert into dst select k, ? from {there}.src where k < ? returning k + ?;"
        assert rows(connection.ask(f'/*dirk {{"args":["x", 3, 50]}}*/ {text}')) == [[51], [52]]
        text = f"insert into dst select k + $b, $a from {there}.src where k = 1 returning v || $a;"
        assert rows(connection.ask(f'/*dirk {{"args":{{"a":"y","b":40}}}}*/ {text}')) == [["yy"]]


def test_a_retry_has_its_first_answer(shared_cluster: Cluster) -> None:
    """The id and the text are the same, the rows there are not, and in the end there is no such database."""
    here, there = made(shared_cluster, "retry")
    with shared_cluster.connect("proxy") as connection:
        request = new_request_id(time.time_ns() // 1_000_000)
        assert "miasa" in connection.ask(f"ampiasao {here};")
        text = f'/*dirk {{"id":"{request}"}}*/ insert into dst select * from {there}.src;'
        first = message(connection.ask(text))
        assert "(12)" in first
        assert "(1)" in connection.ask(f'/*dirk {{"db":"{there}"}}*/ insert into src values (13, 1);')
        assert message(connection.ask(text)) == first
        assert "(12)" in connection.ask("fafao ao@ dst;")
        assert "Hadisoana" not in connection.ask(f"ravao ny tahiry {there};")
        assert message(connection.ask(text)) == first
        assert rows(connection.ask("alaivo count(*) ao@ dst;")) == [[0]]
        other = text.replace(request, new_request_id(time.time_ns() // 1_000_000))
        assert meta(connection.ask(other))["sqlstate"] == "3D000"


@pytest.mark.parametrize("part", PARTS)
def test_mistakes_have_their_sentences(shared_cluster: Cluster, part: str) -> None:
    here, there = made(shared_cluster, f"wrong_{part}")
    cases = {
        f"insert into dst select * from {there}.nisy;": ("42P01", "nisy"),
        "insert into dst select * from tsisy.src;": ("3D000", "tsisy"),
        f"insert into dst select k, nisy from {there}.src;": ("42703", "nisy"),
        f"insert into dst select k from {there}.src;": ("42601", ""),
        f"insert into nisy select * from {there}.src;": ("42P01", "nisy"),
        f"insert into dst select * from {there}.src where k in (select k from dst);": ("0A000", f"{there}.dst"),
        f"insert into dst select * from {there}.src where k in (with dst as (select 1 as k) select k from dst) and"
        " k in (select k from dst);": ("0A000", f"{there}.dst"),
        f"insert into {there}.src select * from dst;": ("0A000", there),
        f"insert into dst select * from {there}.src returning {there}.src.k;": ("0A000", there),
        f"update dst set v = 1 where k in (select k from {there}.src);": ("0A000", there),
        f"insert into dst select k, zeroblob(900000) from {there}.src;": ("54000", "BETWEEN"),
        f"insert into dst select k, zeroblob(9000000) from {there}.src;": ("54000", "BETWEEN"),
        f"insert into dst select k, zeroblob(60000000) from {there}.src;": ("54000", "BETWEEN"),
        f"insert into dst with recursive n(x) as (select 1 union all select x + 1 from n where x < 9999)"
        f" select x + (select count(*) from {there}.src), x'00' from n;": ("54001", "BLOB"),
        f"insert into dst select k, 'a' || char(0) || 'b' from {there}.src;": ("22021", "v"),
    }
    with shared_cluster.connect(part) as connection:
        assert "miasa" in connection.ask(f"ampiasao {here};")
        assert "en" in connection.ask("SET LANGUAGE en;")
        for text, (sqlstate, named) in cases.items():
            said = message(connection.ask(text))
            assert said.endswith(f"({sqlstate})") and named in said, (text, said)
        assert rows(connection.ask("select count(*) from dst;")) == [[0]]
        connection.ask("begin;")
        said = message(connection.ask(f"insert into dst select * from {there}.src;"))
        assert said.endswith("(0A000)") and "transaction" in said
        connection.ask("rollback;")
        translated = rows(connection.ask(f"TRANSLATE TO gasy insert into dst select * from {there}.src;"))
        assert translated == [[f"manampia ao@ dst alaivo * ao@ {there}.src"]]


@pytest.mark.parametrize("part", PARTS)
def test_an_error_of_a_copy_points_at_no_other_text(shared_cluster: Cluster, part: str) -> None:
    """Where its two halves are wrong is in texts that the client has not sent; where it is no copy, in its own."""
    here, there = made(shared_cluster, f"place_{part}")
    with shared_cluster.connect(part) as connection:
        assert "miasa" in connection.ask(f"ampiasao {here};")
        for text in (
            f"insert into dst\n select k, nisy\n from {there}.src",
            f"insert into\n nisy select * from {there}.src",
            f"insert into dst select * from {there}.src returning nisy",
            f"insert into dst select * from {there}.vv",
            f"insert into dst select ?, k from {there}.src",
        ):
            answer = connection.ask(f"/*dirk {{}}*/ {text};")
            assert not {"line", "column"} & meta(answer).keys() and "\n" not in message(answer), answer
        refused = meta(connection.ask(f"/*dirk {{}}*/ insert into dst\n select * from {there}.src, dst;"))
        assert (refused["sqlstate"], refused["line"]) == ("0A000", 2)


@pytest.mark.parametrize("most_bytes", [1 << 20, pytest.param(1 << 24, marks=pytest.mark.slow)])
def test_what_fits_into_a_statement_is_copied_however_it_travels(
    make_cluster: Callable[..., Cluster], most_bytes: int
) -> None:
    """Control characters take six times their size in an answer."""
    controls = f"replace(hex(zeroblob({most_bytes * 15 // 100})), '0', char(1))"
    # How long the larger takes is not asked here.
    cluster = make_cluster(settings={"limits": {"maxStatementBytes": most_bytes, "waitMs": 60_000}})
    cluster.start()
    here, there = made(cluster, "fits")
    with cluster.connect("proxy") as connection:
        assert "miasa" in connection.ask(f"ampiasao {here};")
        assert "(3)" in connection.ask(f"insert into dst select k, {controls} from {there}.src where k < 4;")
        assert rows(connection.ask(f"select count(*) from dst where v = {controls};")) == [[3]]
        wide = ", ".join(f"c{number}" for number in range(900))
        assert "Hadisoana" not in connection.ask(f"create table wide ({wide});")
        assert "Hadisoana" not in connection.ask(f'/*dirk {{"db":"{there}"}}*/ create table wide ({wide});')
        values = ", ".join(map(str, range(900)))
        assert "(1)" in connection.ask(f'/*dirk {{"db":"{there}"}}*/ insert into wide values ({values});')
        assert "(1)" in connection.ask(f"insert into wide select * from {there}.wide;")
        assert rows(connection.ask("select * from wide;")) == [list(range(900))]


@pytest.mark.parametrize("part", PARTS)
def test_a_read_that_fails_in_its_middle_answers_as_an_insert_does(shared_cluster: Cluster, part: str) -> None:
    """Some pages have come by then: nothing of them is for the client, and the request's id is free for nobody."""
    here, there = made(shared_cluster, f"middle_{part}")
    broken = "case when k = 12 then cast(x'ff' as text) else zeroblob(700000) end"
    with shared_cluster.connect(part) as connection:
        assert "miasa" in connection.ask(f"ampiasao {here};")
        for opening in ("", "/*dirk {}*/ "):
            answer = connection.ask(f"{opening}insert into dst select k, {broken} from {there}.src;")
            assert answer.startswith("RESULT_MESSAGE\n") and "(22021)" in answer, answer[:200]
