"""Another program listens where the proxy should: every program of ours ends in a sentence, or waits and goes on."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing as closing_at_end
from pathlib import Path

import pytest

from dirk_gevent.driver import dbapi
from tests.cluster import HOST, ROOT, Cluster, ask, clean_environ, free_port, message, wait_for
from tests.shell.other_programs import ALL, Behaviour, OtherProgram, closing, endless, http, noise, silent


def admin(cluster: Cluster, *words: str) -> tuple[int, str]:
    """dirk-admin's exit status and the one line on its error stream."""
    found = subprocess.run(
        [str(ROOT / "bin/dirk-admin"), *words, "--config", str(cluster.config_path)],
        env=clean_environ(),
        cwd=cluster.directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    return found.returncode, line


@pytest.mark.parametrize(
    ("task", "behaviour"),
    [*(("verify", one) for one in ALL), *(("status", one) for one in (closing, http, endless, noise))],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_dirk_admin_says_that_it_is_not_the_proxy(
    task: str, behaviour: Behaviour, make_cluster: Callable[..., Cluster]
) -> None:
    cluster = make_cluster()
    place = f"{HOST}:{cluster.ports['proxy']}"
    with OtherProgram(cluster.ports["proxy"], [behaviour]):
        status, said = admin(cluster, task)
    assert status == 2
    if behaviour is closing:
        assert f"at {place} does not answer" in said
    else:
        assert said == f"dirk-admin: what listens at {place} is not DirkDB's proxy: it answers in another way"


@pytest.mark.slow
def test_dirk_admin_does_not_wait_for_one_that_is_silent(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster()
    with OtherProgram(cluster.ports["proxy"], [silent]):
        status, said = admin(cluster, "snapshot")
    assert status == 2
    assert said == (
        f"dirk-admin: what listens at {HOST}:{cluster.ports['proxy']} does not answer (timed out): "
        "is it DirkDB's proxy?"
    )


TALKING = [one for one in ALL if one is not closing]


@pytest.mark.parametrize(
    "behaviour",
    [pytest.param(silent, marks=pytest.mark.slow), *TALKING],
    ids=lambda one: one.__name__,
)
def test_the_client_and_the_driver_do_not_wait_for_ever(behaviour: Behaviour, tmp_path: Path) -> None:
    port = free_port()
    with OtherProgram(port, [behaviour]):
        found = subprocess.run(
            [str(ROOT / "bin/dirk-client"), HOST, str(port), "--lang", "en", "-e", "alaivo 1 antso x"],
            env=clean_environ(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (found.returncode != 0, found.stdout) == (True, "")
        assert "Traceback" not in found.stderr
        if behaviour is silent:
            assert f"what listens at {HOST}:{port} says nothing: is it DirkDB?" in found.stderr
            assert f"{HOST}:{port} did not answer in time" in found.stderr
            return
        assert f"what answers at {HOST}:{port} is not DirkDB" in found.stderr
        with (
            closing_at_end(dbapi.connect(HOST, port)) as connection,
            pytest.raises(dbapi.InterfaceError, match="is not DirkDB"),
        ):
            connection.cursor().execute("alaivo 1 antso x")


def test_a_first_answer_that_takes_long_is_waited_for_where_another_question_is_answered(tmp_path: Path) -> None:
    """A busy DirkDB: the first connection gets its answer late, the second, on which it is asked, at once."""
    answer = b"RESULT_MESSAGE\nOK\nEND\n"

    def busy(peer: socket.socket) -> None:
        peer.recv(65536)
        asked.wait(30)
        peer.sendall(answer)
        peer.recv(65536)

    def ready(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(answer)
        asked.set()
        peer.recv(65536)

    asked, port = threading.Event(), free_port()
    with OtherProgram(port, [busy, ready]), closing_at_end(dbapi.connect(HOST, port)) as connection:
        assert connection.cursor().execute("safidio ny fiteny en").message == "OK"
    assert asked.is_set()


def test_a_host_that_is_no_name_is_one_sentence(tmp_path: Path) -> None:
    for host in ("a" * 64, "a..b"):
        found = subprocess.run(
            [str(ROOT / "bin/dirk-client"), host, "--lang", "en", "-e", "alaivo 1 antso x"],
            env=clean_environ(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (found.returncode, found.stdout) == (2, "")
        assert found.stderr.startswith(f"dirk-client: nothing answers at {host}:3949 (")
        with pytest.raises(dbapi.OperationalError, match="nothing answers at"):
            dbapi.connect(host, language="en")


@pytest.mark.slow
def test_a_node_and_a_cache_tell_what_they_found_and_go_on_once_the_proxy_is_there(
    make_cluster: Callable[..., Cluster],
) -> None:
    cluster = make_cluster(masters=("m1",))
    with OtherProgram(cluster.ports["proxy"], ALL) as other:
        cluster.start("m1", "cache", ready=False)
        wait_for(lambda: other.served > 3 * len(ALL), 60, "many connections")
        wait_for(lambda: "event=waiting for=log" in cluster.log("m1"), 60, "the node's word")
        wait_for(lambda: "event=waiting for=proxy" in cluster.log("cache"), 60, "the cache's word")
        for part in ("m1", "cache"):
            assert "Hadisoana" in ask(cluster.ports[part], "manamboara tahiry vao;")
    cluster.start("proxy")
    for part in ("m1", "cache"):
        cluster.processes[part].wait_ready()
        assert "Traceback" not in cluster.log(part)
        assert cluster.log(part).count("event=waiting for=") == 1
    assert message(ask(cluster.ports["cache"], "manamboara tahiry vao;")).endswith("soamantsara")


def test_a_node_tells_of_one_that_answers_in_another_way(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(masters=("m1",))
    with OtherProgram(cluster.ports["proxy"], ALL[1:2]):
        cluster.start("m1", "cache", ready=False)
        for part in ("m1", "cache"):
            wait_for(lambda part=part: "what listens there does not answer as DirkDB" in cluster.log(part), 30, part)
