"""Domains as CHECKs: what each atom accepts and refuses, and how the domain is named in the error."""

from __future__ import annotations

import pytest

from tests.parser.small_database import SmallDatabase

CASES = [
    ("ISA", ["1", "-2.5", "1e6", "null"], ["'1'", "''"], "ISA"),
    ("ISA(0, 20)", ["0", "20", "16.5"], ["-1", "20.01", "'5'"], "ISA(0, 20)"),
    ("ISA(1, null)", ["1", "99999999999"], ["0"], "ISA(1, null)"),
    ("ISA(-5, -1.5)", ["-5", "-1.5"], ["-1", "-6"], "ISA(-5, -1.5)"),
    ("INTEGER", ["1", "4.0", "-7"], ["1.5", "'1'", "1e30"], "INTEGER"),
    ("LAHATSORATRA(2, 3)", ["'ab'", "'éàô'"], ["'a'", "'abcd'", "12"], "LAHATSORATRA(2, 3)"),
    ("VARCHAR(3)", ["''", "'abc'"], ["'abcd'"], "LAHATSORATRA(null, 3)"),
    ("TEXT", ["''", "'x'"], ["1"], "LAHATSORATRA"),
    (
        "DATY",
        ["'2026-11-22'", "'2026-11-22 18:30:00'", "'2024-02-29'"],
        ["'2009-02-30'", "'2026-1-2'", "'2026-11-22 25:00:00'", "'now'", "20261122", "'2023-02-29'"],
        "DATY",
    ),
    ('TANISA("a b", bare, 3)', ["'a b'", "'bare'", "3"], ["'A b'", "4", "'3'"], 'TANISA("a b", "bare", 3)'),
    ("BOOLEAN", ["marina", "diso", "1", "0", "null"], ["2", "'1'", "1.0"], "BOOLEAN"),
    ("LAHATSORATRA(null,null):ISA(null,null)", ["'7'", "7", "2.5"], [], ""),
    ("ISA(0,1):DATY", ["1", "'2026-11-22'"], ["2", "'x'"], "ISA(0, 1):DATY"),
    ("named", ["5", "'none'"], ["101", "'x'"], "named"),
    ("named:BOOLEAN", ["5", "1"], ["101"], "named:BOOLEAN"),
]


@pytest.mark.parametrize(("domain", "good", "bad", "shown"), CASES, ids=[case[0] for case in CASES])
def test_domain(domain: str, good: list[str], bad: list[str], shown: str) -> None:
    database = SmallDatabase()
    database.run("create domain pct ( ISA(0, 100) )")
    database.run('create domain named ( pct : TANISA("none") )')
    database.run(f"create table t (c {domain})")
    for value in good:
        database.run(f"insert into t values ({value})")
    for value in bad:
        error = database.error(f"insert into t values ({value})")
        assert (error.key, error.params["column"], error.params["domain"]) == ("domain_violation", "c", shown)
        assert database.error(f"update t set c = {value}").key == "domain_violation"
    assert database.run("select count(*) from t") == [(len(good),)]


def test_a_domain_in_use_stays() -> None:
    database = SmallDatabase()
    database.run("create domain pct ( ISA(0, 100) )")
    database.run("create domain named ( pct : TANISA(x) )")
    assert database.error("drop domain pct").key == "in_use"
    database.run("create table t (c named)")
    assert database.error("drop domain named").key == "in_use"
    database.run("drop table t")
    database.run("drop domain named")
    database.run("drop domain pct")


@pytest.mark.parametrize(
    "wrong", ["ISA(1)", "ISA(5, 1)", "LAHATSORATRA(-1, 2)", "TANISA(null)", "DATY(1)", "NUMERIC(2, 5)", "ISA('a', 2)"]
)
def test_domains_that_make_no_sense(wrong: str) -> None:
    error = SmallDatabase().error(f"create table t (c {wrong})")
    assert error.key in ("invalid_domain", "syntax")
