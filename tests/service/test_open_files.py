"""Few open files: what does not fit waits, is closed, or is turned away with a sentence; nothing stalls."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tests.cluster
from dirk_gevent.open_files import LEAST_FILES, share_out
from dirk_gevent.startup import CannotStartError
from tests.cluster import Cluster, message, rows

FEW = 200
DATABASES = 60


@pytest.mark.parametrize("files", [LEAST_FILES, 200, 256, 1024, 4096, 1 << 20])
@pytest.mark.parametrize("files_a_connection", [1, 2])
def test_the_shares_fit_and_none_is_empty(files: int, files_a_connection: int) -> None:
    shares = share_out(files, files_a_connection)
    assert shares.connections >= 20 and shares.databases >= 4 and shares.long_reads >= 2
    taken = files_a_connection * shares.connections + 5 * shares.databases + 3 * shares.long_reads
    assert taken + 60 <= files


def test_too_few_are_one_sentence() -> None:
    with pytest.raises(CannotStartError, match="ulimit -n 1024 before, or set LimitNOFILE"):
        share_out(LEAST_FILES - 1, 1)


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes of clusters may open `FEW` files."""
    popen = subprocess.Popen

    def limited(*words: Any, **options: Any) -> Any:
        limit = resource.RLIMIT_NOFILE, (FEW, FEW)
        return popen(*words, preexec_fn=lambda: resource.setrlimit(*limit), **options)

    monkeypatch.setattr(tests.cluster.subprocess, "Popen", limited)
    return


def test_more_databases_and_clients_than_files(few_files: None, make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster()
    cluster.start()
    with ExitStack() as stack:
        client = stack.enter_context(cluster.connect("proxy"))
        for number in range(DATABASES):
            make = f"CREATE DATABASE d{number}", f"USE d{number}", "CREATE TABLE t (a)", "INSERT INTO t VALUES (0)"
            for text in make:
                assert "Hadisoana" not in client.ask(f"{text};"), text
        refused: dict[str, int] = {}
        for name in ("m1", "proxy", "cache"):
            for _ in range(FEW):
                extra = stack.enter_context(cluster.connect(name))
                answer = message(extra.ask("SELECT 1;"))
                if answer != "OK":
                    assert "(53300)" in answer and "ulimit -n" in answer
                    refused[name] = refused.get(name, 0) + 1
        assert set(refused) == {"m1", "proxy", "cache"}
        # Clients that were let in still work, in every database, with all those connections there.
        for number in range(DATABASES):
            assert "Hadisoana" not in client.ask(f"USE d{number};")
            assert "Hadisoana" not in client.ask(f"INSERT INTO t VALUES ({number});")
            assert rows(client.ask("SELECT count(*) FROM t;")) == [[2]]
    for name in ("m1", "m2", "proxy", "cache"):
        assert len(list(Path(f"/proc/{cluster.processes[name].pid}/fd").iterdir())) < FEW
        log = cluster.log(name, whole=True)
        assert "Too many open files" not in log and "Traceback" not in log, log
        assert "event=few_open_files" in log
