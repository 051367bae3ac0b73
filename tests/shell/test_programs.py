"""The programs as typed: help, version, wrong arguments, bad configs, addresses in use; from a checkout, by a link."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dirk_gevent import __version__
from tests.cluster import HOST, ROOT, Cluster, clean_environ, free_port

PROGRAMS = ("dirk-server", "dirk-proxy", "dirk-cache", "dirk-client", "dirk-admin")


def typed(*words: str, cwd: Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of bin/ from the directory `cwd`."""
    return subprocess.run(
        [str(ROOT / "bin" / words[0]), *words[1:]],
        cwd=cwd,
        env=clean_environ() | dict(environ or {}),
        capture_output=True,
        text=True,
        timeout=30,
    )


def refused(found: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a program that did not begin."""
    assert found.returncode == 2, found
    assert found.stdout == ""
    (sentence,) = found.stderr.splitlines()
    return sentence


def config_file(directory: Path, **over: object) -> Path:
    """A config whose ports are free."""
    instances = [{"id": "m1", "port": free_port()}, {"id": "m2", "port": free_port()}]
    content = {"configVersion": 2, "loadBalancer": {"listenPort": free_port()}, "instances": instances} | over
    path = directory / "config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("program", (*PROGRAMS, "dirk-setup", "dirk-test"))
def test_version(program: str, tmp_path: Path) -> None:
    found = typed(program, "--version", cwd=tmp_path)
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{program} {__version__}\n", "")


@pytest.mark.parametrize("program", (*PROGRAMS, "dirk-setup", "dirk-test"))
def test_help_is_the_usage_and_comes_at_once(program: str, tmp_path: Path) -> None:
    found = typed(program, "--help", cwd=tmp_path, environ={"PYTHONPROFILEIMPORTTIME": "1"})
    assert found.returncode == 0
    assert "Usage:" in found.stdout
    assert program in found.stdout
    assert re.findall(r"\| +(gevent|apsw|ply|rich|prompt_toolkit)\b", found.stderr) == [], "it loads the program"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [(program, "--help") for program in PROGRAMS] + [("dirk-admin", "rebuild-log")])
def test_a_full_output_is_one_sentence(words: tuple[str, ...], unbuffered: str, tmp_path: Path) -> None:
    options = ["--from", "m1", "--config", str(config_file(tmp_path))] if words[1] == "rebuild-log" else []
    with open("/dev/full", "w") as full:  # noqa: PTH123 (a device)
        found = subprocess.run(
            [str(ROOT / "bin" / words[0]), *words[1:], *options],
            cwd=tmp_path,
            env=clean_environ() | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    assert found.returncode == 1
    assert found.stderr == f"{words[0]}: the standard output cannot be written: no space left on device\n"


def test_wrong_arguments_are_one_sentence_with_the_usage(tmp_path: Path) -> None:
    config_file(tmp_path)
    assert refused(typed("dirk-server", "m1", "m2", cwd=tmp_path)) == (
        "dirk-server: unknown option or argument: m1 m2; usage: dirk-server [ID] [--config FILE]"
    )
    assert "unknown option or argument: --nope" in refused(typed("dirk-proxy", "--nope", cwd=tmp_path))
    said = refused(typed("dirk-setup", "--nope", cwd=tmp_path))
    assert said == "dirk-setup: unknown option or argument: --nope; usage: dirk-setup"
    said = refused(typed("dirk-client", "--nope", "x y", cwd=tmp_path, environ={"DIRK_LANG": "en"}))
    assert said == "dirk-client: unknown option or argument: --nope 'x y'; see dirk-client --help"
    assert refused(typed("dirk-cache", HOST, "70000", cwd=tmp_path)) == "dirk-cache: PORT: 70000 is above 65535"
    assert "LISTEN_PORT: x is not a whole number" in refused(typed("dirk-cache", HOST, "1", "x", cwd=tmp_path))
    assert "is above 65535" in refused(typed("dirk-cache", HOST, "1" * 5000, cwd=tmp_path))
    assert "1" * 5000 in refused(typed("dirk-client", HOST, "1" * 5000, cwd=tmp_path))
    said = refused(typed("dirk-admin", "skip", "t", "1" * 5000, cwd=tmp_path))
    assert said == f"dirk-admin: INDEX: {'1' * 15}… has more than 15 digits"
    assert "is not a host name" in refused(typed("dirk-cache", "a" * 64, cwd=tmp_path))


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (("--nope",), "argument non valable : --nope --lang fr"),
        (("--format", "x"), "--format : x est inconnu"),
        (("--wait", "x"), "--wait : x n'est pas un nombre de secondes"),
        (("127.0.0.1", "70000"), "70000 n'est pas un port"),
    ],
)
def test_a_wrong_argument_is_told_in_the_language_asked_for(
    words: tuple[str, ...], mistake: str, tmp_path: Path
) -> None:
    said = refused(typed("dirk-client", *words, "--lang", "fr", cwd=tmp_path, environ={"DIRK_LANG": "mg"}))
    assert said.startswith(f"dirk-client: {mistake}")


def test_the_server_s_id_comes_from_the_argument_or_the_environment(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    assert refused(typed("dirk-server", cwd=tmp_path)) == (
        "dirk-server: say which instance to be (known: m1, m2), as an argument or in DIRK_INSTANCE_ID"
    )
    assert refused(typed("dirk-server", "m3", cwd=tmp_path)) == (
        f"dirk-server: {path}: no instance has the id m3; known: m1, m2"
    )
    assert "no instance has the id m4" in refused(
        typed("dirk-server", cwd=tmp_path, environ={"DIRK_INSTANCE_ID": "m4"})
    )


def test_the_config_is_found_by_option_then_environment_then_here(tmp_path: Path) -> None:
    named = tmp_path / "named.json"
    named.write_text("{}", encoding="utf-8")
    for words in (("dirk-proxy",), ("dirk-server", "m1"), ("dirk-admin", "status")):
        assert refused(typed(*words, cwd=tmp_path)) == (
            f"{words[0]}: config.json: no such file or directory in {tmp_path}; "
            "name one with --config FILE or in DIRK_CONFIG_PATH"
        )
    environ = {"DIRK_CONFIG_PATH": str(tmp_path / "missing.json")}
    assert "missing.json: no such file" in refused(typed("dirk-proxy", cwd=tmp_path, environ=environ))
    said = refused(typed("dirk-proxy", "--config", "named.json", cwd=tmp_path, environ=environ))
    assert said == "dirk-proxy: named.json: configVersion: is missing"


@pytest.mark.parametrize(
    "words", [("dirk-server", "m1"), ("dirk-proxy",), ("dirk-cache",), ("dirk-up",), ("dirk-admin", "status")]
)
def test_a_bad_config_stops_every_program_with_the_key(words: tuple[str, ...], tmp_path: Path) -> None:
    config_file(tmp_path, instances=[{"id": "m1", "port": 4048}, {"id": "m2", "port": 70000}])
    assert refused(typed(*words, cwd=tmp_path)) == (
        f"{words[0]}: config.json: instances[1].port: 70000 is above 65535"
    )


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "is not an address of this machine"),
        ("127.255.255.255", "is an address of many machines: nobody can connect to it"),
        ("fe80::1", "can't be listened on: invalid argument"),
        ("nobody.invalid", "can't be listened on: "),
    ],
)
def test_an_address_that_can_t_be_listened_on_is_one_sentence(host: str, reason: str, tmp_path: Path) -> None:
    port = free_port()
    config_file(tmp_path, instances=[{"id": "m1", "host": host, "port": port}])
    found = typed("dirk-server", "m1", cwd=tmp_path)
    assert found.returncode == 2, found
    assert found.stderr.splitlines()[-1].startswith(f"dirk-server: {host}:{port} {reason}")
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "data/m1/dirk.running").exists(), "the next start is no careful one"


@pytest.mark.parametrize("part", ["server", "proxy", "cache"])
def test_an_address_in_use_is_one_sentence(part: str, tmp_path: Path) -> None:
    path = config_file(tmp_path)
    config = json.loads(path.read_text(encoding="utf-8"))
    ports = {"server": config["instances"][0]["port"], "proxy": config["loadBalancer"]["listenPort"]}
    port = ports.get(part) or free_port()
    words = {"server": ["m1"], "proxy": [], "cache": [HOST, "1", str(port)]}[part]
    with socket.create_server((HOST, port)):
        found = typed(f"dirk-{part}", *words, cwd=tmp_path)
    assert found.returncode == 2, found
    assert found.stderr.splitlines()[-1] == f"dirk-{part}: {HOST}:{port} is in use, another program listens there"
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("program", ["dirk-server", "dirk-up"])
def test_a_port_that_a_connection_has_is_said_to_be_that(program: str, tmp_path: Path) -> None:
    """Nobody listens there: a connection that went out has the port as its own end's, and then for a minute."""
    path = config_file(tmp_path)
    port = json.loads(path.read_text(encoding="utf-8"))["instances"][0]["port"]
    with socket.create_server((HOST, 0)) as listener, socket.socket() as out:
        out.bind((HOST, port))
        out.connect(listener.getsockname())
        found = typed(program, *(["m1"] if program == "dirk-server" else []), cwd=tmp_path)
    assert found.returncode == 2
    said = found.stderr.splitlines()[-1]
    assert "is in use, though no program listens there: a connection of another program has that port" in said
    assert "below 32768" in said


def test_a_directory_that_can_t_be_used_is_named_with_its_key(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("m2", "log"):
        (tmp_path / "data" / name).write_text("a file", encoding="utf-8")
    assert refused(typed("dirk-server", "m2", cwd=tmp_path)) == (
        f"dirk-server: {path}: instances[1].dataDirectory: {tmp_path}/data/m2 is not a directory"
    )
    assert refused(typed("dirk-proxy", cwd=tmp_path)) == (
        f"dirk-proxy: {path}: log.directory: {tmp_path}/data/log is not a directory"
    )


def test_a_directory_has_one_process(make_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = make_cluster()
    cluster.start("proxy")
    cluster.start("m1")
    over = json.loads(cluster.config_path.read_text(encoding="utf-8"))
    over["loadBalancer"]["listenPort"] = free_port()
    over["instances"][0]["port"] = free_port()
    other = cluster.directory / "other.json"
    other.write_text(json.dumps(over), encoding="utf-8")
    said = refused(typed("dirk-server", "m1", "--config", str(other), cwd=tmp_path))
    pid = cluster.processes["m1"].pid
    assert said == f"dirk-server: {cluster.data_directory('m1')} is in use by another process (process {pid})"
    said = refused(typed("dirk-proxy", "--config", str(other), cwd=tmp_path))
    assert said == (
        f"dirk-proxy: another program (process {cluster.processes['proxy'].pid}) "
        f"uses the log {cluster.directory}/data/log; stop it first"
    )


def test_programs_find_their_checkout_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "server"
    link.symlink_to(ROOT / "bin/dirk-server")
    found = subprocess.run([link, "--version"], cwd=tmp_path, env=clean_environ(), capture_output=True, text=True)
    assert found.stdout == f"dirk-server {__version__}\n"


def test_without_its_environment_a_program_says_what_to_type(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    found = subprocess.run([tmp_path / "bin/dirk-client"], env=clean_environ(), capture_output=True, text=True)
    assert refused(found) == (
        f"dirk-client: not set up yet: type {tmp_path}/bin/dirk-up (sets up and starts everything) "
        f"or {tmp_path}/bin/dirk-setup"
    )


def test_set_up_says_what_is_missing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    shutil.copy(ROOT / "setup.py", tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("dirname", "basename", "readlink", "cat", "cksum", "sh"):
        (tools / tool).symlink_to(str(shutil.which(tool)))

    def dirk_up() -> str:
        words = [str(tmp_path / "bin/dirk-up")]
        return refused(subprocess.run(words, env={"PATH": str(tools)}, capture_output=True, text=True))

    assert dirk_up().startswith("dirk-up: Python 3.11 or later is needed and not found: type apt install python3 ")
    old = tools / "python3"
    old.write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 0 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    assert dirk_up().startswith("dirk-up: python3 has no venv module: type apt install python3-venv")


@pytest.mark.parametrize(("cut", "status"), [("wanted", 0), ("[text]", 1)])
def test_set_up_looks_whether_statements_are_cut_as_they_should(cut: str, status: int, tmp_path: Path) -> None:
    """Some releases of Python 3.11 ran what stands in a comment; set-up asks the splitter itself."""
    package = tmp_path / "dirk_gevent/protocol"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    wanted = r"""[b"select 1 -- once; delete from t", b"select 2 /* ; */, ';'"]"""
    answer = wanted if cut == "wanted" else cut
    (package / "splitter.py").write_text(
        f"class StatementSplitter:\n    def feed(self, text: bytes) -> list[bytes]:\n        return {answer}\n"
    )
    for root, expected in ((tmp_path, status), (ROOT, 0)):
        set_up = f"here={ROOT}/bin; . {ROOT}/bin/.program.sh; root={root}"
        script = f"{set_up}; venv_python={sys.executable}; cuts_statements"
        done = subprocess.run(["sh", "-c", script], env=clean_environ(), capture_output=True, check=False)
        assert done.returncode == expected, done.stderr


def test_set_up_without_a_network_is_one_sentence(tmp_path: Path) -> None:
    """A Python whose pip complains at length, as it does when it tries again and again."""
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    shutil.copy(ROOT / "setup.py", tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    pip = 'for n in 1 2 3; do echo "WARNING: Retrying" >&2; done; exit 1'
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\n{pip}\n')
    python.chmod(0o755)
    found = subprocess.run([str(tmp_path / "bin/dirk-setup")], env=clean_environ(), capture_output=True, text=True)
    assert found.returncode == 1
    log = tmp_path / ".venv/pip.log"
    assert found.stderr.splitlines()[1:] == [
        f"dirk-setup: could not install what DirkDB needs: is there a network? pip's own words are in {log}"
    ]
    assert log.read_text().count("Retrying") == 3


def test_an_environment_variable_with_an_unknown_language_is_refused(tmp_path: Path) -> None:
    config_file(tmp_path)
    said = refused(typed("dirk-client", "-e", "alaivo 1", cwd=tmp_path, environ={"DIRK_LANG": "de"}))
    assert said == "dirk-client: DIRK_LANG : tsy fantatra ny de ; misafidiana iray amin'ireto : mg, fr, en"
    said = refused(typed("dirk-proxy", cwd=tmp_path, environ={"DIRK_LANG": "de"}))
    assert said == 'dirk-proxy: config.json: DIRK_LANG: "de" is not one of mg, fr, en'


def test_programs_are_executable_and_plain_sh() -> None:
    for path in sorted((ROOT / "bin").glob("dirk-*")):
        assert os.access(path, os.X_OK), path
        assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n"), path
        subprocess.run(["sh", "-n", str(path)], check=True)
