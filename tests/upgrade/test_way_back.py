"""Each earlier release of other rules, started on what this one has written: one sentence, and nothing is touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dirk_gevent.log.entry import RULES
from tests.cluster import ROOT, Cluster, clean_environ
from tests.faults.writing import level, prepare
from tests.upgrade.releases import RULES_OF, checkout


@pytest.fixture(params=[name for name, rules in RULES_OF.items() if rules != RULES])
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkout of the release."""
    return checkout(request.param, tmp_path / "release")


def test_an_earlier_release_refuses_and_touches_nothing(release: Path, tmp_path: Path) -> None:
    """Its programs do not start, no log is rebuilt from such nodes, and no backup is read by other rules."""
    cluster = Cluster(tmp_path / "site")
    settings = ["--config", str(cluster.config_path)]
    backup = cluster.directory / "data" / "all.dirkbackup"
    with cluster:
        prepare(cluster)
        level(cluster, "m1", "m2")
        assert _run(cluster, ROOT, ["admin", "backup", str(backup), *settings]).returncode == 0
        cluster.stop()
    before = _files(cluster.directory / "data")
    for words, status in (
        (["proxy", *settings], 2),
        (["server", "m1", *settings], 2),
        (["admin", "rebuild-log", "--from", "m1", "--yes", *settings], 1),
        (["admin", "check", str(backup)], 1),
    ):
        done = _run(cluster, release, words)
        said = [line for line in done.stderr.splitlines() if line.startswith(f"dirk-{words[0]}: ")]
        assert done.returncode == status and len(said) == 1, done.stderr
        assert "Traceback" not in done.stderr
    assert _files(cluster.directory / "data") == before
    with cluster:
        level(cluster, "m1", "m2")


def _run(cluster: Cluster, checkout: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "dirk_gevent.cli", *words],
        env=clean_environ() | {"PYTHONPATH": str(checkout)},
        cwd=cluster.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _files(directory: Path) -> dict[str, bytes]:
    """What there is, but for locks and SQLite's shared memory, which hold no data."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name not in ("lock", "dirk.lock") and not path.name.endswith(("-shm", "-wal"))
    }
