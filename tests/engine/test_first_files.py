"""The first DirkDB's files under a node are named at its start and left as they are."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from tests.cluster import ROOT, clean_environ, free_port
from tests.engine.plans import LogMaker, TestLimits, open_compiled, open_database, work

TABLE = '{"name":"t","fieldName":[{"origin":"t","name":"a"}],"domaines":[],"individus":[[1.0]]}'


def put_first_files(directory: Path, *databases: str, folder: str = "tables") -> dict[str, bytes]:
    """Databases of the first DirkDB; all files of the directory."""
    for name in databases:
        for each in ("tables", "views", "domains"):
            (directory / name / each).mkdir(parents=True, exist_ok=True)
        (directory / name / folder / "t.json").write_text(TABLE, encoding="utf-8")
    return files(directory)


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("folder", ["tables", "views", "domains"])
def test_they_are_named_and_nothing_is_written_beside_them(folder: str, tmp_path: Path) -> None:
    before = put_first_files(tmp_path, "tsena", "sekoly", folder=folder)
    with pytest.raises(StorageFault) as found:
        Engine(tmp_path, "m1", TestLimits()).open()
    assert str(found.value) == (
        "holds the first DirkDB's files (sekoly, tsena), left as they are; this build cannot read them: "
        "give the node another dataDirectory"
    )
    assert files(tmp_path) == before


def test_many_are_counted(tmp_path: Path) -> None:
    put_first_files(tmp_path, *"abcdef")
    with pytest.raises(StorageFault, match=r"\(a, b, c and 3 more\)"):
        Engine(tmp_path, "m1", TestLimits()).open()


def test_an_empty_system_beside_them_is_refused_and_one_that_is_in_use_goes_on(
    tmp_path: Path, log: LogMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    """A release that knew nothing of them began an empty system there; what was made in that since then counts."""
    engine = open_compiled(tmp_path)
    engine.close()
    before = put_first_files(tmp_path, "sekoly")
    with pytest.raises(StorageFault, match="the first DirkDB's files"):
        Engine(tmp_path, "m1", TestLimits()).open()
    assert files(tmp_path) == before
    (tmp_path / "sekoly").rename(tmp_path.with_name(tmp_path.name + "-sekoly"))
    engine = open_compiled(tmp_path)
    open_database(engine).apply(work(log.sql("create table t (a)")))
    engine.close()
    put_first_files(tmp_path, "sekoly")
    capfd.readouterr()
    again = open_compiled(tmp_path)
    assert again.logs()[1].applied_index == 1
    again.close()
    (line,) = [one for one in capfd.readouterr().err.splitlines() if "event=first_files" in one]
    assert "warning" in line
    assert "holds the first DirkDB's files (sekoly), left as they are; this build cannot read them" in line
    assert (tmp_path / "sekoly/tables/t.json").read_text(encoding="utf-8") == TABLE


def test_folders_of_others_are_no_databases(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/tables.json").write_text("{}", encoding="utf-8")
    engine = open_compiled(tmp_path)
    engine.close()


def test_a_server_says_so_in_one_sentence_and_leaves(tmp_path: Path) -> None:
    content = {"configVersion": 1, "instances": [{"id": "m1", "port": free_port(), "dataDirectory": "old"}]}
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    before = put_first_files(tmp_path / "old", "sekoly")
    found = subprocess.run(
        [str(ROOT / "bin/dirk-server"), "m1"],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert found.returncode == 2, found
    assert found.stderr.splitlines()[-1] == (
        f"dirk-server: {tmp_path}/old: holds the first DirkDB's files (sekoly), left as they are; "
        "this build cannot read them: give the node another dataDirectory"
    )
    assert "Traceback" not in found.stderr
    assert files(tmp_path / "old") == before
