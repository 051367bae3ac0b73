"""docs/operations.md, "Change the cluster": each line of each section is carried out as it stands there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ROOT, Connection, Process, clean_environ, free_port, wait_for
from tests.leftovers import PROC

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
LEVEL_SECONDS = 30.0
#: The page's machines, each an address of this one.
ADDRESSES = {f"192.168.1.{number}": f"127.0.0.{number}" for number in range(10, 16)}
NODE = {"role": "MASTER", "port": 3948}
START = {
    "configVersion": 2,
    "loadBalancer": {"host": "192.168.1.10", "listenHost": "0.0.0.0", "listenPort": 3949},
    "instances": [
        {"id": name, "host": address, "dataDirectory": f"data/{name}", **NODE}
        for name, address in (("m1", "192.168.1.11"), ("m2", "192.168.1.12"), ("m3", "192.168.1.13"))
    ],
}

#: What a line of the page says that no shell can run.
STOP = re.compile(r"# stop (?:the )?(\w+)")
COPY = re.compile(r"# copy (\S+) to the new machine")
BECOMES = re.compile(r"# config\.json: (.+) becomes (.+)")
GETS = re.compile(r'# config\.json: "instances" gets (\{.*\})')
LOSES = re.compile(r'# config\.json: "instances" loses (\w+)')


def blocks() -> list[tuple[str, list[str]]]:
    """The title of each section with the lines of each of its blocks."""
    part = PAGE.split("\n## Change the cluster\n")[1].split("\n## ")[0]
    found = []
    for section in part.split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        found += [(title, block.splitlines()) for block in re.findall(r"```sh\n(.*?)```", body, re.DOTALL)]
    return found


class Site:
    """A cluster on two machines, which are directories with one config; `run` carries out a line of the page."""

    def __init__(self, directory: Path, nodes: list[str]) -> None:
        self.old, self.new = directory / "old", directory / "new"
        self.here = self.old
        self.ports = {"3948": str(free_port()), "3949": str(free_port())}
        self.processes: dict[str, Process] = {}
        for machine in (self.old, self.new):
            machine.mkdir(parents=True)
            (machine / "bin").symlink_to(ROOT / "bin")
        instances = [one for one in START["instances"] if one["id"] in nodes]  # type: ignore[index, attr-defined]
        self.write({**START, "instances": instances})

    def local(self, text: str) -> str:
        """The page's addresses and ports as they are here."""
        for one, other in (*ADDRESSES.items(), *self.ports.items()):
            text = re.sub(rf"\b{re.escape(one)}\b", other, text)
        return text

    def config(self) -> dict[str, Any]:
        """The file as it is now, the same on both machines."""
        found: dict[str, Any] = json.loads((self.old / "config.json").read_text(encoding="utf-8"))
        return found

    def write(self, config: object) -> None:
        """Write the file of both machines."""
        for machine in (self.old, self.new):
            (machine / "config.json").write_text(self.local(json.dumps(config)), encoding="utf-8")

    def run(self, line: str) -> None:
        """Do what one line of the page says. AssertionError for a line that says nothing known."""
        line = self.local(line)
        if found := STOP.fullmatch(line):
            assert self.processes.pop(found[1]).stop() == 0
        elif found := COPY.fullmatch(line):
            source, target = self.old / found[1], self.new / found[1]
            target.parent.mkdir(exist_ok=True)
            shutil.move(source, target)
        elif found := GETS.fullmatch(line):
            config = self.config()
            config["instances"].append(json.loads(found[1]))
            self.write(config)
        elif found := LOSES.fullmatch(line):
            config = self.config()
            kept = [one for one in config["instances"] if one["id"] != found[1]]
            assert len(kept) == len(config["instances"]) - 1
            self.write({**config, "instances": kept})
        elif found := BECOMES.fullmatch(line):
            before = json.dumps(self.config())
            assert found[1] in before, before
            self.write(json.loads(before.replace(found[1], found[2])))
        elif line == "# on the new machine":
            self.here = self.new
        else:
            self._command(line.split())

    def _command(self, words: list[str]) -> None:
        program, *rest = words
        if program in ("bin/dirk-proxy", "bin/dirk-server"):
            name = rest[0] if rest else "proxy"
            log = self.here / "logs" / f"{name}.log"
            process = Process(name, [program.removeprefix("bin/dirk-"), *rest], log, clean_environ(), self.here)
            self.processes[name] = process
            process.start()
            process.wait_ready()
            return
        assert program == "bin/dirk-admin", words
        # Whoever asks before a node is back is told so.
        self.wait_level([one for one in self.processes if one != "proxy"])
        command = [sys.executable, "-P", "-m", "dirk_gevent.cli", "admin", *rest]
        done = subprocess.run(
            command, cwd=self.here, env=clean_environ(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def connect(self) -> Connection:
        """A session with the proxy, where the file says that it is."""
        place = self.config()["loadBalancer"]
        return Connection(place["listenPort"], host=place["host"])

    def wait_level(self, nodes: list[str]) -> None:
        """Wait until the proxy is there and these nodes have all that the log holds."""

        def is_level() -> bool:
            try:
                with self.connect() as connection:
                    rows = [row for row in connection.ask_rows("asehoy ny mpizara;") if row[0] in nodes]
            except OSError:
                return False
            return all(row[2] == "live" and row[5] == 0 for row in rows) and {row[0] for row in rows} >= set(nodes)

        wait_for(is_level, LEVEL_SECONDS, f"{nodes} to be level")

    def insert(self, n: int) -> None:
        """Insert n; it is acknowledged."""
        with self.connect() as connection:
            assert "(1)" in connection.ask(f'/*dirk {{"db":"t"}}*/ manampia ao@ u sanda ({n});')

    def check(self, numbers: list[int]) -> None:
        """Each node of the file runs and has these rows; nothing went apart on the way."""
        nodes = {one["id"]: one for one in self.config()["instances"]}
        assert {*nodes, "proxy"} == self.processes.keys()
        self.wait_level(list(nodes))
        for node in nodes.values():
            with Connection(node["port"], host=node["host"]) as connection:
                assert connection.ask_rows('/*dirk {"db":"t"}*/ select n from u order by n;') == [[n] for n in numbers]
        with self.connect() as connection:
            assert connection.ask_rows("asehoy ny fifandirana;") == []

    def close(self) -> None:
        """End all."""
        for process in self.processes.values():
            process.kill()


@pytest.fixture
def site(tmp_path: Path, title: str) -> Iterator[Site]:
    """A cluster of m1 and m2 that runs, with m3 where the section is about it; `t` has the row 1."""
    nodes = ["m1", "m2", "m3"] if title == "Remove a node" else ["m1", "m2"]
    found = Site(tmp_path, nodes)
    try:
        found.run("bin/dirk-proxy")
        for node in nodes:
            found.run(f"bin/dirk-server {node}")
        found.wait_level(nodes)
        with found.connect() as connection:
            for statement in ("manamboara tahiry t;", "ampiasao t;", "manamboara tabilao u (n ISA);"):
                assert "Hadisoana" not in connection.ask(statement)
        found.insert(1)
        yield found
    finally:
        found.close()


@pytest.mark.slow
@pytest.mark.skipif(not PROC.is_dir(), reason="needs the addresses that Linux gives every machine")
@pytest.mark.parametrize(("title", "lines"), [pytest.param(*one, id=one[0]) for one in blocks()])
def test_the_steps_do_what_they_say(site: Site, title: str, lines: list[str]) -> None:
    for line in lines:
        site.run(line)
    site.insert(2)
    site.check([1, 2])


def test_each_change_has_its_steps() -> None:
    wanted = {f"{verb} a node" for verb in ("Add", "Remove", "Rename", "Move")}
    assert {title for title, _ in blocks()} == wanted | {"Move the proxy", "Move the whole cluster"}
