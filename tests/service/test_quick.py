"""A read that was answered before is answered again from the state that is there now, by every part alike."""

from __future__ import annotations

import contextlib
import json

import pytest

from tests.cluster import Cluster, Connection, message, meta, rows, wait_for

READ = "alaivo a ao@ t rehefa n = 1;"
PARTS = ("m1", "proxy")


def session_in(cluster: Cluster, part: str, database: str) -> Connection:
    """A session of `part` in a database that was just made, once the part has its row."""
    connection = cluster.connect(part)
    wait_for(lambda: "miasa" in connection.ask(f"ampiasao {database};"), 20)
    wait_for(lambda: '"rows":[[' in connection.ask(READ), 20)
    return connection


def make(cluster: Cluster, database: str) -> None:
    """A database with one row to read."""
    with cluster.connect("proxy") as connection:
        for text in (
            f"manamboara tahiry {database};",
            f"ampiasao {database};",
            "manamboara tabilao t (n ISA fanalahidy, a LAHATSORATRA(1, 40));",
            "manampia ao@ t (n, a) sanda (1, 'voalohany');",
        ):
            assert "Hadisoana" not in connection.ask(text), text


@pytest.mark.parametrize("part", PARTS)
def test_each_answer_is_of_the_newest_state(shared_cluster: Cluster, part: str) -> None:
    """Own writes, a column more, a longer answer, a table that is gone: each shows in the very next answer."""
    make(shared_cluster, f"quick_{part}")
    with session_in(shared_cluster, part, f"quick_{part}") as session:
        for number in range(20):
            assert "Hadisoana" not in session.ask(f"havaozy t ova a = 'faha {number}' rehefa n = 1;")
            assert [session.ask_rows(READ) for _ in range(3)] == [[[f"faha {number}"]]] * 3
        everything = "alaivo * ao@ t;"
        assert [len(session.ask_rows(everything)[0]) for _ in range(3)] == [2] * 3
        assert "Hadisoana" not in session.ask("ovay ny tabilao t ampio tsanganana b ISA;")
        assert [len(session.ask_rows(everything)[0]) for _ in range(3)] == [3] * 3
        many = ", ".join(f"({n}, 'x')" for n in range(2, 1002))
        assert "Hadisoana" not in session.ask(f"manampia ao@ t (n, a) sanda {many};")
        assert [len(session.ask_rows(everything)) for _ in range(3)] == [1001] * 3
        assert "Hadisoana" not in session.ask("ravao ny tabilao t;")
        assert [message(session.ask(READ))[-7:] for _ in range(2)] == ["(42P01)"] * 2


@pytest.mark.parametrize("part", PARTS)
def test_the_same_text_is_another_read_in_another_database(shared_cluster: Cluster, part: str) -> None:
    """Also when the other one has the same name and came after it."""
    name = f"twice_{part}"
    make(shared_cluster, name)
    with session_in(shared_cluster, part, name) as session:
        assert [session.ask_rows(READ) for _ in range(3)] == [[["voalohany"]]] * 3
        shared_cluster.ask("proxy", f"ravao ny tahiry {name};")
        wait_for(lambda: message(session.ask(READ)).endswith("(3D000)"), 20)
        make(shared_cluster, name)
        with session_in(shared_cluster, part, name) as second:
            assert "Hadisoana" not in second.ask("havaozy t ova a = 'faharoa' rehefa n = 1;")
            assert [second.ask_rows(READ) for _ in range(3)] == [[["faharoa"]]] * 3
        with session_in(shared_cluster, part, name) as third:
            wait_for(lambda: third.ask_rows(READ) == [["faharoa"]], 20)


def test_metadata_is_heeded_each_time(shared_cluster: Cluster) -> None:
    """META as the first time, in the language asked for; values of `args` as they are."""
    make(shared_cluster, "heeded")
    with session_in(shared_cluster, "m1", "heeded") as session:
        first = meta(session.ask(f"/*dirk {{}}*/{READ}"))
        fields = {"db": "heeded", "lang": "fr", "min": {str(first["log"]): first["index"]}}
        asked = f"/*dirk {json.dumps(fields)}*/{READ}"
        answers = [session.ask(asked) for _ in range(3)]
        assert [rows(answer) for answer in answers] == [[["voalohany"]]] * 3
        metas = [{**meta(answer), "ms": 0} for answer in answers]
        assert metas[0] == metas[1] == metas[2]
        assert metas[0]["lang"] == "fr" and metas[0]["tables"] == ["t"] and metas[0]["rows"] == 1
        bound = "alaivo a ao@ t rehefa n = ?;"
        for number, expected in ((1, [["voalohany"]]), (2, []), (1, [["voalohany"]])):
            assert session.ask_rows(f"/*dirk {json.dumps({**fields, 'args': [number]})}*/{bound}") == expected


@pytest.mark.parametrize("part", ["proxy", "cache"])
def test_the_same_bytes_are_each_sessions_own_request(shared_cluster: Cluster, part: str) -> None:
    """What is remembered of a segment is what it says, not what it meant in the session it came from first."""
    names = [f"same_bytes_{part}_{number}" for number in range(2)]
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(shared_cluster.connect(part)) for _ in names]
        for session, name in zip(sessions, names, strict=True):
            for text in (f"manamboara tahiry {name}", f"ampiasao {name}", "manamboara tabilao t (a LAHATSORATRA)"):
                assert "Hadisoana" not in session.ask(f"{text};")
            assert "(1)" in session.ask(f"manampia ao@ t (a) sanda ('{name}');")
        for _ in range(3):
            assert [session.ask_rows("alaivo a ao@ t;") for session in sessions] == [[[name]] for name in names]
            assert "(1)" in sessions[0].ask("manampia ao@ t (a) sanda ('twice');")
            assert "(1)" in sessions[0].ask("fafao ao@ t rehefa a = 'twice';")
        sessions[1].ask("SET LANGUAGE en;")
        told = [session.ask("alaivo b ao@ t;") for session in sessions]
        assert "tsy misy" in told[0] and "does not exist" in told[1]
        sessions[0].send("alaivo a ao@ t")
        sessions[0].send(" rehefa a = 'none';")
        assert rows(sessions[0].receive()) == []
