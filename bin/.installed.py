"""Whether this Python has, whole, all that a setup.py asks for: exit status 0, else 1. Standard library alone.

Usage: python .installed.py SETUP_PY run|test

It is asked where no set-up has noted that it was done: an environment that was made by hand, or one from before the
last change of setup.py, may have all the same, and then no network is needed. One that ended half-way has not.
"""

from __future__ import annotations

import ast
import csv
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:(==|>=)([0-9.]+))?")


def requirements(setup_py: Path, for_tests: bool) -> Iterator[str]:
    """What the call of setup() lists."""
    for node in ast.walk(ast.parse(setup_py.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            yield from ast.literal_eval(node.value)
        if isinstance(node, ast.keyword) and node.arg == "extras_require" and for_tests:
            yield from ast.literal_eval(node.value)["test"]


def is_met(requirement: str) -> bool:
    """Whether the distribution is there, of a version that fits, with each of its files as long as it should be."""
    found = REQUIREMENT.fullmatch(requirement)
    if found is None:
        return False
    name, relation, version = found.groups()
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    own, wanted = numbers(distribution.version), numbers(version or "0")
    fits = own == wanted if relation == "==" else own >= wanted
    return fits and is_whole(distribution)


def is_whole(distribution: metadata.Distribution) -> bool:
    """Whether each module is as long as the record says (from 3.12 on `files` leaves out those that are missing)."""
    record = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    return all(is_as_recorded(distribution, row) for row in record)


def is_as_recorded(distribution: metadata.Distribution, row: list[str]) -> bool:
    """Whether a file that a row of the record names is as long as it says; a row that was cut off says nothing."""
    if len(row) != 3:
        return False
    there = Path(str(distribution.locate_file(row[0])))
    return there.suffix not in (".py", ".so") or not row[2] or (there.is_file() and str(there.stat().st_size) == row[2])


def numbers(version: str) -> list[int]:
    """A version's numbers, in order: `3.54.1.0`."""
    return [int(part) for part in re.findall(r"[0-9]+", version)]


if __name__ == "__main__":
    sys.exit(not all(map(is_met, requirements(Path(sys.argv[1]), sys.argv[2] == "test"))))
