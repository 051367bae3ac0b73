"""Log lines: one fact a line, values that read back, literals as they are."""

from __future__ import annotations

import re

import pytest

from dirk_gevent.base.logger import logger


def written(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return capfd.readouterr().err.splitlines()


def test_the_form_of_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    logger("node", "m1").info("ready", listen="127.0.0.1:3948")
    (line,) = written(capfd)
    stamp, rest = line.split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert rest == "info component=node node=m1 event=ready listen=127.0.0.1:3948"


def test_a_literal_sentence_stands_in_the_line_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    logger("proxy").error("replication_down", text="Erreur réplication sur m2", node="m2")
    assert 'event=replication_down text="Erreur réplication sur m2" node=m2' in written(capfd)[0]


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ('say "x"', '"say \\"x\\""'),
        ("a=b", '"a=b"'),
        ("two\nlines\x1b[31m\u2028", '"two\\nlines\\u001b[31m\\u2028"'),
        ("C:\\x", "C:\\x"),
        (3, "3"),
        (0.12345, "0.123"),
        (None, "None"),
        ("漢", "漢"),
    ],
)
def test_values_are_quoted_only_when_needed(capfd: pytest.CaptureFixture[str], fact: object, shown: str) -> None:
    logger("x").info("e", fact=fact)
    assert written(capfd)[0].endswith(f" event=e fact={shown}")


def test_a_traceback_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("broken\nhere")
    except ValueError as error:
        logger("x").exception("statement_failed", error, trace="t1")
    (line,) = written(capfd)
    assert 'event=statement_failed trace=t1 traceback="Traceback' in line
    assert "ValueError: broken\\nhere" in line


def test_the_least_level_comes_from_the_environment(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger("x").debug("unseen")
    monkeypatch.setenv("DIRK_LOG_LEVEL", "debug")
    logger("x").debug("seen")
    monkeypatch.setenv("DIRK_LOG_LEVEL", "error")
    logger("x").warning("unseen")
    assert [line.rpartition("event=")[2] for line in written(capfd)] == ["seen"]
