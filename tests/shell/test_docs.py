"""The documents say what is so: the functions they name exist, every setting and program is in them."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path

import pytest

from dirk_gevent.client import driver
from dirk_gevent.config import settings
from dirk_gevent.config.loader import load
from tests.cluster import ROOT
from tests.shell.source import definitions, files, shown, tree

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")])
READMES = [ROOT / "README.md", ROOT / "docs/README.fr.md", ROOT / "docs/README.mg.md"]
PROGRAMS = sorted(path.name for path in (ROOT / "bin").glob("dirk-*"))

NAMED_FUNCTION = re.compile(r"`((?:dirk_gevent|parser)/[\w/]+\.py):([\w.]+)`")
NAMED_FILE = re.compile(r"`((?:dirk_gevent|parser|tests|bin|docs|benchmarks)/[\w./-]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
SETTING_ROW = re.compile(r"^\| `([\w.\[\]]+)` \|([^|]*)\|", re.MULTILINE)

SECTIONS = {
    "loadBalancer": settings.LoadBalancer,
    "routing.reads": settings.ReadRouting,
    "routing.writes": settings.WriteRouting,
    "replication": settings.Replication,
    "log": settings.LogSettings,
    "limits": settings.Limits,
    "cache": settings.CacheSettings,
}


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def names_in(path: Path) -> set[str]:
    """The classes, functions, methods and module-level names of a file."""
    found = {name for name, _ in definitions(path)}
    for node in tree(path).body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def default_of(field: Field[object]) -> object:
    return field.default if field.default is not MISSING else None


def shown_default(value: object) -> str:
    """A default as the table writes it: JSON without its quotes."""
    if isinstance(value, tuple):
        return ", ".join(str(one.value) for one in value)
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_every_function_and_file_that_is_named_exists(document: Path) -> None:
    wrong = []
    known = {shown(path): path for path in files()}
    for file, name in NAMED_FUNCTION.findall(text(document)):
        if file not in known or name not in names_in(known[file]):
            wrong.append(f"{file}:{name}")
    wrong += [name for name in NAMED_FILE.findall(text(document)) if not (ROOT / name.rstrip(".")).exists()]
    wrong += [name for name in LINK.findall(text(document)) if not (document.parent / name).exists()]
    assert wrong == []


def test_the_lives_of_a_write_and_of_a_read_name_functions_at_each_step() -> None:
    for title in ("The life of a write", "The life of a read"):
        section = text(ROOT / "docs/architecture.md").split(f"## {title}\n")[1].split("\n## ")[0]
        steps = re.split(r"\n(?=\d+\. )", section)[1:]
        assert len(steps) >= 6
        for step in steps:
            assert NAMED_FUNCTION.search(step), f"{title}: no function in {step!r}"


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    reference = text(ROOT / "docs/configuration.md").split("## The settings of version 2\n")[1].split("\n## ")[0]
    rows = {key: default.strip(" `") for key, default in SETTING_ROW.findall(reference)}
    wanted = {
        f"{section}.{camel(field.name)}": shown_default(default_of(field))
        for section, kind in SECTIONS.items()
        for field in fields(kind)
    }
    wanted |= {"configVersion": "", "language": "mg"}
    wanted |= {f"instances[].{camel(field.name)}": "" for field in fields(settings.Instance)}
    assert sorted(set(wanted) - set(rows)) == [], "not documented"
    assert sorted(set(rows) - set(wanted)) == [], "documented, but there is no such setting"
    differing = {key: (rows[key], wanted[key]) for key in wanted if wanted[key] and rows[key] != wanted[key]}
    assert differing == {}


@pytest.mark.parametrize("readme", READMES, ids=shown)
def test_each_readme_names_every_program_and_every_section_of_the_config(readme: Path) -> None:
    words = text(readme)
    assert [name for name in PROGRAMS if name not in words] == []
    assert [name for name in (*SECTIONS, "instances", "configVersion", "language") if name not in words] == []


@pytest.mark.parametrize("readme", READMES, ids=shown)
def test_the_config_in_each_readme_loads(readme: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", text(readme), re.DOTALL)
    (tmp_path / "config.json").write_text(block, encoding="utf-8")
    assert load(tmp_path / "config.json", {}).notices == ()
    assert json.loads(block) == json.loads(text(ROOT / "config.json"))


def test_the_config_of_several_machines_in_the_reference_loads_without_notice(tmp_path: Path) -> None:
    section = text(ROOT / "docs/configuration.md").split("<!-- several machines -->\n```json\n")[1].split("```")[0]
    (tmp_path / "config.json").write_text(section, encoding="utf-8")
    assert load(tmp_path / "config.json", {}).notices == ()


def test_environment_variables_are_documented() -> None:
    used = {found for path in files() for found in re.findall(r"[\"'](DIRK_[A-Z_]+)[\"']", text(path))}
    used -= {"DIRK_FOLLOW"}  # a statement between DirkDB's own parts
    missing = [name for name in sorted(used) if name not in text(ROOT / "docs/configuration.md")]
    assert missing == []


def test_each_promise_names_its_tests_and_each_command_can_be_run() -> None:
    page = text(ROOT / "docs/guarantees.md")
    promises = page.split("## The promises\n")[1].split("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 12
    assert [row for row in rows if not re.search(r"`tests/\w+/test_\w+\.py` ?[,|]", row)] == []
    commands = re.findall(r"^\| `([^`]+)` \|", page.split("## Try it\n")[1].split("\n## ")[0], re.MULTILINE)
    targets = set(re.findall(r"^([\w-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    assert {words[1] for command in commands if (words := command.split())[0] == "make"} == {"chaos", "simulate"}
    assert {"chaos", "simulate"} <= targets
    paths = [word for command in commands for word in command.split() if word.startswith("tests/")]
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []
    variables = {name for command in commands for name in re.findall(r"(DIRK_\w+)=", command)}
    sources = "".join(text(path) for path in ROOT.glob("tests/**/*.py"))
    assert [name for name in sorted(variables) if f'environ.get("{name}"' not in sources] == []
    settings_named = set(re.findall(r"`((?:limits|log|cache)\.\w+)`", page))
    known = {f"{section}.{camel(field.name)}" for section, kind in SECTIONS.items() for field in fields(kind)}
    assert settings_named and settings_named <= known


def test_the_names_that_are_promised_to_importers_are_those_of_the_driver() -> None:
    block = text(ROOT / "docs/compatibility.md").split("<!-- names -->\n```python\n")[1].split("```")[0]
    (promised,) = ast.parse(block).body
    assert isinstance(promised, ast.ImportFrom) and promised.module == driver.__name__
    assert sorted(alias.name for alias in promised.names) == sorted(driver.__all__)


def test_documents_hold_no_tabs_and_no_trailing_space() -> None:
    wrong = [
        f"{shown(path)}:{number}"
        for path in DOCUMENTS
        for number, line in enumerate(text(path).splitlines(), 1)
        if "\t" in line or line != line.rstrip()
    ]
    assert wrong == []
