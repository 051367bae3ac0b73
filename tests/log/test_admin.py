"""dirk-admin as a person in trouble uses it: on a real cluster whose log is gone, or older than its nodes."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dirk_gevent.admin.usage import UsageError, parse
from tests.cluster import Cluster, clean_environ, message, wait_for

PARTS = ("m1", "m2", "proxy")
WAIT_SECONDS = 20


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    """Two masters and a proxy with a table of 20 rows, known to both."""
    found = make_cluster()
    found.start(*PARTS)
    with found.connect("proxy") as session:
        session.ask("manamboara tahiry d;")
        session.ask("ampiasao d;")
        session.ask("manamboara tabilao t (a ISA);")
        for number in range(20):
            session.ask(f"manampia ao@ t (a) sanda ({number});")
    for node in ("m1", "m2"):
        wait_for(lambda node=node: rows(found, node) == 20, WAIT_SECONDS, f"the rows on {node}")
    return found


def rows(cluster: Cluster, name: str) -> int:
    """How many rows one part says the table has; -1 when it does not answer the question."""
    with cluster.connect(name) as session:
        session.ask("ampiasao d;")
        answer = session.ask("alaivo count(*) antso n ao@ t;")
    return int(answer.split('"rows":[[')[1].split("]")[0]) if '"rows":[[' in answer else -1


def admin(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs dirk-admin on the cluster's settings."""
    command = [sys.executable, "-m", "dirk_gevent.cli", "admin", *words, "--config", str(cluster.config_path)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=clean_environ(), cwd=cluster.directory
    )


def log_directory(cluster: Cluster) -> Path:
    return cluster.directory / "data" / "log"


def test_status_prints_what_the_proxy_knows(cluster: Cluster) -> None:
    done = admin(cluster, "status")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()[1:]} >= {"m1", "m2"}
    cluster.stop("proxy")
    done = admin(cluster, "status")
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not answer: connection refused" in done.stderr


@pytest.mark.parametrize(
    "words", [[], ["rebuild-log"], ["rebuild-log", "--from", "m9"], ["rebuild-log", "--from", "m1", "--yes-lose", "x"]]
)
def test_wrong_arguments_are_one_sentence(make_cluster: Callable[..., Cluster], words: list[str]) -> None:
    done = admin(make_cluster(), *words)
    assert done.returncode == 2
    assert done.stderr.startswith("dirk-admin: ") and done.stderr.count("\n") == 1


def test_a_lost_log_is_rebuilt_and_both_masters_go_on(cluster: Cluster) -> None:
    # One that nothing was written to counts, too.
    assert "Hadisoana" not in cluster.ask("proxy", "manamboara tahiry foana;")
    wait_for(lambda: "foana" in cluster.ask("m1", "asehoy ny tahiry;"), WAIT_SECONDS)
    cluster.stop(*PARTS)
    shutil.rmtree(log_directory(cluster))
    asked = admin(cluster, "rebuild-log", "--from", "m1")
    assert asked.returncode == 1 and "--yes" in asked.stdout and "with 2 databases;" in asked.stdout
    assert asked.stdout.splitlines()[0].split() == ["node", "database", "log", "applied", "heard", "of"]
    assert not (log_directory(cluster) / "journal.sqlite").exists()
    done = admin(cluster, "rebuild-log", "--from", "m1", "--yes")
    assert done.returncode == 0 and "it holds 2 databases." in done.stdout, done.stderr
    cluster.start(*PARTS)
    with cluster.connect("proxy") as session:
        session.ask("ampiasao d;")
        assert "(1)" in session.ask("manampia ao@ t (a) sanda (100);")
    for node in ("m1", "m2"):
        wait_for(lambda node=node: rows(cluster, node) == 21, WAIT_SECONDS, f"the new row on {node}")
    # A restart finds the same log: the nodes' own account of it has changed hands.
    cluster.stop(*PARTS)
    cluster.start(*PARTS)
    for node in PARTS:
        wait_for(lambda node=node: rows(cluster, node) == 21, WAIT_SECONDS, f"the rows on {node} again")


@pytest.mark.parametrize("yes", [(), ("--yes",), ("--yes-lose", "6")])
def test_a_node_of_another_machine_is_not_chosen_before_its_directory_is_here(
    make_cluster: Callable[..., Cluster], yes: tuple[str, ...]
) -> None:
    """What was said of it before --yes was of no databases at all."""
    done = admin(make_cluster(), "rebuild-log", "--from", "m1", *yes)
    assert done.returncode == 1 and "Add --yes" not in done.stdout
    assert "data/m1 is not on this machine; stop it, copy its directory there" in done.stderr


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("drain", "dirk-admin drain NODE [--seconds N] [--config FILE]"),
        ("evict --yes", "dirk-admin evict NODE [--database NAME] [--yes] [--config FILE]"),
        ("backup", "dirk-admin backup BACKUP [--database NAME] [--config FILE]"),
        ("check", "dirk-admin check BACKUP"),
        ("dump", "dirk-admin dump DATABASE [SCRIPT] [--table NAME] [--config FILE]"),
        ("skip school", "dirk-admin skip DATABASE INDEX [--yes] [--config FILE]"),
        ("settle school", "dirk-admin settle DATABASE (--keep NODE | --keep-log)"),
        ("settle school --keep m1 --keep-log", "or: dirk-admin settle --accept-log [--yes]"),
        ("restore school", "dirk-admin restore DATABASE (--to-index N | --to-time TIME) [--as NAME | --in-place]"),
        ("--config x rebuild-log", "dirk-admin rebuild-log --from NODE [--yes] [--yes-lose N] [--config FILE]"),
        ("status --nope", "unknown option --nope; status is typed: dirk-admin status [--config FILE]"),
    ],
)
def test_a_verb_that_lacks_something_says_what_it_takes(words: str, usage: str) -> None:
    with pytest.raises(UsageError) as mistake:
        parse(words.split())
    assert usage in str(mistake.value) and "\n" not in str(mistake.value)
    assert ("unknown" in str(mistake.value)) == ("nope" in words)


def test_a_drop_said_again_to_a_rebuilt_log_drops_no_newer_database(cluster: Cluster) -> None:
    """The log that is lost knew the request; the one that is made from a node knows it, too."""
    ids = [f"{int(time.time() * 1000)}-{secrets.token_hex(8)}" for _ in range(2)]
    made, dropped = (
        f'/*dirk {{"id":"{request_id}"}}*/ {verb} tahiry d2;'
        for request_id, verb in zip(ids, ("manamboara", "ravao"), strict=True)
    )
    first = [cluster.ask("proxy", statement) for statement in (made, dropped)]
    assert not any("Hadisoana" in answer for answer in first), first
    shown = '/*dirk {"db":"d2"}*/ asehoy ny tabilao;'
    cluster.ask("proxy", "manamboara tahiry d2;")
    cluster.ask("proxy", '/*dirk {"db":"d2"}*/ manamboara tabilao newer (a ISA);')
    for node in ("m1", "m2"):
        wait_for(lambda node=node: "newer" in cluster.ask(node, shown), WAIT_SECONDS, f"d2 on {node}")
    cluster.stop(*PARTS)
    shutil.rmtree(log_directory(cluster))
    assert admin(cluster, "rebuild-log", "--from", "m1", "--yes").returncode == 0
    cluster.start(*PARTS)
    wait_for(lambda: rows(cluster, "proxy") == 20, WAIT_SECONDS, "the rows through the new log")
    assert message(cluster.ask("proxy", dropped)) == message(first[1])
    assert "newer" in cluster.ask("proxy", shown), "the newer d2 is gone"
    assert message(cluster.ask("proxy", made)) == message(first[0])
    assert "(1)" in cluster.ask("proxy", '/*dirk {"db":"d2"}*/ manampia ao@ newer (a) sanda (1);')


def test_a_log_in_use_is_left_alone(cluster: Cluster) -> None:
    done = admin(cluster, "rebuild-log", "--from", "m1", "--yes")
    assert done.returncode == 1
    assert "stop it first" in done.stderr
    cluster.stop("proxy")
    done = admin(cluster, "rebuild-log", "--from", "m1", "--yes")
    assert done.returncode == 1
    assert "m1 is running: stop it first" in done.stderr
    cluster.start("proxy")
    wait_for(lambda: rows(cluster, "proxy") == 20, WAIT_SECONDS, "the rows through the new proxy")


def test_a_node_that_is_behind_is_not_chosen_by_mistake(cluster: Cluster) -> None:
    cluster.stop("m2")
    with cluster.connect("proxy") as session:
        session.ask("ampiasao d;")
        for number in range(3):
            session.ask(f"manampia ao@ t (a) sanda ({number});")
    cluster.stop("m1", "proxy")
    done = admin(cluster, "rebuild-log", "--from", "m2", "--yes")
    assert done.returncode == 1
    assert "m1 has 3 entries of d that m2 has not" in done.stdout
    assert "--yes-lose 3" in done.stderr
    done = admin(cluster, "rebuild-log", "--from", "m2", "--yes-lose", "3")
    assert done.returncode == 0, done.stderr
    kept = [path for path in log_directory(cluster).iterdir() if path.name.startswith("replaced-")]
    assert len(kept) == 1 and (kept[0] / "journal.sqlite").exists()
    cluster.start(*PARTS)
    for name in PARTS:
        wait_for(lambda name=name: rows(cluster, name) == 20, WAIT_SECONDS, f"the chosen node's rows on {name}")
    assert any(path.name.startswith("kept-") for path in cluster.data_directory("m1").iterdir())


def test_a_state_that_is_shut_out_is_chosen_under_no_name(cluster: Cluster) -> None:
    """What is known against it is known under the id that it had; the node was renamed since, and has not come."""
    cluster.stop(*PARTS)
    found = {"number": 1, "when_ms": 1, "node": "m1", "database": "d", "log_id": 1, "index": 2}
    written = json.dumps([found | {"cause": "content", "status": "fenced"}])
    (log_directory(cluster) / "conflicts.json").write_text(written)
    cluster.config_path.write_text(cluster.config_path.read_text().replace('"m1"', '"m9"'))
    done = admin(cluster, "rebuild-log", "--from", "m9", "--yes")
    assert done.returncode == 1
    assert "its database d was shut out (content)" in done.stderr


def test_what_a_node_heard_of_the_log_given_up_does_not_hold_it_back(cluster: Cluster) -> None:
    cluster.stop("m2")
    with cluster.connect("proxy") as session:
        session.ask("ampiasao d;")
        session.ask("manampia ao@ t (a) sanda (1);")
    cluster.stop("m1", "proxy")
    assert admin(cluster, "rebuild-log", "--from", "m2", "--yes-lose", "1").returncode == 0
    cluster.start(*PARTS)
    wait_for(lambda: rows(cluster, "m1") == 20, WAIT_SECONDS, "the chosen node's rows on m1")
    cluster.stop(*PARTS)
    cluster.start(*PARTS)
    for name in PARTS:
        wait_for(lambda name=name: rows(cluster, name) == 20, WAIT_SECONDS, f"the rows on {name} after a restart")
    with cluster.connect("proxy") as session:
        session.ask("ampiasao d;")
        assert "(1)" in session.ask("manampia ao@ t (a) sanda (100);")
    wait_for(lambda: rows(cluster, "m1") == 21, WAIT_SECONDS, "the new row on m1")
