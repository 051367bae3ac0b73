"""Splitting input into statements: what hides a ``;``, line numbers, the client's own words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dirk_gevent.driver.client_splitter import Statement, StatementReader, Unfinished, Word, is_complete, word_of
from dirk_gevent.protocol.splitter import StatementSplitter


def read(text: str) -> list[Statement | Word]:
    reader = StatementReader()
    return [item for line in text.splitlines(keepends=True) for item in reader.feed(line)]


def test_statement_lines_and_comments() -> None:
    text = "-- head; line\nalaivo 1;\n\n/* a;\n b */ alaivo\n  2 -- tail;\n;alaivo 3; alaivo 4;\n"
    assert read(text) == [
        Statement("alaivo 1", 2),
        Statement("alaivo\n  2 -- tail;", 5),
        Statement("alaivo 3", 7),
        Statement("alaivo 4", 7),
    ]


def test_semicolons_hidden_in_quotes() -> None:
    text = "alaivo 'a;\\';b', \"c;\"\"d;\", `e;f`;\nalaivo 'two\nlines;' ;"
    assert read(text) == [
        Statement("alaivo 'a;\\';b', \"c;\"\"d;\", `e;f`", 1),
        Statement("alaivo 'two\nlines;'", 2),
    ]


def test_set_operator_before_a_minus_is_no_comment() -> None:
    assert read("alaivo 1 #--1;\n") == [Statement("alaivo 1 #--1", 1)]


def test_comments_alone_are_no_statement() -> None:
    assert read("-- nothing;\n/* ; */ ;; // more;\n") == []


def test_words_of_the_client() -> None:
    for text in ("miala", "MIALA ;", " mivoaka;\n", "mivaoka", "exit", "quit ;"):
        assert word_of(text) is Word.LEAVE
    assert word_of("diovy;") is Word.CLEAR
    assert word_of("!\n") is Word.CLEAR
    assert word_of("alaivo miala") is None
    assert read("alaivo 1; miala;\n") == [Statement("alaivo 1", 1), Word.LEAVE]
    assert read("alaivo\nmiala\n;\n") == [Statement("alaivo\nmiala", 1)]


def test_unfinished_input_says_what_is_open() -> None:
    for text, expected in (
        ("alaivo 1\n  ", Unfinished("alaivo 1", 1, "")),
        ("alaivo 1;\nalaivo 'a;\n", Unfinished("alaivo 'a;", 2, "'")),
        ("\n/* open;", Unfinished("", 2, "/*")),
        ("alaivo 1;\n-- end\n", None),
    ):
        reader = StatementReader()
        for line in text.splitlines(keepends=True):
            list(reader.feed(line))
        assert reader.finish() == expected
        assert not reader.is_pending


def test_complete_is_what_enter_sends() -> None:
    assert is_complete("alaivo 1;")
    assert is_complete("miala")
    assert is_complete("")
    assert is_complete("alaivo 1;\nmiala")
    assert not is_complete("alaivo 1")
    assert not is_complete("alaivo 'a;")
    assert not is_complete("alaivo 1; alaivo")


@given(st.lists(st.sampled_from([*"a;'\"`-/*#+\\\n ", "--", "/*", "*/", "#-", "//", "''"]), max_size=40))
def test_client_and_server_cut_alike(pieces: list[str]) -> None:
    text = "".join(pieces) + "\n"
    server = [statement.decode() for statement in StatementSplitter().feed(text.encode())]
    client = [item.text for item in read(text) if isinstance(item, Statement)]
    words = sum(isinstance(item, Word) for item in read(text))
    assert len(server) == len(client) + words
    for theirs, ours in zip(server, client, strict=False) if not words else ():
        assert theirs.endswith(ours)
