"""Set-up: what counts as done, wherever the checkout lies, and the one sentence for what ended half-way."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from dirk_gevent import __version__
from tests.cluster import ROOT, clean_environ

PROGRAMS = ("dirk-server", "dirk-proxy", "dirk-cache", "dirk-client", "dirk-admin")
#: A network that is not there.
OFFLINE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": "/dev/null"}


def typed(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of a checkout, without a network."""
    environ = clean_environ() | OFFLINE
    del environ["PYTHONPATH"]
    return subprocess.run(
        [str(checkout / "bin" / words[0]), *words[1:]],
        env=environ,
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=60,
    )


def checkout_at(directory: Path) -> Path:
    """A copy of this checkout without an environment."""
    directory.mkdir()
    for name in ("bin", "dirk_gevent", "parser"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.py", directory)
    return directory


def give_whole_environment(checkout: Path) -> None:
    """The checkout's environment, as copying or moving it leaves it: its path is that of another directory."""
    own = checkout / ".venv"
    (own / "bin").mkdir(parents=True)
    for name in ("pyvenv.cfg", ".dirk-run", ".dirk-test"):
        shutil.copy(ROOT / ".venv" / name, own / name)
    (own / "bin/python").symlink_to((ROOT / ".venv/bin/python").resolve())
    (own / "lib").symlink_to(ROOT / ".venv/lib")


needs_environment = pytest.mark.skipif(
    not (ROOT / ".venv/.dirk-test").exists(), reason="the checkout was not set up by bin/dirk-setup"
)


@needs_environment
@pytest.mark.parametrize("noted", ["with the path", "not at all"])
def test_a_checkout_that_was_moved_needs_no_network(noted: str, tmp_path: Path) -> None:
    checkout = checkout_at(tmp_path / "moved")
    give_whole_environment(checkout)
    for name in (".dirk-run", ".dirk-test"):
        marker = checkout / ".venv" / name
        if noted == "with the path":
            marker.write_text(f"/where/it/was {_sum(checkout)}\n", encoding="utf-8")
        elif noted == "not at all":
            marker.unlink()
    for program in ("dirk-setup", "dirk-up", "dirk-test"):
        found = typed(checkout, program, *([] if program == "dirk-setup" else ["--version"]))
        assert (found.returncode, found.stderr) == (0, ""), found
    for program in PROGRAMS[::2]:
        found = typed(checkout, program, "--version")
        assert (found.returncode, found.stdout, found.stderr) == (0, f"{program} {__version__}\n", "")
    package = checkout / "dirk_gevent/__init__.py"
    package.write_text(package.read_text(encoding="utf-8").replace(f'"{__version__}"', '"9.9.9"'), encoding="utf-8")
    assert typed(checkout, "dirk-server", "--version").stdout == "dirk-server 9.9.9\n", "the code is the moved one"


def _sum(checkout: Path) -> str:
    return subprocess.run(
        ["sh", "-c", f"cksum < {checkout}/setup.py"], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_after_a_set_up_that_ended_half_way_programs_say_that_it_is_not_done(tmp_path: Path) -> None:
    checkout = checkout_at(tmp_path / "half")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True)
    for program in PROGRAMS:
        found = typed(checkout, program, "--version")
        assert (found.returncode, found.stdout) == (2, "")
        assert found.stderr == (
            f"{program}: not set up yet: type {checkout}/bin/dirk-up (sets up and starts everything) "
            f"or {checkout}/bin/dirk-setup\n"
        )


def put_package(checkout: Path, name: str, version: str, size: int | None = None) -> Path:
    """A package of one file in the checkout's environment; `size`: what its record says the file has."""
    (site,) = (checkout / ".venv/lib").glob("python*/site-packages")
    content = b"answer = 42\n"
    module = site / f"{name}.py"
    module.write_bytes(content)
    about = site / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    digest = urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    row = f"{name}.py,sha256={digest},{len(content) if size is None else size}\n"
    (about / "RECORD").write_text(row, encoding="utf-8")
    return module


def test_what_is_installed_counts_when_it_is_whole_and_of_a_version_that_fits(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    module = put_package(tmp_path, "plain", "1.10")
    put_package(tmp_path, "cut", "1.0", size=1000)

    def is_met(*requirements: str) -> bool:
        (tmp_path / "setup.py").write_text(
            f"setup(install_requires={list(requirements)!r}, extras_require={{'test': ['absent']}})", encoding="utf-8"
        )
        words = [str(tmp_path / ".venv/bin/python"), str(ROOT / "bin/.installed.py"), str(tmp_path / "setup.py")]
        assert subprocess.run([*words, "test"], check=False).returncode == 1
        return subprocess.run([*words, "run"], check=False).returncode == 0

    assert is_met("plain", "plain>=1.9", "plain>=1.10", "plain==1.10")
    assert not is_met("plain>=1.11")
    assert not is_met("plain==1.9")
    assert not is_met("plain", "absent")
    assert not is_met("cut"), "a disk that was full has cut it off"
    module.unlink()
    assert not is_met("plain")
    put_package(tmp_path, "short", "1.0")
    assert is_met("short")
    (record,) = (tmp_path / ".venv/lib").glob("python*/site-packages/short-1.0.dist-info/RECORD")
    record.write_text("short.py,sha", encoding="utf-8")
    assert not is_met("short"), "nor may the record be cut off"


def test_every_requirement_is_one_that_is_looked_for() -> None:
    """A form of requirement that is not understood would count as never installed."""
    words = [sys.executable, str(ROOT / "bin/.installed.py"), str(ROOT / "setup.py"), "test"]
    assert subprocess.run(words, check=False).returncode == 0


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk of {} is full, or that of {}."),
        ("OSError: [Errno 122] Disk quota exceeded", "the disk of {} is full, or that of {}."),
        ("ERROR: No matching distribution found for apsw", "is there a network?"),
    ],
)
def test_a_set_up_that_fails_says_the_likely_reason(said: str, reason: str, tmp_path: Path) -> None:
    """A Python whose pip fails."""
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    shutil.copy(ROOT / "setup.py", tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "{said}" >&2\nexit 1\n')
    python.chmod(0o755)
    environ = clean_environ() | {"TMPDIR": "/tmp"}
    found = subprocess.run([str(tmp_path / "bin/dirk-setup")], env=environ, capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr.splitlines()[1:] == [
        f"dirk-setup: could not install what DirkDB needs: {reason.format(tmp_path / '.venv', '/tmp')} "
        f"pip's own words are in {tmp_path}/.venv/pip.log"
    ]


def test_a_disk_without_room_for_the_environment_is_named(tmp_path: Path) -> None:
    """A Python whose venv fails, as on a full disk."""
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    shutil.copy(ROOT / "setup.py", tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    python = tools / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "Error: [Errno 28] No space left on device"\nexit 1\n')
    python.chmod(0o755)
    environ = clean_environ() | {"PATH": f"{tools}:/usr/bin:/bin", "TMPDIR": "/tmp"}
    found = subprocess.run([str(tmp_path / "bin/dirk-up")], env=environ, capture_output=True, text=True)
    assert found.returncode == 1
    venv = tmp_path / ".venv"
    assert found.stderr.splitlines()[1:] == [
        f"dirk-up: could not make {venv}: the disk of {venv} is full, or that of /tmp."
    ]
