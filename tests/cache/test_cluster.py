"""The cache before the real proxy and two masters."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster import Cluster, Connection, meta, wait_for

READ = "alaivo n ao@ t;"


def prepared(cluster: Cluster) -> None:
    with cluster.connect("proxy") as proxy:
        proxy.ask("manamboara tahiry x;")
        proxy.ask("ampiasao x;")
        proxy.ask("manamboara tabilao t (n ISA);")
        proxy.ask("manampia ao@ t (n) sanda (0);")


def is_hit(session: Connection) -> bool:
    """Whether the cache answers by itself."""
    return bool(meta(session.ask("/*dirk {}*/" + READ))["cache"] == "hit")


def test_sessions_see_their_own_writes_and_never_go_back(cluster: Cluster) -> None:
    prepared(cluster)
    with cluster.connect("cache") as writer, cluster.connect("cache") as reader, cluster.connect("proxy") as other:
        for session in (writer, reader, other):
            session.ask("ampiasao x;")
        seen = written = 0
        for _ in range(150):
            for session in (writer, other):
                written += 1
                session.ask(f"havaozy t ova n = {written};")
                assert session.ask_rows(READ) == [[written]]
                for _ in range(3):
                    found = reader.ask_rows(READ)[0][0]
                    assert found >= seen
                    seen = found
        wait_for(lambda: reader.ask_rows(READ) == [[written]], 20, "the header of the last write")
        wait_for(lambda: is_hit(reader), 20, "a hit")


def test_the_proxy_dies_and_comes_back(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(cache_words=("6000", "200"))
    cluster.start()
    prepared(cluster)
    with cluster.connect("cache") as session:
        session.ask("ampiasao x;")
        assert session.ask_rows(READ) == session.ask_rows(READ) == [[0]]
        wait_for(lambda: is_hit(session), 20, "a hit")
        cluster.kill("proxy")
        assert session.ask_rows(READ) == [[0]], "within the lease"
        refused = session.ask("/*dirk {}*/ fafao ao@ t;")
        assert "(57P03)" in refused
        told = meta(refused)
        assert (told["node"], told["db"], told["kind"], told["lang"]) == ("cache", "x", "error", "mg")
        assert told["log"] > 0 and told["index"] == 2, told
        wait_for(lambda: "(57P03)" in session.ask(READ), 20, "the end of the lease")
        cluster.start("proxy")
        wait_for(lambda: '"rows":[[7]]' in session.ask("havaozy t ova n = 7;") + session.ask(READ), 20, "the write")
