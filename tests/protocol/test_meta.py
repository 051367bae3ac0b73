"""META: what is said is there once, under its documented name, and a template says what the encoder says."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dirk_gevent.protocol.meta import READ, Meta, MetaFacts, encode, read_template, with_cache
from tests.cluster import ROOT

#: The field of the record by the name that docs/protocol.md gives it.
NAMES = {"log_id": "log", "language": "lang", "in_transaction": "tx", "dropped_log_id": "dropped", "clock_ms": "clock"}
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
WHOLES = st.integers(0, 2**53)


def optional(some: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | some


METAS = st.builds(
    Meta,
    node=TEXTS,
    db=optional(TEXTS),
    log_id=WHOLES,
    index=WHOLES,
    kind=st.sampled_from(["write", "session", "admin", "error"]),
    language=st.sampled_from(["mg", "fr", "en"]),
    in_transaction=optional(st.booleans()),
    tables=optional(st.lists(TEXTS, max_size=3)),
    rows=optional(WHOLES),
    ms=optional(st.floats(0, 1e6)),
    repeatable=optional(st.booleans()),
    dropped_log_id=optional(WHOLES),
    sqlstate=optional(TEXTS),
    clock_ms=optional(WHOLES),
    line=optional(WHOLES),
    column=optional(WHOLES),
    cache=optional(TEXTS),
)


@given(METAS)
def test_each_field_is_said_once_under_its_name_and_none_is_left_out(meta: Meta) -> None:
    pairs = json.loads(encode(meta), object_pairs_hook=list)
    told = {NAMES.get(one.name, one.name): getattr(meta, one.name) for one in fields(meta)}
    del told["has_commit"]
    expected = {name: value for name, value in told.items() if value is not None or name == "db"}
    assert len(pairs) == len(dict(pairs)) and dict(pairs) == expected


@given(METAS)
def test_the_work_of_a_transaction_is_said_where_there_is_none_too(meta: Meta) -> None:
    assert "commit" not in json.loads(encode(meta))
    assert json.loads(encode(replace(meta, has_commit=True)))["commit"] is None
    assert json.loads(encode(replace(meta, has_commit=True, commit={"log": 1})))["commit"] == {"log": 1}


@given(
    TEXTS | st.sampled_from(["%d", '"index":-1', '"lang":"-"', "%", "\\"]),
    st.lists(TEXTS | st.sampled_from(["%b", '"rows":-1,"ms":-1.0', '","lang":"-"']), max_size=3),
    st.tuples(WHOLES, WHOLES, WHOLES, st.sampled_from([b"mg", b"fr", b"en"])),
)
def test_a_template_is_filled_to_what_the_encoder_says(
    db: str, tables: list[str], filled: tuple[int, int, int, bytes]
) -> None:
    index, rows, ms, language = filled
    whole = Meta(
        node=db, db=db, log_id=7, index=index, kind=READ, language=language.decode(), tables=tables, rows=rows, ms=ms,
        repeatable=True,
    )  # fmt: skip
    told = read_template(db, db, 7, tables) % (index, rows, ms, language)
    assert told == encode(whole).replace(b'"ms":%d,' % ms, b'"ms":%.3f,' % ms)


@given(st.dictionaries(TEXTS, WHOLES | TEXTS, max_size=5), TEXTS)
def test_a_cache_hands_on_fields_that_it_does_not_know(known: dict[str, Any], cache: str) -> None:
    assert json.loads(with_cache(known, cache)) == known | {"cache": cache}


def test_the_document_names_every_field() -> None:
    text = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    table = text.split("<!-- answer -->")[1].split("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.strip().split("\n"))))
    assert {NAMES.get(one.name, one.name) for one in fields(Meta)} - {"has_commit", "commit"} == named


def test_who_answers_may_give_every_field_that_is_not_said_by_the_answer_itself() -> None:
    own = {"node", "index", "kind", "ms", "sqlstate", "line", "column"}
    assert {one.name for one in fields(Meta)} - own == MetaFacts.__annotations__.keys()
