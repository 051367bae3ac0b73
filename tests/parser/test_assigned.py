"""Names are folded alike by every interpreter: they have only characters that all of them know."""

from __future__ import annotations

import sys
import unicodedata
from hashlib import blake2b

import pytest

from dirk_parser.errors import SqlError
from dirk_parser.grammar.statements import Statements
from dirk_parser.names import key
from dirk_parser.normalize.name_characters import unassigned
from dirk_parser.normalize.normalizer import split

#: The hash of all assigned characters' keys, as Python 3.11 (Unicode 14.0) has it: no later one may have another.
_KEYS = "ed8983da53da5b2bc2ca5877199e41ce"


def _is_unassigned() -> list[bool]:
    found = [False] * (sys.maxunicode + 1)
    for first, last in unassigned():
        found[first : last + 1] = [True] * (last + 1 - first)
    return found


def test_the_table_is_that_of_unicode_14() -> None:
    """The interpreter's own may know more characters, and knows each of these."""
    ours = _is_unassigned()
    theirs = [unicodedata.category(chr(at)) == "Cn" for at in range(sys.maxunicode + 1)]
    if unicodedata.unidata_version == "14.0.0":
        assert ours == theirs
    assert all(mine for mine, its in zip(ours, theirs, strict=True) if its)


def test_every_interpreter_folds_these_characters_alike() -> None:
    ours = _is_unassigned()
    surrogates = range(0xD800, 0xE000)
    folded = "".join(f"{key(chr(at))} " for at in range(sys.maxunicode + 1) if not ours[at] and at not in surrogates)
    assert blake2b(folded.encode(), digest_size=16).hexdigest() == _KEYS


@pytest.mark.parametrize(
    "text", ["CREATE TABLE `a\U00011f04` (x INTEGER)", "alaivo \ua7cb ao@ t", "SELECT 1 AS '\u1c8a'"]
)
def test_names_of_later_characters_are_refused(text: str) -> None:
    with pytest.raises(SqlError) as refused:
        Statements().route(split(text))
    assert refused.value.key == "character_unassigned"


@pytest.mark.parametrize(
    "text", ["SELECT '\U00011f04'", "SELECT 1 -- \U00011f04", "CREATE TABLE `Ñandú 学校 😀` (x ISA)"]
)
def test_texts_and_comments_and_known_characters_are_not(text: str) -> None:
    Statements().route(split(text))
