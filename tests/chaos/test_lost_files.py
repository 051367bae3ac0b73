"""A node without its files, and without room for new ones, is no source of news."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest

from tests.chaos.site import Site
from tests.chaos.speaking import DATABASE, Speaker
from tests.disk.launch import Control

#: Enough for each node's turn to come.
_READS = 600


@pytest.mark.slow
def test_reads_through_the_proxy_go_to_those_who_know_the_database(tmp_path: Path) -> None:
    """The empty node follows and is asked in its turn: it knows no database, which is not for clients to hear."""
    site = Site(tmp_path / "site", ("m1", "m2"), Random(1))
    speaker = Speaker(site.ports["proxy"])
    try:
        site.start(*site.names)
        site.wait_ready(*site.names)
        for text in (f"CREATE DATABASE {DATABASE}", "CREATE TABLE t (a INTEGER)", "INSERT INTO t (a) VALUES (1)"):
            answer = speaker.ask(text, 30.0, **({"db": None} if "DATABASE" in text else {}))
            assert not answer.sqlstate, answer.text
        site.await_level()
        site.end("m2")
        for path in site.data_directory("m2").glob("*.sqlite*"):
            if path.is_file():
                path.unlink()
        shutil.rmtree(site.directory / "undo" / "m2")
        site.control("m2", Control(is_full=True))
        site.start("m2")
        site.wait_for(lambda: "event=stalled" in site.processes["m2"].log(), "m2 to find its disk full")
        answers = [speaker.ask("SELECT a FROM t", read="any") for _ in range(_READS)]
        assert {(answer.sqlstate, str(answer.rows)) for answer in answers} == {("", "[[1]]")}
        site.control("m2", Control())
        site.await_level()
    finally:
        speaker.leave()
        site.close()
