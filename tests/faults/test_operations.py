"""What an operator does with dirk-admin on a running cluster: compare, keep, bring back, take nodes out and in."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, clean_environ, wait_for
from tests.faults.operating import BOTH, PARTS, WAIT_SECONDS, admin, digest, insert, numbers, numbers_or_none, operated
from tests.faults.writing import Writers, level, server_rows, states, table


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for all tests here."""
    with operated(tmp_path_factory.mktemp("operations")) as found:
        yield found


def test_a_backup_comes_back_with_the_same_digests(cluster: Cluster, tmp_path: Path) -> None:
    """Taken while writes go on; torn or altered it is refused, naming where; restored it equals the original."""
    file = tmp_path / "school.dirkbackup"
    with Writers(cluster, 2, pause_seconds=0.01) as writers:
        writers.await_more(5)
        admin(cluster, "backup", str(file))
        writers.await_more(5)
    assert "t: any index from 0 to" in admin(cluster, "check", str(file))
    whole = file.read_bytes()
    for name, content, wrong in (
        ("torn", whole[:-40], "is torn: it ends inside the record at byte"),
        ("altered", whole[:900] + bytes([whole[900] ^ 1]) + whole[901:], "was altered: the record at byte"),
    ):
        (tmp_path / name).write_bytes(content)
        said = admin(cluster, "restore", "--from", str(tmp_path / name), "--database", "t", "--as", name, status=1)
        assert wrong in said and "nothing was changed" in said
    assert "exists" in admin(cluster, "restore", "--from", str(file), status=1)
    admin(cluster, "backup", str(tmp_path / "all"), "--database", "t")
    admin(cluster, "restore", "--from", str(tmp_path / "all"), "--database", "t", "--as", "again")
    level(cluster, *BOTH)
    assert digest(cluster, "again") == digest(cluster, "t") is not None
    insert(cluster, range(900, 901), "again")


def test_a_backup_s_database_is_found_however_its_accents_are_written(cluster: Cluster, tmp_path: Path) -> None:
    composed, decomposed, file = "\u00e9cole", "E\u0301COLE", tmp_path / "accents"
    with cluster.connect("proxy") as connection:
        connection.ask(f"manamboara tahiry {composed};")
        try:
            admin(cluster, "backup", str(file), "--database", composed)
            admin(cluster, "restore", "--from", str(file), "--database", decomposed, "--as", "indray")
            assert "exists" in admin(cluster, "restore", "--from", str(file), status=1)
        finally:
            for name in (composed, "indray"):
                connection.ask(f"ravao ny tahiry {name};")


def test_an_earlier_index_comes_back_beside_and_in_place(cluster: Cluster) -> None:
    admin(cluster, "snapshot", "t")
    with cluster.connect("proxy") as connection:
        connection.ask("manamboara tahiry p;")
        connection.ask("ampiasao p;")
        connection.ask("manamboara tabilao u (w ISA, n ISA);")
    insert(cluster, range(5), "p")
    before = digest(cluster, "p")
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao p;")
        connection.ask("fafao ao@ u;")
        assert connection.ask_rows("alaivo * ao@ u;") == []
        admin(cluster, "restore", "p", "--to-index", "6")
        level(cluster, *BOTH)
        assert numbers(cluster, "p_6") == numbers(cluster, "p_6", "m2") == list(range(5))
        assert digest(cluster, "p_6") == before
        assert "--yes" in admin(cluster, "restore", "p", "--to-index", "6", "--in-place", status=1)
        admin(cluster, "restore", "p", "--to-index", "6", "--in-place", "--yes")
        assert "[1,4]" in connection.ask('/*dirk {"read":"strong"}*/ alaivo * ao@ u;')
    level(cluster, *BOTH)
    assert digest(cluster, "p") == before
    assert list(cluster.directory.glob("p-before-restore-*.dirkbackup"))
    insert(cluster, range(5, 7), "p")
    assert numbers(cluster, "p", "m2") == list(range(7))
    assert "ends at" in admin(cluster, "restore", "p", "--to-index", "999", status=1)
    said = admin(cluster, "restore", "p", "--to-time", "2199-01-01", "--as", "p_last")
    assert "p: 2199-01-01 00:00:00 UTC has not come yet: index 10 is the newest there is" in said
    assert "does not reach back" in admin(cluster, "restore", "p", "--to-time", "2001-01-01", status=1)


def test_a_restore_in_place_under_load_leaves_no_write_in_neither(cluster: Cluster, tmp_path: Path) -> None:
    """What was acknowledged before is in the copy that was kept, what came after in the restored database."""
    for statement in ("manamboara tahiry busy;", '/*dirk {"db":"busy"}*/ manamboara tabilao u (w ISA, n ISA);'):
        assert "Hadisoana" not in cluster.ask("proxy", statement)
    insert(cluster, range(2), "busy")
    with Writers(cluster, 4, database="busy") as writers:
        writers.await_more(40)
        admin(cluster, "restore", "busy", "--to-index", "2", "--in-place", "--yes")
        writers.await_more(40)
    (kept,) = cluster.directory.glob("busy-before-restore-*.dirkbackup")
    admin(cluster, "restore", "--from", str(kept), "--database", "busy", "--as", "busy_before")
    level(cluster, *BOTH)
    now, before = set(table(cluster, "m1", "busy")), set(table(cluster, "m1", "busy_before"))
    told = {(number, n) for number, client in enumerate(writers.clients) for n in client.acknowledged}
    assert len(told) >= 80 and now - before and before - now
    assert told <= now | before, sorted(told - now - before)
    file = tmp_path / "busy.dirkbackup"
    admin(cluster, "backup", str(file), "--database", "busy")
    with Writers(cluster, 2, database="busy") as writers:
        writers.await_more(20)
        admin(cluster, "restore", "--from", str(file), "--database", "busy", "--in-place", "--yes")
        writers.await_more(20)
    assert len(list(cluster.directory.glob("busy-before-restore-*.dirkbackup"))) == 2
    level(cluster, *BOTH)


def test_a_dump_runs_again(cluster: Cluster) -> None:
    text = admin(cluster, "dump", "t")
    assert text.startswith("-- Database t at index ")
    assert "manamboara tahiry raha tsy misy t;\n" in admin(cluster, "dump", "dirk")
    script = cluster.directory / "dump.sql"
    script.write_text(text.replace("tahiry t;", "tahiry dumped;").replace("ampiasao t;", "ampiasao dumped;"))
    client = [sys.executable, "-m", "dirk_gevent.cli", "client", "127.0.0.1", str(cluster.ports["proxy"])]
    subprocess.run([*client, "-f", str(script)], env=clean_environ(), check=True, capture_output=True, timeout=60)
    level(cluster, *BOTH)
    assert sorted(table(cluster, "m2", "dumped")) == sorted(table(cluster, "m2"))
    assert digest(cluster, "dumped") == digest(cluster, "t")
    assert admin(cluster, "dump", "t", "-").splitlines()[1:] == text.splitlines()[1:]
    one = admin(cluster, "dump", "t", "--table", "U")
    assert one.startswith("-- Table U of database t at index ") and "tahiry" not in one
    assert "nisy" in admin(cluster, "dump", "t", "--table", "nisy", status=1)
    with cluster.connect("proxy") as session:
        session.ask("ampiasao t;")
        session.ask("manamboara jery v antso alaivo 1 antso x;")
    assert "v is a view" in admin(cluster, "dump", "t", "--table", "V", status=1)


def test_a_dump_of_a_hostile_name_makes_its_own_database_alone(cluster: Cluster) -> None:
    """A line feed in a name ended the heading once, and what followed was run."""
    name = "x/../y\nravao ny tahiry vola; --"
    made = ("manamboara tahiry vola;", f"manamboara tahiry `{name}`;", f"ampiasao `{name}`;", "create table t (a);")
    with cluster.connect("proxy") as connection:
        for statement in (*made, "insert into t values ('x\r\n;');"):
            assert "Hadisoana" not in connection.ask(statement)
        level(cluster, *BOTH)
        before = digest(cluster, name)
        script = cluster.directory / "hostile.sql"
        script.write_bytes(admin(cluster, "dump", name).encode())
        assert "Hadisoana" not in connection.ask(f"ravao ny tahiry `{name}`;")
        client = [sys.executable, "-m", "dirk_gevent.cli", "client", "127.0.0.1", str(cluster.ports["proxy"])]
        subprocess.run([*client, "-f", str(script)], env=clean_environ(), check=True, capture_output=True, timeout=60)
        level(cluster, *BOTH)
        assert digest(cluster, name) == before
        admin(cluster, "restore", name, "--to-index", "1", "--in-place", "--yes")
        assert [path.parent for path in cluster.directory.rglob("*vola*before*")] == [cluster.directory]
        assert "vola" in connection.ask("asehoy ny tahiry;")
        for one in (name, "vola"):
            assert "Hadisoana" not in connection.ask(f"ravao ny tahiry `{one}`;")


def test_of_a_database_that_nothing_was_written_to_nothing_false_is_said(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.connect("proxy") as connection:
        assert "Hadisoana" not in connection.ask("manamboara tahiry foana;")
    level(cluster, *BOTH)
    said = admin(cluster, "verify", "foana")
    assert "foana: nothing was written to it yet" in said and "equal" not in said
    file = tmp_path / "foana.dirkbackup"
    admin(cluster, "backup", str(file), "--database", "foana")
    assert "foana: nothing was written to it yet\n" in admin(cluster, "check", str(file))
    assert "1970" not in admin(cluster, "dump", "foana")
    assert "holds no entry yet" in admin(cluster, "skip", "foana", "1", "--yes", status=1)
    assert "nothing was written to foana yet" in admin(cluster, "restore", "foana", "--to-index", "1", status=1)
    assert "nothing was written to it yet" in admin(cluster, "snapshot", "foana")
    assert "m2 was not drained" in admin(cluster, "undrain", "m2")
    assert "Hadisoana" not in cluster.ask("proxy", "ravao ny tahiry foana;")


def test_a_moment_before_the_beginning_is_said_to_be_that(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "t.dirkbackup"
    with cluster.connect("proxy") as connection:
        for statement in ("manamboara tahiry vaovao;", "ampiasao vaovao;", "create table t (a);"):
            assert "Hadisoana" not in connection.ask(statement)
    level(cluster, *BOTH)
    early = ("--to-time", "2001-01-01", "--as", "early")
    said = admin(cluster, "restore", "vaovao", *early, status=1)
    assert "has no state of 2001-01-01 00:00:00 UTC: nothing was written to it before" in said and "ends" not in said
    admin(cluster, "backup", str(file), "--database", "vaovao")
    assert "has no state of vaovao before 20" in admin(
        cluster, "restore", "--from", str(file), "--database", "vaovao", *early, status=2
    )


def test_verify_with_a_node_away_speaks_of_no_difference(cluster: Cluster) -> None:
    cluster.stop("m2")
    said = admin(cluster, "verify", "t", status=1)
    assert "1 of 2 digests are missing: the verdict says what their nodes do" in said and "fifandirana" not in said
    cluster.start("m2")
    level(cluster, *BOTH)
    assert "the log takes writes again" in admin(cluster, "settle", "--accept-log", status=1)


def test_a_node_is_drained_evicted_and_seeded_again(cluster: Cluster) -> None:
    assert "m1 is drained" in admin(cluster, "drain", "m1")
    assert states(cluster, "t")["m1"] == "drained"
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        found = {connection.ask("/*dirk {}*/ alaivo 1;").split('"node":"')[1].split('"')[0] for _ in range(20)}
    assert found == {"m2"}
    assert "no other master" in admin(cluster, "drain", "m2", status=1)
    admin(cluster, "undrain", "m1")
    assert "--yes" in admin(cluster, "evict", "m2", status=1)
    admin(cluster, "evict", "m2", "--yes")
    assert "last master" in admin(cluster, "evict", "m1", "--yes", status=1)
    assert states(cluster, "t")["m2"] == "evicted"
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        assert "(1)" in connection.ask("manampia ao@ u (w, n) sanda (1, 1000);")
    admin(cluster, "reseed", "m2", "--yes")
    level(cluster, *BOTH)
    assert numbers(cluster, "t") == numbers(cluster, "t", "m2")


def conflicts(cluster: Cluster) -> list[list[object]]:
    """The rows of `asehoy ny fifandirana` that a person asked for."""
    with cluster.connect("proxy") as connection:
        return [row for row in connection.ask_rows("asehoy ny fifandirana;") if row[4] == "asked"]


@pytest.mark.parametrize("is_away", [False, True])
def test_a_database_that_nothing_was_written_to_is_seeded_again_too(cluster: Cluster, is_away: bool) -> None:
    """Nothing is sent of it, so nothing that comes says that the node has it all."""
    assert "Hadisoana" not in cluster.ask("proxy", "manamboara tahiry foana;")
    level(cluster, *BOTH)
    if is_away:
        cluster.stop("m2")
    admin(cluster, "reseed", "m2", "--yes")
    if is_away:
        cluster.start("m2")
    assert {"dirk", "t", "foana"} <= {row[2] for row in conflicts(cluster)}

    def is_healed() -> bool:
        return {row[5] for row in conflicts(cluster)} <= {"healed", "ended"}

    wait_for(is_healed, WAIT_SECONDS, "all to be healed")
    wait_for(lambda: set(states(cluster, "foana").values()) == {"live"}, WAIT_SECONDS, "m2 to be live")
    assert "Hadisoana" not in cluster.ask("m2", '/*dirk {"db":"foana"}*/ asehoy ny tabilao;')
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao foana;")
        assert "Hadisoana" not in connection.ask("manamboara tabilao v (a ISA);")
    level(cluster, *BOTH)
    assert "Hadisoana" not in cluster.ask("proxy", "ravao ny tahiry foana;")


def test_a_drain_waits_for_transactions(cluster: Cluster) -> None:
    level(cluster, *BOTH)
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        node = connection.ask("/*dirk {}*/ atombohy;").split('"node":"')[1].split('"')[0]
        said = admin(cluster, "drain", node, "--seconds", "0", status=1)
        assert "0 reads and 1 transactions still run there" in said
        assert "(1)" in connection.ask("manampia ao@ u (w, n) sanda (1, 3000);")
        assert "Hadisoana" not in connection.ask("tehirizo;")
    assert f"{node} is drained" in admin(cluster, "drain", node)
    admin(cluster, "undrain", node)


@pytest.mark.slow
def test_a_node_is_taken_out_of_one_database(cluster: Cluster) -> None:
    level(cluster, *BOTH)
    admin(cluster, "evict", "m2", "--database", "t", "--yes")
    wait_for(lambda: states(cluster, "dirk")["m2"] == "live", WAIT_SECONDS, "m2 with the other databases")
    assert states(cluster, "t") == {"m1": "live", "m2": "evicted"}
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        assert "(1)" in connection.ask("manampia ao@ u (w, n) sanda (1, 4000);")
        found = {connection.ask("/*dirk {}*/ alaivo w ao@ u fetra 1;").split('"node":"')[1].split('"')[0]}
    assert found == {"m1"}
    admin(cluster, "reseed", "m2", "--database", "t", "--yes")
    wait_for(lambda: 4000 in numbers_or_none(cluster, "m2"), WAIT_SECONDS, "the row on m2")
    level(cluster, *BOTH)
    assert states(cluster, "t") == {"m1": "live", "m2": "live"}


@pytest.mark.slow
def test_nodes_restart_one_by_one_and_no_request_fails(cluster: Cluster) -> None:
    """SIGTERM to each in turn while sessions read, write and run transactions through the proxy."""
    stopping = threading.Event()
    failures: list[str] = []
    counts = dict.fromkeys(("read", "write", "transaction"), 0)

    def work(kind: str, statements: tuple[str, ...]) -> None:
        with cluster.connect("proxy") as connection:
            connection.ask("ampiasao t;")
            while not stopping.is_set() and not failures:
                for statement in statements:
                    answer = connection.ask(statement)
                    if "Hadisoana" in answer:
                        failures.append(f"{kind}: {statement}: {answer}")
                counts[kind] += 1

    workload = {
        "read": ("alaivo count(*) ao@ u rehefa w = 1;",),
        "write": ("manampia ao@ u (w, n) sanda (7, 7);",),
        "transaction": ("atombohy;", "alaivo count(*) ao@ u rehefa w = 9;", "tehirizo;"),
    }
    threads = [threading.Thread(target=work, args=item) for item in workload.items()]
    for thread in threads:
        thread.start()
    try:
        for node in BOTH * 2:
            cluster.stop(node)
            cluster.start(node)
            level_under_load(cluster)
            before = dict(counts)
            wait_for(lambda: all(counts[kind] > before[kind] for kind in counts) or failures, WAIT_SECONDS)  # noqa: B023
    finally:
        stopping.set()
        for thread in threads:
            thread.join(WAIT_SECONDS)
    assert not failures, failures[0]


def level_under_load(cluster: Cluster) -> None:
    """Wait until both nodes are live and nearly level while others write."""

    def is_near() -> bool:
        rows = [row for row in server_rows(cluster) if row[3] == "t"]
        return all(row[2] == "live" and int(str(row[5])) < 20 for row in rows)

    wait_for(is_near, WAIT_SECONDS, "both nodes to be live")


@pytest.mark.slow
def test_a_whole_backup_comes_back_on_new_machines(cluster: Cluster, tmp_path: Path) -> None:
    """All databases of a cluster that is gone, out of one file: every digest is the one it had."""
    file = tmp_path / "all.dirkbackup"
    admin(cluster, "backup", str(file))
    names = [str(row[3]) for row in server_rows(cluster) if row[0] == "m1" and row[3] != "dirk"]
    digests = {name: digest(cluster, name) for name in names}
    assert len(names) >= 1
    other = Cluster(tmp_path / "other")
    try:
        other.start(*PARTS)
        admin(other, "restore", "--from", str(file))
        level(other, *BOTH)
        assert {name: digest(other, name) for name in names} == digests
        assert "exists" in admin(other, "restore", "--from", str(file), status=1)
        insert(other, range(5000, 5003))
    finally:
        other.close()
