"""A release as a stranger installs it: the sdist, the wheel that is built from it, and its programs in an empty venv.

Nothing here asks an index. The archives are built by the setuptools of the environment that runs the tests. The wheel
is installed without its dependencies; those are this environment's own, linked in one by one: what the wheel asks for
and what that needs, and no other package. So an installed program runs whole under this environment's Python and
others of its minor version. Under another minor version the compiled ones among them cannot be loaded: there the
programs only say their version and help, unless DIRK_TEST_WHEELS names a directory with all wheels that are needed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from packaging.requirements import Requirement

from dirk_gevent import __version__
from tests.cluster import HOST, ROOT, Process, clean_environ, free_port
from tests.upgrade.archives import extract

PROGRAMS = ("dirk-server", "dirk-proxy", "dirk-cache", "dirk-client", "dirk-admin")
#: What a build or a test leaves in a checkout.
_MADE = ignore_patterns(
    *(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "build", "data", "dist", "*.egg-info")
)
#: Where Pythons of a machine are, "this" aside: the one that runs the tests.
_PYTHONS = {
    "debian": "/usr/bin/python3",
    **{name: f"{Path.home()}/.pyenv/versions/{name}.*/bin/python3" for name in ("3.11", "3.12", "3.13", "3.14")},
}


@dataclass(frozen=True, slots=True)
class Release:
    """What `python -m build` made."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True, slots=True)
class Installed:
    """A venv with the wheel in it; `is_whole` when all that it needs can be loaded there."""

    directory: Path
    is_whole: bool

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        (found,) = self.directory.glob("lib/python*/site-packages")
        return found

    def command(self, *words: str) -> list[str]:
        """The command line of a program that the wheel brought, or of the venv's python."""
        return [str(self.directory / "bin" / words[0]), *words[1:]]

    def run(
        self, *words: str, cwd: Path, environ: Mapping[str, str] | None = None, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run such a program to its end, with no checkout in sight."""
        return subprocess.run(
            self.command(*words),
            cwd=cwd,
            env=_environ() | dict(environ or {}),
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


class InstalledProcess(Process):
    """A program of an `Installed` as a process."""

    def __init__(self, installed: Installed, name: str, words: Sequence[str], cwd: Path) -> None:
        super().__init__(name, words, cwd / f"{name}.log", _environ(), cwd, program=())
        self._installed = installed

    def command(self) -> list[str]:
        """The installed program, as a shell finds it."""
        return self._installed.command(*self.words)


def _environ() -> dict[str, str]:
    environ = clean_environ()
    del environ["PYTHONPATH"]
    return environ


def _build(source: Path, target: Path, *options: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(target), str(source)]
    done = subprocess.run(command, env=_environ(), cwd=target, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _names(sdist: Path) -> set[str]:
    """The files of an sdist, relative to its folder."""
    with tarfile.open(sdist) as tar:
        return {one.name.partition("/")[2] for one in tar if one.isfile()}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The sdist of this checkout, and the wheel that is built from the sdist."""
    source = copytree(ROOT, tmp_path_factory.mktemp("source") / "dirkdb", ignore=_MADE, symlinks=True)
    target = tmp_path_factory.mktemp("dist")
    _build(source, target)
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return Release(sdist, wheel)


def _python(name: str) -> str:
    """The Python of that name; skips the test where it is not, is too old, or is the one that runs the tests."""
    if name == "this":
        return sys.executable
    found = max(Path("/").glob(_PYTHONS[name].lstrip("/")), default=None)
    if found is None or _minor_version(str(found)) < (3, 11):
        pytest.skip(f"there is no Python 3.11 or later at {_PYTHONS[name]}")
    if found.resolve() == Path(sys.executable).resolve():
        pytest.skip(f"{found} runs the tests")
    return str(found)


def _minor_version(python: str) -> tuple[int, int]:
    command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    major, minor = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(major), int(minor)


def _needed(wheel: Path) -> set[str]:
    """The distributions of the running environment that a wheel asks for, and what they need themselves."""
    found: set[str] = set()
    waiting = [one.name for one in _required(wheel)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            needs = map(Requirement, metadata.requires(name) or ())
            waiting += [one.name for one in needs if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def _link(names: set[str], packages: Path) -> None:
    """Link each top-level file and folder of the running environment's distributions into `packages`."""
    for name in names:
        distribution = metadata.distribution(name)
        for top in {Path(str(file)).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(top))))


@pytest.fixture(scope="module", params=["this", *(pytest.param(name, marks=pytest.mark.slow) for name in _PYTHONS)])
def installed(request: pytest.FixtureRequest, release: Release, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an empty venv of a Python of this machine."""
    python = _python(request.param)
    directory = tmp_path_factory.mktemp("venv")
    subprocess.run([python, "-m", "venv", "--without-pip", str(directory)], check=True)
    wheels = os.environ.get("DIRK_TEST_WHEELS")
    is_same = _minor_version(python) == sys.version_info[:2]
    one = Installed(directory, is_whole=is_same or wheels is not None)
    options = ["--find-links", wheels] if wheels else ["--no-deps"]
    pip = [sys.executable, "-m", "pip", "--python", str(directory / "bin/python"), "install", "-qq", "--no-index"]
    subprocess.run([*pip, "--disable-pip-version-check", *options, str(release.wheel)], env=_environ(), check=True)
    if not wheels:
        _link(_needed(release.wheel), one.packages)
    return one


def _about(wheel: Path) -> str:
    """What a wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"dirkdb-{__version__}.dist-info/METADATA").decode()


def _required(wheel: Path) -> list[Requirement]:
    """What a wheel asks for, without its extras."""
    needs = map(Requirement, re.findall(r"^Requires-Dist: (.*)$", _about(wheel), re.MULTILINE))
    return [one for one in needs if one.marker is None]


def test_the_sdist_is_the_checkout_and_makes_itself_again(release: Release, tmp_path: Path) -> None:
    held = _names(release.sdist)
    tops = {name.partition("/")[0] for name in held}
    assert {".ci", "benchmarks", "bin", "dirk_gevent", "docs", "examples", "parser", "tests"} <= tops
    assert {"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "config.json", "requirements.lock"} <= tops
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
        assert tracked - held == {".gitignore"}
    with tarfile.open(release.sdist) as tar:
        extract(tar, tmp_path)
    unpacked = tmp_path / f"dirkdb-{__version__}"
    for program in (*PROGRAMS, "dirk-up", "dirk-setup", "dirk-test"):
        assert os.access(unpacked / "bin" / program, os.X_OK)
    (tmp_path / "dist").mkdir()
    _build(unpacked, tmp_path / "dist", "--sdist")
    (again,) = (tmp_path / "dist").iterdir()
    assert _names(again) == held


def test_the_wheel_holds_both_packages_whole_and_says_what_it_is(release: Release) -> None:
    with zipfile.ZipFile(release.wheel) as archive:
        names = set(archive.namelist())
        assert archive.read(f"dirkdb-{__version__}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    for folder, package in (("dirk_gevent", "dirk_gevent"), ("parser", "dirk_parser")):
        files = {f"{package}/{path.relative_to(ROOT / folder)}" for path in (ROOT / folder).rglob("*.py")}
        assert files | {f"{package}/py.typed"} <= names
    about = _about(release.wheel)
    assert "License: MIT\n" in about and f"Version: {__version__}\n" in about
    assert "Description-Content-Type: text/markdown\n" in about
    linked = re.findall(r"^Project-URL: [^,]+, (.*)$", about, re.MULTILINE)
    assert linked and [name for name in linked if not (ROOT / name).is_file()] == []


def test_every_program_says_its_version_and_its_help(installed: Installed, tmp_path: Path) -> None:
    for program in PROGRAMS:
        told = installed.run(program, "--version", cwd=tmp_path)
        assert (told.returncode, told.stdout, told.stderr) == (0, f"{program} {__version__}\n", "")
        told = installed.run(program, "--help", cwd=tmp_path)
        assert told.returncode == 0 and f"{program} " in told.stdout and "Usage:" in told.stdout
    told = installed.run("python", "-c", "import dirk_gevent.client.driver as d; print(d.__file__)", cwd=tmp_path)
    assert Path(told.stdout.strip()).is_relative_to(installed.directory), told.stderr


def test_no_name_is_taken_but_dirk_s_own_and_no_other_parser_is_imported(
    installed: Installed, release: Release, tmp_path: Path
) -> None:
    with zipfile.ZipFile(release.wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {"dirk_gevent", "dirk_parser", f"dirkdb-{__version__}.dist-info"}
    (tmp_path / "parser.py").write_text("raise SystemExit('somebody else')\n", encoding="utf-8")
    environ = {"PYTHONPATH": str(tmp_path)}
    told = installed.run("python", "-c", "import dirk_gevent.client.driver", cwd=tmp_path, environ=environ)
    assert (told.returncode, told.stderr) == (0, "")


def _session() -> tuple[list[str], str]:
    """The statements of README.md's session, and all that is answered to a pipe: no boxes, no times."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- session -->\n```\n")[1].split("```")[0]
    statements = re.findall(r"^\|\w+> (.*)$", text, re.MULTILINE)
    answers = re.sub(r", \d+ ms", "", re.sub(r"^\|\w+> .*\n", "", text, flags=re.MULTILINE))
    return statements, re.sub("[┌┬┐├┼┤└┴┘]", "+", answers).replace("─", "-").replace("│", "|")


@pytest.fixture
def cluster(installed: Installed, tmp_path: Path) -> Iterator[dict[str, int]]:
    """Two nodes, a proxy and a cache of installed programs, in `tmp_path`; the ports by name."""
    if not installed.is_whole:
        pytest.skip("what is compiled for one Python is not loaded by another: DIRK_TEST_WHEELS would name wheels")
    ports = {name: free_port() for name in ("m1", "m2", "proxy", "cache")}
    config = {
        "configVersion": 2,
        "loadBalancer": {"listenPort": ports["proxy"]},
        "instances": [{"id": name, "port": ports[name]} for name in ("m1", "m2")],
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    cache = ("dirk-cache", HOST, str(ports["proxy"]), str(ports["cache"]))
    words = {"m1": ("dirk-server", "m1"), "m2": ("dirk-server", "m2"), "proxy": ("dirk-proxy",), "cache": cache}
    processes = [InstalledProcess(installed, name, words[name], tmp_path) for name in ports]
    try:
        for one in processes:
            one.start()
        for one in processes:
            one.wait_ready()
        yield ports
        assert [one.stop() for one in reversed(processes)] == [0, 0, 0, 0]
    finally:
        for one in processes:
            one.kill()


def test_the_readme_s_session_works_with_what_was_installed(
    installed: Installed, cluster: dict[str, int], tmp_path: Path
) -> None:
    statements, answers = _session()

    def shown(part: str, asked: Sequence[str], *words: str) -> str:
        told = installed.run("dirk-client", *words, HOST, str(cluster[part]), cwd=tmp_path, given="\n".join(asked))
        assert (told.returncode, told.stderr) == (0, ""), told
        return told.stdout

    assert shown("cache", statements) == answers
    for part in ("cache", "proxy", "m1"):
        relation = shown(part, statements[-1:], "--database", "testdb")
        assert relation and answers.endswith(relation)
    verified = installed.run("dirk-admin", "verify", cwd=tmp_path)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_the_lock_pins_all_that_is_needed_with_hashes(release: Release) -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    pinned = {one.name: one for block in blocks for one in [Requirement(block.partition(" \\")[0])]}

    def canonical(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    assert {canonical(name) for name in _needed(release.wheel)} <= set(pinned)
    for asked in _required(release.wheel):
        (pin,) = pinned[canonical(asked.name)].specifier
        assert pin.operator == "==" and pin.version in asked.specifier
