"""Code of a test's own in the processes that it starts: gates, words, deaths at a place inside of them."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import ROOT


def hooked(directory: Path, code: str, **variables: str) -> dict[str, str]:
    """The environment in which every Python process runs `code` before its program; it lies in `directory`, which must
    be there. `variables` are more of the environment, for the code to read.
    """
    (directory / "sitecustomize.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": f"{ROOT}:{directory}", **variables}
