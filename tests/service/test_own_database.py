"""The database in use may be named before a table, whatever the case and on every part; another one is refused."""

from __future__ import annotations

import pytest

from tests.cluster import Cluster, message, meta, rows, wait_for

PARTS = ("m1", "m2", "proxy")


@pytest.mark.parametrize("part", PARTS)
def test_the_database_in_use_may_be_named(shared_cluster: Cluster, part: str) -> None:
    name = f"sekoly_{part}"
    with shared_cluster.connect(part) as connection:
        assert "Hadisoana" not in connection.ask(f"manamboara tahiry {name};")
        wait_for(lambda: "miasa" in connection.ask(f"ampiasao {name};"), 20)
        for text in (
            f"manamboara tabilao {name}.t (a ISA fanalahidy, hamarino ({name}.t.a > 0));",
            f"manampia ao@ {name.upper()}.t sanda (1), (2);",
            f"manamboara jery {name}.v antso alaivo {name}.t.a, {name}.t.a+1 ao@ {name}.t;",
            f"havaozy {name}.t ova a = 3 rehefa a = 2;",
        ):
            assert "Hadisoana" not in connection.ask(text), text
        kept = f"a anaty (alaivo a ao@ {name}.v)"
        found = rows(connection.ask(f"alaivo {name}.t.a, `{name}`.t.* ao@ {name}.t rehefa {kept};"))
        assert found == [[1, 1], [3, 3]]
        assert rows(connection.ask(f"lazao {name}.t;"))[0][0] == "a"
        # What is kept does not say the database: it may be loaded under another name.
        ((kept,),) = rows(connection.ask("asehoy ny manamboara jery v;"))
        assert kept == f"manamboara jery v antso alaivo t.a, t.a + 1 antso `{name}.t.a+1` ao@ t"
        assert message(connection.ask("alaivo * ao@ hafa.t;")).endswith("(0A000)")
        assert message(connection.ask(f'/*dirk {{"db":"dirk"}}*/ alaivo * ao@ {name}.t;')).endswith("(0A000)")


@pytest.mark.parametrize("part", PARTS)
def test_it_may_be_named_in_a_transaction(shared_cluster: Cluster, part: str) -> None:
    name = f"asa_{part}"
    with shared_cluster.connect(part) as connection:
        assert "Hadisoana" not in connection.ask(f"manamboara tahiry {name};")
        wait_for(lambda: "miasa" in connection.ask(f"ampiasao {name};"), 20)
        assert "Hadisoana" not in connection.ask("manamboara tabilao t (a ISA);")
        for text in ("atombohy;", f"manampia ao@ {name}.t sanda (1);"):
            assert "Hadisoana" not in connection.ask(text), text
        assert message(connection.ask("manampia ao@ hafa.t sanda (2);")).endswith("(0A000)")
        assert rows(connection.ask(f"alaivo * ao@ {name}.t;")) == [[1]]
        assert "Hadisoana" not in connection.ask("tehirizo;")
        assert rows(connection.ask("alaivo * ao@ t;")) == [[1]]
        assert meta(connection.ask(f'/*dirk {{"db":"{name}"}}*/ alaivo * ao@ {name}.t;'))["db"] == name
