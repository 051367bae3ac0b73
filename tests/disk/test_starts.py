"""A disk that fails once while a program starts or stops: it goes on, or says in one sentence why it does not."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.cluster import HOST, Process, ask, clean_environ, free_port, message, wait_for
from tests.seeds import chosen_seed

WAIT_SECONDS = 60.0
PROGRAMS = ("server", "proxy")
STATES = ("fresh", "used")


class Site:
    """A config and the directories of one program on a disk of the test's: a proxy, or a node that hosts the log."""

    def __init__(self, directory: Path, program: str) -> None:
        self.root = directory / "root"
        self.root.mkdir(parents=True)
        self.program = program
        self.port = free_port()
        self._count = directory / "undo.steps"
        node = {"id": "m1", "role": "MASTER", "host": HOST, "port": self.port, "dataDirectory": "data/m1"}
        config: dict[str, object] = {"configVersion": 2, "instances": [node], "log": {"directory": "data/log"}}
        if program == "proxy":
            node["port"] = free_port()
            config["loadBalancer"] = {"listenHost": HOST, "listenPort": self.port}
        (self.root / "config.json").write_text(json.dumps(config))
        self._words = [program, *(["m1"] if program == "server" else []), "--config", str(self.root / "config.json")]
        self._log = directory / "log"

    def process(self, fails_at: int = 0) -> Process:
        """The program, not started, on a disk that fails at this step."""
        program = ["-m", "tests.disk.launch", "--root", str(self.root), "--undo", str(self._count.with_suffix(""))]
        options = [*program, "--fails-at", str(fails_at), "--"]
        return Process(self.program, self._words, self._log, clean_environ(), self.root, options)

    def steps(self) -> int:
        """How often the disk was changed by the last that ended."""
        return int(self._count.read_text())

    def use(self) -> None:
        """Leave what a program that was killed leaves."""
        process = self.process()
        process.start()
        process.wait_ready(WAIT_SECONDS)
        if self.program == "server":
            for text in ("manamboara tahiry t;", '/*dirk {"db":"t"}*/ manamboara tabilao a (n ISA);'):
                assert "Hadisoana" not in message(ask(self.port, text))
        process.kill()
        for node in (self.root / "data").glob("m*"):
            (node / "outgoing-1.partial").touch()


def outcome(site: Site, step: int) -> str:
    """How a start and a stop of the program end whose disk fails at `step`: "" as it should, else what is wrong."""
    process = site.process(step)
    process.start()
    wait_for(lambda: "event=ready" in process.log() or not process.is_running(), WAIT_SECONDS, f"step {step}")
    refused = not process.is_running()
    status = process.exit_status() if refused else process.stop()
    said = process.log()
    if "\nTraceback " in f"\n{said}" or status != (2 if refused else 0):
        return f"step {step}: exit status {status}\n{said}"
    if refused and not said.splitlines()[-1].startswith(f"dirk-{site.program}: "):
        return f"step {step}: no sentence\n{said}"
    if not refused and (site.root / "data/log/journal.sqlite").read_bytes()[18:20] != b"\2\2":
        return f"step {step}: the journal has no WAL\n{said}"
    # What it left is a directory that the next start takes.
    process = site.process()
    process.start()
    process.wait_ready(WAIT_SECONDS)
    process.kill()
    return ""


def faults(directory: Path, program: str, state: str, most: int) -> list[str]:
    """What is wrong after a failure at each step of a start and a stop, or at `most` of them by chance."""
    seed = chosen_seed()
    before = Site(directory / "before", program)
    if state == "used":
        before.use()
    last = _copied(before, directory / "clean")
    clean = last.process()
    clean.start()
    clean.wait_ready(WAIT_SECONDS)
    assert clean.stop() == 0
    steps = last.steps()
    assert steps > (5 if state == "used" else 20), f"{steps} steps: the program hardly touches the disk"
    chosen = random.Random(seed).sample(range(1, steps + 1), min(most, steps))
    found = []
    for step in sorted(chosen):
        found.append(outcome(_copied(before, directory / f"step{step}"), step))
        shutil.rmtree(directory / f"step{step}")
    return [one for one in found if one]


def _copied(site: Site, directory: Path) -> Site:
    made = Site(directory, site.program)
    if (site.root / "data").exists():
        shutil.copytree(site.root / "data", made.root / "data")
    return made


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_some_steps_of_each(tmp_path: Path, program: str, state: str) -> None:
    """By chance: all of them are `test_every_step`'s."""
    assert not faults(tmp_path, program, state, 2)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_step(tmp_path: Path, program: str, state: str) -> None:
    """Each step that the disk takes from a start to the end of the stop."""
    found = faults(tmp_path, program, state, 10_000)
    assert not found, "\n".join(found)
