"""Runs corpora in the sqllogictest format against a running DirkDB, a database for each file.

Usage: python -m tests.corpus [--port PORT] [--engine NAME] FILE…

Exit status 0 when every record ended as its file says.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.cluster import Connection
from tests.corpus.reader import records
from tests.corpus.runner import Report, asking, run

_DATABASE = "corpus_of_files"


def main() -> int:
    """All files; the exit status."""
    parser = argparse.ArgumentParser(prog="tests.corpus", description="Runs sqllogictest files against DirkDB.")
    parser.add_argument("--port", type=int, default=3949, help="where DirkDB answers (default: the proxy's 3949)")
    parser.add_argument("--engine", default="sqlite", help="whose skipif and onlyif hold (default sqlite)")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    failed = ran = 0
    start = time.monotonic()
    for path in options.files:
        report = _run(path, options.port, options.engine)
        ran, failed = ran + report.ran, failed + len(report.failures)
        print(f"{path}: {report}")
    print(f"{ran} records, {failed} failed, {ran / (time.monotonic() - start):.0f} a second")
    return 1 if failed else 0


def _run(path: Path, port: int, engine: str) -> Report:
    with Connection(port) as connection:
        for text in (f"CREATE DATABASE {_DATABASE};", f"USE {_DATABASE};"):
            connection.ask(text)
        try:
            return run(records(path.read_text(encoding="utf-8"), engine), asking(connection.ask))
        finally:
            connection.ask(f"DROP DATABASE {_DATABASE};")


if __name__ == "__main__":
    sys.exit(main())
