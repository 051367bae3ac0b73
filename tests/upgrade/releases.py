"""Earlier releases as checkouts, from this repository's history."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cluster import ROOT
from tests.upgrade.archives import extract

#: The last commit of each earlier release.
RELEASES = {"2.0.0": "cef8a20", "2.1.0": "07c33a8", "2.2.0": "1a50abb"}
#: The rules of entries that each of them has (`RULES` in log/entry.py).
RULES_OF = {"2.0.0": 0, "2.1.0": 1, "2.2.0": 2}
_PARTS = ("setup.py", "dirk_gevent", "parser", "tests/parser/small_database.py")


def checkout(release: str, target: Path) -> Path:
    """The packages of a release, and a database in memory of its; from `target`, or where DIRK_TEST_RELEASE says.

    With setup.py, which makes it a checkout. Skips the test in a checkout without history.
    """
    given = os.environ.get("DIRK_TEST_RELEASE")
    if given:
        return Path(given)
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", RELEASES[release], *_PARTS]
    try:
        archive = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the release is not in this checkout's history")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        extract(tar, target)
    return target
