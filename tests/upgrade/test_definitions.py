"""Whatever definition an earlier release took is read: no database keeps its node from starting."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from dirk_parser.compile.ddl.catalog import load_schema
from dirk_parser.plan.plan import CatalogChange
from dirk_parser.schema.schema import Schema
from tests.cluster import clean_environ
from tests.engine.mistaken_statements import SETTING as SETTING_OF_MISTAKES
from tests.engine.mistaken_statements import Mistakes
from tests.seeds import chosen_seed
from tests.upgrade import take
from tests.upgrade.releases import RELEASES, checkout
from tests.upgrade.views import SETTING, Views

_VIEWS, _MISTAKES = 4_000, 20_000


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("release", RELEASES)
def test_what_an_earlier_release_took_is_read(release: str, tmp_path: Path) -> None:
    """Views by chance, and what is no mistake among definitions with mistakes."""
    seed = chosen_seed()
    code = checkout(release, tmp_path / "release")
    views, mistakes = Views(Random(seed)), Mistakes(Random(seed))
    definitions = [views.definition() for _ in range(_VIEWS)]
    tried = (mistakes.statement() for _ in range(_MISTAKES))
    others = [text for text in tried if text.startswith("create ") and text.split()[-1] != "x" and " x " in text[:24]]
    for setting, texts in ((SETTING, definitions), (SETTING_OF_MISTAKES, others)):
        taken = _taken(code, tmp_path / "asked.json", setting, texts)
        assert len(taken) > 100, f"{release} takes {len(taken)} of {len(texts)}"
        for schema, source in taken:
            assert not any(view.is_outdated for view in schema.views.values()), f"seed {seed}: {source}"


def _taken(code: Path, asked: Path, setting: tuple[str, ...], texts: list[str]) -> list[tuple[Schema, str]]:
    """The schemas of this build, each with one of the definitions that the release takes."""
    asked.write_text(json.dumps({"setting": setting, "definitions": texts}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", take.__file__, str(asked)],
        env=clean_environ() | {"PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    told = json.loads(done.stdout)
    base = [CatalogChange(*row) for row in told["setting"]]
    return [(load_schema([*base, CatalogChange(*row)], 1), row[3]) for row in told["taken"]]
