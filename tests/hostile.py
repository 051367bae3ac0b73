"""Statements that are cheap to send and once cost out of proportion, or might: by the size wished, in characters."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

INSERT = "INSERT INTO t VALUES "
#: What a text is made of by chance: literals, marks, words, halves of things.
_PIECES = (
    "1", "1.5e3", "'a'", "'é'", '"b"', "`c`", "[d]", "x'00'", "null", ",", "(", ")", "((", "))", "'", '"', "`", "\\",
    "--\n", "/*", "*/", "/**/", "//", "#", "#-", "@", ":", ".", "+", "-", "- ", "*", "||", "?", "$a", " ", "\n",
    "select ", "insert into t values ", "case when ", " end", " in (", "union ", " and ", "not ", "over (", "😀",
)  # fmt: skip


def named(size: int) -> Iterator[tuple[str, str]]:
    """(name, text), each text about `size` characters."""
    yield "commas in a text", f"{INSERT}(1, '{',' * (size // 2)}{'a' * (size // 2)}')"
    yield "commas, then parentheses", f"{INSERT}(1, '{',' * (size // 2)}{'()' * (size // 4)}')"
    yield "nested parentheses", f"{INSERT}{'(' * (size // 2)}1{')' * (size // 2)}"
    yield "open parentheses", f"{INSERT}{'(' * size}"
    yield "rows of one", INSERT + ",".join(["(1)"] * (size // 4))
    yield "rows with comments", INSERT + ",".join(["(null/**/)"] * (size // 11))
    yield "rows of escapes", INSERT + ",".join([r"('\n')"] * (size // 7))
    yield "one row of numbers", f"{INSERT}({','.join(['1'] * (size // 2))})"
    yield "one row of escapes", INSERT + "(" + ",".join([r"'\n'"] * (size // 5)) + ")"
    yield "rows that are no JSON", f"{INSERT}(1, '" + "[{" * (size // 2) + "')"
    yield "words before VALUES", "INSERT " + "a " * (size // 2) + "VALUES (1)"
    yield "names before VALUES", "INSERT " + "`a`" * (size // 3)
    yield "digits before VALUES", "INSERT a" + "1" * size
    yield "numbers", "SELECT " + ",".join(["1"] * (size // 2))
    yield "one number", "SELECT " + "1" * size
    yield "half an exponent", "SELECT " + "1e" * (size // 2)
    yield "texts", "SELECT " + "'a' " * (size // 4)
    yield "one text of quotes", "SELECT " + "''" * (size // 2)
    yield "one text of escapes", "SELECT '" + "\\'" * (size // 2) + "'"
    yield "an open text", "SELECT 'a" + "a" * size
    yield "minuses", "SELECT " + "- " * (size // 2) + "1"
    yield "a sum", "SELECT 1" + "+1" * (size // 2)
    yield "names", "SELECT " + "a " * (size // 2)
    yield "dots", "SELECT " + "a." * (size // 2) + "a"
    yield "quoted names", "SELECT " + "`a` " * (size // 4)
    yield "bracketed names", "SELECT " + "[a] " * (size // 4)
    yield "comments", "SELECT " + "/**/" * (size // 4) + "1"
    yield "line comments", "SELECT " + "--\n" * (size // 3) + "1"
    yield "an open comment", "SELECT 1 /*" + "*" * size
    yield "a list", f"SELECT 1 IN ({','.join(['1'] * (size // 2))})"
    yield "unions", "SELECT 1" + " UNION SELECT 1" * (size // 15)
    yield "whens", "SELECT CASE" + " WHEN 1 THEN 2" * (size // 14) + " END"
    yield "parameters", "SELECT " + ",".join(["?"] * (size // 2))
    yield "noise", "#" * size
    yield "wide characters", "SELECT '" + "é" * (size - 1) + "😀'"


def random_text(chance: Random, size: int) -> str:
    """A text by chance: a few pieces again and again, between a beginning and an end."""
    text = chance.choice(("SELECT ", INSERT, f"{INSERT}(1, '", "", "UPDATE t SET a = ", "WITH "))
    while len(text) < size:
        some = "".join(chance.choices(_PIECES, k=chance.randint(1, 4)))
        text += some * chance.randint(1, max(1, size // len(some) // chance.choice((1, 4, 50))))
    return text[:size] + chance.choice(("", "'", ")", "')"))
