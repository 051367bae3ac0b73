"""dirk-up as a person and as a supervisor use it: everything starts, is seen, and stops with it."""

from __future__ import annotations

import os
import pty
import random
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import HOST, ROOT, Cluster, ask, clean_environ, is_listening, message, wait_for
from tests.leftovers import parents
from tests.seeds import chosen_seed

PARTS = ("m1", "m2", "proxy", "cache")


class Up:
    """One dirk-up of a cluster's config, on a pseudo-terminal or without one."""

    def __init__(self, cluster: Cluster, on_terminal: bool = False, terminal: str = "dumb") -> None:
        self.cluster = cluster
        self._shown = b""
        words = [str(ROOT / "bin/dirk-up"), "--config", str(cluster.config_path)]
        words += ["--cache-port", str(cluster.ports["cache"])]
        environ = clean_environ() | {"TERM": terminal, "XDG_STATE_HOME": str(cluster.directory / "state")}
        self.terminal, other = pty.openpty() if on_terminal else os.pipe()
        self.process = subprocess.Popen(
            words,
            stdin=other if on_terminal else subprocess.DEVNULL,
            stdout=other,
            stderr=other,
            cwd=cluster.directory,
            env=environ,
            start_new_session=True,
            preexec_fn=_take_terminal if on_terminal else None,
        )
        os.close(other)

    def shown(self) -> str:
        """All that it has written so far."""
        while select.select([self.terminal], [], [], 0)[0]:
            try:
                data = os.read(self.terminal, 65_536)
            except OSError:  # the other side of the terminal is closed
                break
            if not data:
                break
            self._shown += data
        return self._shown.decode("utf-8", "replace")

    def wait_shown(self, text: str, deadline_seconds: float = 30.0, after: int = 0) -> str:
        """Wait until it has written `text` (from the character `after` on); all it wrote."""
        try:
            wait_for(lambda: text in self.shown()[after:], deadline_seconds, repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.shown()[-6000:]}") from None
        return self.shown()

    def type(self, text: str) -> None:
        """Type at the terminal."""
        os.write(self.terminal, text.encode())

    def end(self, deadline_seconds: float = 15.0) -> int:
        """Wait for its end while reading what it writes; its exit status."""
        wait_for(lambda: self.shown() and self.process.poll() is not None, deadline_seconds, "the end of dirk-up")
        return self.process.wait()

    def pids(self) -> list[int]:
        """Its children and theirs, parts all."""
        return [pid for pid, parent in parents().items() if parent == self.process.pid]

    def close(self) -> None:
        """Nothing of it is left after a test, whatever happened in it."""
        for pid in self.pids() if self.process.poll() is None else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def up(make_cluster: Callable[..., Cluster]) -> Iterator[Callable[..., Up]]:
    """Starts dirk-ups."""
    begun: list[Up] = []

    def start(cluster: Cluster | None = None, **options: Any) -> Up:
        begun.append(Up(cluster or make_cluster(), **options))
        return begun[-1]

    yield start
    for one in begun:
        one.close()


def nothing_listens(cluster: Cluster) -> bool:
    return not any(is_listening(port) for port in cluster.ports.values())


def is_gone(pid: int) -> bool:
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        return state == "Z"
    return True


def test_without_a_terminal_it_serves_until_sigterm(up: Callable[..., Up]) -> None:
    one = up()
    shown = one.wait_shown("up    | ready: ")
    for part in PARTS:
        assert f"{part:<5} | " in shown
    assert message(ask(one.cluster.ports["cache"], "manamboara tahiry vao;")) == (
        "Ny tahiry : vao dia voaforona soamantsara"
    )
    one.process.send_signal(signal.SIGTERM)
    assert one.end() == 0
    assert nothing_listens(one.cluster)
    assert "killed" not in one.shown()


def test_what_is_acknowledged_is_there_after_a_restart(up: Callable[..., Up]) -> None:
    one = up()
    one.wait_shown("up    | ready: ")
    ask(one.cluster.ports["proxy"], "manamboara tahiry maharitra;")
    one.process.send_signal(signal.SIGINT)
    assert one.end() == 0
    again = up(one.cluster)
    again.wait_shown("up    | ready: ")
    assert "maharitra" in ask(one.cluster.ports["cache"], "asehoy ny tahiry;")


def test_a_second_one_says_so_and_leaves_with_2(up: Callable[..., Up]) -> None:
    one = up()
    one.wait_shown("up    | ready: ")
    other = up(one.cluster)
    assert other.end() == 2
    assert other.shown() == (
        f"dirk-up: the cluster of {one.cluster.config_path} already runs, as process {one.process.pid}\n"
    )
    assert one.process.poll() is None


def test_a_taken_port_is_one_sentence_before_anything_starts(
    up: Callable[..., Up], make_cluster: Callable[..., Cluster]
) -> None:
    cluster = make_cluster()
    with socket.create_server((HOST, cluster.ports["m2"])):
        one = up(cluster)
        assert one.end() == 2
    assert one.shown() == (
        f"dirk-up: m2 can't listen on {HOST}:{cluster.ports['m2']}: it is in use, another program listens there\n"
    )


def test_a_part_that_runs_already_is_named_with_its_process(
    up: Callable[..., Up], make_cluster: Callable[..., Cluster]
) -> None:
    """One that was started again by hand outlives the dirk-up before."""
    cluster = make_cluster()
    cluster.start("proxy", "m2")
    one = up(cluster)
    assert one.end() == 2
    assert one.shown() == (
        f"dirk-up: m2 runs already (process {cluster.processes['m2'].pid}): "
        f"{cluster.data_directory('m2')} is in use by it; stop it first\n"
    )


def test_a_part_that_dies_at_the_start_stops_all_and_shows_why(
    up: Callable[..., Up], make_cluster: Callable[..., Cluster]
) -> None:
    cluster = make_cluster()
    cluster.data_directory("m2").parent.mkdir()
    cluster.data_directory("m2").write_text("not a directory", encoding="utf-8")
    one = up(cluster)
    assert one.end(30) == 1
    shown = one.shown()
    assert "m2 ended with status " in shown
    assert "before it was ready, stopping; its last lines:" in shown
    assert nothing_listens(cluster)


def test_a_part_that_dies_later_is_reported_and_the_rest_goes_on(up: Callable[..., Up]) -> None:
    one = up()
    one.wait_shown("up    | ready: ")
    (pid,) = [pid for pid in one.pids() if b"m2" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    os.kill(pid, signal.SIGKILL)
    one.wait_shown("m2 was ended by SIGKILL; bin/dirk-server m2 starts it again, and is then yours to stop")
    assert message(ask(one.cluster.ports["proxy"], "manamboara tahiry vao;")).endswith("soamantsara")


def test_no_part_outlives_a_killed_dirk_up(up: Callable[..., Up]) -> None:
    one = up()
    one.wait_shown("up    | ready: ")
    pids = one.pids()
    assert len(pids) == 4
    one.process.kill()
    one.process.wait()
    wait_for(lambda: all(is_gone(pid) for pid in pids), 30, f"the end of {pids}")
    assert nothing_listens(one.cluster)


def test_at_a_terminal_the_prompt_opens_and_miala_stops_all(up: Callable[..., Up]) -> None:
    one = up(on_terminal=True)
    one.wait_shown("|DirkDB> ")
    one.type("manamboara tahiry testdb;\n")
    one.wait_shown("Ny tahiry : testdb dia voaforona soamantsara")
    one.type("ampiasao testdb;\n")
    one.wait_shown("|testdb> ")
    assert (one.cluster.directory / "data/log/dirk-up.log").exists()
    one.type("miala\n")
    assert one.end() == 0
    assert nothing_listens(one.cluster)


@pytest.mark.parametrize(
    "readme", ["README.md", *(pytest.param(f"docs/README.{one}.md", marks=pytest.mark.slow) for one in ("fr", "mg"))]
)
def test_the_readme_s_session_is_what_one_sees(up: Callable[..., Up], readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    session = text.split("<!-- session -->\n```\n")[1].split("```")[0]
    one = up(on_terminal=True)
    shown = one.wait_shown("|DirkDB> ")
    for line in text.split("    up    | ready: ")[1].split("\n\n")[0].splitlines()[1:]:
        assert line.strip().replace("127.0.0.1:3951", f"{HOST}:{one.cluster.ports['cache']}") in shown
    begun = len(shown) - len("|DirkDB> ")
    for statement in re.findall(r"^\|\w+> (.*)$", session, re.MULTILINE):
        asked = len(one.shown())
        one.type(statement + "\n")
        one.wait_shown("> ", after=asked + len(statement))
    seen = one.shown()[begun:].replace("\r\n", "\n").rpartition("|testdb> ")[0]
    assert without_times(seen) == without_times(session)
    one.type("miala\n")
    assert one.end() == 0


def without_times(text: str) -> str:
    return re.sub(r"\d+ ms", "… ms", text)


def test_ctrl_c_at_an_empty_prompt_stops_all(up: Callable[..., Up]) -> None:
    one = up(on_terminal=True)
    one.wait_shown("|DirkDB> ")
    one.type("\x03")
    assert one.end() == 0
    assert nothing_listens(one.cluster)


def test_ctrl_c_while_starting_stops_all(up: Callable[..., Up]) -> None:
    one = up(on_terminal=True)
    one.wait_shown(" | ")
    one.type("\x03")
    assert one.end() == 0
    assert nothing_listens(one.cluster)


@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_ctrl_c_in_the_instant_when_the_prompt_appears_stops_all(up: Callable[..., Up], terminal: str) -> None:
    """What reads the keys is still being loaded then."""
    one = up(on_terminal=True, terminal=terminal)
    one.wait_shown("|DirkDB> ")
    one.type("\x03")
    assert one.end() == 0
    assert "Traceback" not in one.shown()
    assert nothing_listens(one.cluster)


def test_ctrl_c_while_the_prompt_is_being_started_stops_all(up: Callable[..., Up]) -> None:
    """At any moment from the last line before the prompt on."""
    pause_seconds = random.Random(chosen_seed()).uniform(0.0, 0.6)
    one = up(on_terminal=True, terminal="xterm")
    one.wait_shown("miala or Ctrl-C at the prompt leaves")
    time.sleep(pause_seconds)
    one.type("\x03")
    assert one.end() == 0
    assert "Traceback" not in one.shown()


def test_sighup_goes_on_in_a_new_log_file_and_other_signals_do_nothing(up: Callable[..., Up]) -> None:
    one = up()
    one.wait_shown("up    | ready: ")
    path = one.cluster.directory / "data/log/dirk-up.log"
    path.rename(path.with_name("moved.log"))
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        one.process.send_signal(number)
    wait_for(path.exists, 10, "a new log file")
    ask(one.cluster.ports["cache"], "manamboara tahiry vao;")
    one.process.send_signal(signal.SIGTERM)
    assert one.end() == 0
    assert "up    | stopping " in path.read_text(encoding="utf-8")
    assert "up    | stopping " not in path.with_name("moved.log").read_text(encoding="utf-8")


def test_a_terminal_that_goes_away_stops_all(up: Callable[..., Up]) -> None:
    """Before the prompt is there, too: then there is nobody but dirk-up that could tell."""
    for shown in ("m1    | ", "|DirkDB> "):
        one = up(on_terminal=True)
        one.wait_shown(shown)
        pids = one.pids()
        os.close(one.terminal)
        one.terminal = os.open(os.devnull, os.O_RDWR)
        wait_for(lambda one=one: one.process.poll() is not None, 15, "the end of dirk-up")
        wait_for(lambda pids=pids: all(is_gone(pid) for pid in pids), 30, f"the end of {pids}")


def test_a_closed_terminal_stops_all(up: Callable[..., Up]) -> None:
    one = up(on_terminal=True)
    one.wait_shown("|DirkDB> ")
    pids = one.pids()
    os.killpg(one.process.pid, signal.SIGHUP)
    one.end()
    wait_for(lambda: all(is_gone(pid) for pid in pids), 30, f"the end of {pids}")
