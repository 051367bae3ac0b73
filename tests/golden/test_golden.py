"""The language on a real cluster: every golden script through the proxy and through the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.golden import golden


@pytest.mark.parametrize("script", golden.SCRIPTS, ids=lambda script: script.stem)
@pytest.mark.parametrize("part", ["proxy", "cache"])
def test_a_script_answers_as_recorded(shared_cluster: Cluster, script: Path, part: str) -> None:
    """The same statements give the same answers whichever part they are typed at."""
    with shared_cluster.connect(part) as connection:
        # One part writes records, so that the others are held to them even then.
        golden.check(script, connection, may_write=part == "proxy")


def test_every_record_has_its_script() -> None:
    """No record is left behind by a script that is gone."""
    assert {path.stem for path in golden.HERE.glob("*.out")} == {script.stem for script in golden.SCRIPTS}
