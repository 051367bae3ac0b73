"""The diffs of docs/contributing.md: they apply, touch as few files as it says, and do what it says on a real
cluster."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.cluster import ROOT, clean_environ

#: The section of the page, and how many files of the product its diff may touch.
FILES = {"Add a SQL function": 2, "Add a limit": 2, "Add a SHOW": 3}
_HUNK = re.compile(r"@@ -\d+,(\d+) \+\d+,(\d+) @@.*")

#: What is asked of a cluster with all three: run with the copy first on the path.
_ASK = """
import sys
from pathlib import Path

import tests.cluster as cluster
from tests.cluster import Cluster, message, rows

cluster.ROOT = Path(sys.argv[1])
with Cluster(Path(sys.argv[2]), masters=("m1",), settings={"limits": {"maxArgs": 2}}) as found:
    with found.connect("proxy") as connection:
        connection.ask("manamboara tahiry sekoly;")
        connection.ask("ampiasao sekoly;")
        assert rows(connection.ask("SELECT reverse('baiko'), reverse(null), reverse(12);")) == [["okiab", None, 12]]
        assert rows(connection.ask('/*dirk {"args": [1, 2]} */ alaivo ? + ?;')) == [[3]]
        assert "54000" in message(connection.ask('/*dirk {"args": [1, 2, 3]} */ alaivo ? + ? + ?;'))
        for text in ("SHOW LOGS;", "asehoy ny diary;"):
            ((name, log, head),) = rows(connection.ask(text))
            assert name == "sekoly" and log >= 1 and head >= 0
        assert rows(connection.ask("TRANSLATE TO gasy SHOW LOGS;")) == [["asehoy ny diary"]]
        connection.ask("manamboara tabilao t (logs ISA, diary ISA);")
        assert not rows(connection.ask("alaivo logs, diary ao@ t;"))
"""


def _diff(section: str) -> str:
    page = (ROOT / "docs/contributing.md").read_text(encoding="utf-8")
    return page.split(f"## {section}\n")[1].split("```diff\n")[1].split("```\n")[0]


def _hunks(diff: str) -> list[tuple[str, str, str]]:
    """File, what stands there before, and what stands there after, of each hunk; its numbers of lines are right."""
    found = []
    for part in re.split(r"^--- a/", diff, flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("\n")
        assert rest.startswith(f"+++ b/{name}\n")
        for hunk in re.split(r"^(?=@@ )", rest, flags=re.MULTILINE)[1:]:
            head, *lines = hunk.removesuffix("\n").split("\n")
            before = [line[1:] for line in lines if line[:1] in ("", " ", "-")]
            after = [line[1:] for line in lines if line[:1] in ("", " ", "+")]
            numbers = _HUNK.fullmatch(head)
            assert numbers is not None and [len(before), len(after)] == list(map(int, numbers.groups())), head
            found.append((name, "\n".join(before) + "\n", "\n".join(after) + "\n"))
    return found


@pytest.mark.parametrize("section", FILES)
def test_a_diff_touches_no_more_files_than_the_page_says(section: str) -> None:
    names = {name for name, _, _ in _hunks(_diff(section))}
    assert len(names) == FILES[section]
    assert all(name.startswith(("dirk_gevent/", "parser/")) for name in names)


def test_what_the_diffs_add_works(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("dirk_gevent", "parser"):
        copytree(ROOT / name, copy / name, ignore=ignore_patterns("__pycache__"))
    (copy / "setup.py").touch()
    for section in FILES:
        for name, before, after in _hunks(_diff(section)):
            text = (copy / name).read_text(encoding="utf-8")
            assert text.count(before) == 1, f"{section}: {name} has moved on: make the diff anew"
            (copy / name).write_text(text.replace(before, after), encoding="utf-8")
    environ = clean_environ() | {"PYTHONPATH": f"{copy}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(copy), str(tmp_path / "cluster")],
        env=environ,
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
