"""Machines that are not as one expects: closed standard streams, Python without docstrings, other servers' signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dirk_gevent import __version__
from tests.cluster import HOST, ROOT, Cluster, ask, clean_environ, free_port, is_listening, message, wait_for

ALL_CLOSED = "<&- >&- 2>&-"
PARTS = ("m1", "m2", "proxy", "cache")


def words_of(program: str, arguments: list[str], way: str) -> list[str]:
    """A program as `bin/` has it, as a module, or as pip's script calls it."""
    if way == "bin":
        return [str(ROOT / f"bin/dirk-{program}"), *arguments]
    if way == "module":
        return [sys.executable, "-P", "-m", "dirk_gevent.cli", program, *arguments]
    code = f"import sys; from dirk_gevent.cli import {program}; sys.exit({program}())"
    return [sys.executable, "-c", code, *arguments]


def with_streams(closed: str, words: list[str], cwd: Path) -> subprocess.Popen[str]:
    """Start `words` with the redirections in `closed`; the streams that are left are pipes."""
    return subprocess.Popen(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *words],
        cwd=cwd,
        env=clean_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_written(cluster: Cluster) -> bool:
    """Whether a database can be made by way of the cache."""
    return message(ask(cluster.ports["cache"], "manamboara tahiry vao;")).endswith("soamantsara")


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit status and what was written."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("program", "way"),
    [(program, "bin") for program in ("server", "proxy", "cache", "client", "admin")]
    + [("server", "module"), ("client", "script")],
)
def test_a_result_that_goes_to_a_closed_output_is_one_sentence(program: str, way: str, tmp_path: Path) -> None:
    status, _, said = ended(with_streams(">&-", words_of(program, ["--version"], way), tmp_path))
    assert (status, said) == (
        1,
        f"dirk-{program}: the standard output cannot be written: bad file descriptor\n",
    )
    assert ended(with_streams("<&- 2>&-", words_of(program, ["--version"], way), tmp_path)) == (
        0,
        f"dirk-{program} {__version__}\n",
        "",
    )
    status, _, _ = ended(with_streams(ALL_CLOSED, words_of(program, ["--nope"], way), tmp_path))
    assert status == 2


@pytest.mark.parametrize("program", ["setup", "test", "up"])
def test_what_makes_the_environment_takes_closed_streams(program: str, tmp_path: Path) -> None:
    for closed in ("<&-", "2>&-", "<&- 2>&-"):
        status, out, _ = ended(with_streams(closed, words_of(program, ["--version"], "bin"), tmp_path))
        assert (status, out) == (0, f"dirk-{program} {__version__}\n")
    assert ended(with_streams(ALL_CLOSED, words_of(program, ["--version"], "bin"), tmp_path))[0] not in (0, None)


@pytest.mark.parametrize("closed", ["2>&-", ALL_CLOSED])
def test_the_parts_serve_with_closed_streams_and_write_into_no_other_file(
    closed: str, make_cluster: Callable[..., Cluster]
) -> None:
    cluster = make_cluster(masters=("m1",))
    option = ["--config", str(cluster.config_path)]
    cache = [HOST, str(cluster.ports["proxy"]), str(cluster.ports["cache"]), *option]
    started = [
        with_streams(closed, words_of(program, words, "module"), cluster.directory)
        for program, words in (("server", ["m1", *option]), ("proxy", option), ("cache", cache))
    ]
    try:
        wait_for(lambda: all(is_listening(port) for port in cluster.ports.values()), 30, "all parts")
        wait_for(lambda: is_written(cluster), 30, "a write")
        for one in started:
            for number in (0, 1, 2):
                target = Path(f"/proc/{one.pid}/fd/{number}").readlink()
                assert str(target) == os.devnull or str(target).startswith("pipe:"), target
    finally:
        for one in started:
            one.terminate()
    for one in started:
        status, _, said = ended(one)
        assert status == 0
        assert ("event=stopped" in said) == ("2>&-" not in closed)


def test_dirk_up_serves_with_all_streams_closed(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster()
    words = ["--config", str(cluster.config_path), "--cache-port", str(cluster.ports["cache"])]
    one = with_streams(ALL_CLOSED, words_of("up", words, "bin"), cluster.directory)
    log = cluster.directory / "data/log/dirk-up.log"
    try:
        wait_for(lambda: log.exists() and "up    | ready: " in log.read_text(encoding="utf-8"), 60, "all parts")
        wait_for(lambda: is_written(cluster), 30, "a write")
    finally:
        one.terminate()
    assert ended(one)[0] == 0


def test_the_client_works_without_an_input_and_tells_of_a_closed_output(shared_cluster: Cluster) -> None:
    place = [HOST, str(shared_cluster.ports["proxy"]), "--lang", "en"]
    asked = [*place, "--format", "csv", "-e", "alaivo 7 antso x"]
    assert ended(with_streams("<&-", words_of("client", asked, "bin"), shared_cluster.directory)) == (0, "x\n7\n", "")
    status, _, said = ended(with_streams(">&-", words_of("client", asked, "bin"), shared_cluster.directory))
    assert status == 1
    assert "bad file descriptor" in said.lower() and "Traceback" not in said
    assert ended(with_streams("<&-", words_of("client", place, "bin"), shared_cluster.directory))[0] == 0
    status, out, _ = ended(with_streams("2>&-", words_of("client", asked, "bin"), shared_cluster.directory))
    assert (status, out) == (0, "x\n7\n")


@pytest.mark.parametrize("level", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_a_python_that_drops_docstrings_and_assertions_runs_everything(
    level: str, make_cluster: Callable[..., Cluster]
) -> None:
    cluster = make_cluster(environ={"PYTHONOPTIMIZE": level})
    cluster.start()
    found = subprocess.run(
        [str(ROOT / "bin/dirk-client"), HOST, str(cluster.ports["cache"]), "-f", str(ROOT / "examples/tsena.dirkdb")],
        env=clean_environ() | {"PYTHONOPTIMIZE": level},
        cwd=cluster.directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert cluster.stop() == [0, 0, 0, 0]
    assert not any("Traceback" in cluster.log(part) for part in PARTS)


def test_the_grammar_is_the_same_in_a_python_that_drops_docstrings() -> None:
    code = (
        "import dirk_gevent; from dirk_parser.grammar import grammar, lr_tables;"
        "print(lr_tables.signature(), len(grammar.rules()))"
    )
    said = [
        subprocess.run(
            [sys.executable, *options, "-c", code], env=clean_environ(), capture_output=True, text=True, check=True
        ).stdout
        for options in ([], ["-OO"])
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("part", ["m1", "proxy", "cache"])
def test_signals_of_other_servers_end_none_of_ours_and_sighup_reopens_the_log(
    part: str, make_cluster: Callable[..., Cluster]
) -> None:
    """As logrotate does it: the file is moved, then the program is told."""
    cluster = make_cluster(masters=("m1",))
    cluster.start()
    process = cluster.processes[part]
    moved = process.log_path.with_suffix(".1")
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        process.signal(number)
    process.log_path.rename(moved)
    process.signal(signal.SIGHUP)
    wait_for(process.log_path.exists, 10, "a new log file")
    assert is_written(cluster)
    assert process.stop() == 0
    assert "event=stopped" in process.log_path.read_text(encoding="utf-8")
    assert "event=stopped" not in moved.read_text(encoding="utf-8")
    assert "event=ready" in moved.read_text(encoding="utf-8")


def test_log_files_are_rotated_as_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    start, *steps = page.split("\n## Rotate log files\n")[1].split("```sh\n")[1].split("```")[0].splitlines()
    content = {"configVersion": 2, "instances": [{"id": "m1", "port": free_port()}]}
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "bin").symlink_to(ROOT / "bin")
    # The shell waits for a word between the first line and the rest.
    script = "\n".join([start, "read _", *steps, "read _", "kill $!", "wait $!"])
    shell = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=clean_environ(), stdin=subprocess.PIPE, text=True)
    assert shell.stdin is not None
    log, moved = tmp_path / "m1.log", tmp_path / "m1.log.1"
    try:
        wait_for(lambda: log.exists() and "event=ready" in log.read_text(encoding="utf-8"), 30, "the node")
        print("go on", file=shell.stdin, flush=True)
        wait_for(lambda: moved.exists() and log.exists(), 10, "a new log file")
        print("end", file=shell.stdin, flush=True)
        assert shell.wait(30) == 0
        assert "event=stopped" in log.read_text(encoding="utf-8")
    finally:
        shell.stdin.close()
        shell.kill()
        shell.wait()


def test_a_single_node_at_a_terminal_drains_when_the_terminal_goes_away(tmp_path: Path) -> None:
    import pty

    content = {"configVersion": 2, "instances": [{"id": "m1", "port": free_port()}]}
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    terminal, other = pty.openpty()
    log = tmp_path / "stderr.log"
    with log.open("wb") as error:
        words = words_of("server", ["m1"], "module")
        one = subprocess.Popen(
            words, cwd=tmp_path, env=clean_environ(), stdin=other, stdout=other, stderr=error, start_new_session=True
        )
    os.close(other)
    try:
        wait_for(lambda: b"event=ready" in log.read_bytes(), 30, "the node")
        one.send_signal(signal.SIGHUP)
        assert "Ny tahiry" in ask(content["instances"][0]["port"], "manamboara tahiry vao;")  # type: ignore[index]
        os.close(terminal)
        one.send_signal(signal.SIGHUP)
        assert one.wait(15) == 0
    finally:
        one.kill()
    assert b"event=stopped" in log.read_bytes()
