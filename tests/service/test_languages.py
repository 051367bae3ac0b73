"""The language of a session and of a request, on every part; and an error's place, in this request's own text."""

from __future__ import annotations

import pytest

from tests.cluster import Cluster, Connection, message, meta

PARTS = ("proxy", "cache", "m1", "m2")
SAID = {"mg": "tsy misy ny tsanganana", "fr": "la colonne tsisy n'existe pas", "en": "column tsisy does not exist"}


def language_of(connection: Connection, metadata: str = "") -> str:
    """The language in which an error is told now."""
    answer = message(connection.ask(f"{metadata}alaivo tsisy;"))
    return next(language for language, text in SAID.items() if text in answer)


@pytest.mark.parametrize("part", PARTS)
def test_a_session_switches_its_language(shared_cluster: Cluster, part: str) -> None:
    with shared_cluster.connect(part) as connection:
        found = [language_of(connection)]
        for language in ("fr", "en", "mg", "fr"):
            assert message(connection.ask(f"safidio ny fiteny {language};")) == f"Ny fiteny : {language}"
            found += [language_of(connection), language_of(connection, "/*dirk {}*/")]
        assert found == ["mg", "fr", "fr", "en", "en", "mg", "mg", "fr", "fr"]
        assert "22023" in connection.ask("SET LANGUAGE de;")
        assert language_of(connection) == "fr"


@pytest.mark.parametrize("part", PARTS)
def test_a_requests_own_language_holds_for_it_alone(shared_cluster: Cluster, part: str) -> None:
    with shared_cluster.connect(part) as connection:
        assert language_of(connection, '/*dirk {"lang":"fr"}*/') == "fr"
        assert language_of(connection) == "mg"
        connection.ask("SET LANGUAGE en;")
        answer = connection.ask('/*dirk {"lang":"fr"}*/alaivo 1;')
        assert meta(answer)["lang"] == "fr"
        assert language_of(connection) == "en"
        assert meta(connection.ask('/*dirk {"lang":"fr"}*/SET LANGUAGE mg;'))["lang"] == "mg"
        assert language_of(connection) == "mg"


@pytest.mark.parametrize("part", PARTS)
def test_a_request_that_cannot_be_read_is_answered_as_it_asks(shared_cluster: Cluster, part: str) -> None:
    """In its language and with META; a session that is told no META takes its server for one of long ago."""
    with shared_cluster.connect(part) as connection:
        for body, sqlstate, words in (
            (b"}*/ alaivo '\xff'", "22021", "is not UTF-8"),
            (b"}*/ alaivo '\0'", "22021", "is not UTF-8"),
            (b',"args":[{}]}*/ alaivo ?', "22023", "args"),
            (b',"id":5}*/ alaivo 1', "22023", "id"),
            (b',"db":5}*/ alaivo 1', "22023", "db"),
        ):
            connection.socket.sendall(b'/*dirk {"lang":"en"' + body + b";")
            answer = connection.receive()
            assert meta(answer)["sqlstate"] == sqlstate and meta(answer)["lang"] == "en", answer
            assert words in message(answer)
        connection.socket.sendall(b'/*dirk {"lang":"de"}*/ alaivo 1;')
        answer = connection.receive()
        assert (meta(answer)["sqlstate"], meta(answer)["lang"]) == ("22023", "mg")
        assert language_of(connection) == "mg"


@pytest.mark.parametrize("part", PARTS)
def test_an_errors_meta_names_the_requests_database(shared_cluster: Cluster, part: str) -> None:
    name = f"toerana_{part}"
    with shared_cluster.connect(part) as connection:
        connection.ask(f"manamboara tahiry {name};")
        made = meta(connection.ask(f"/*dirk {{\"db\":\"{name}\"}}*/manamboara tabilao t (anarana text, n isa);"))
        for text in ("alaivo tsisy ao@ t", "fafao ao@ tsisy"):
            found = meta(connection.ask(f"/*dirk {{\"db\":\"{name}\"}}*/{text};"))
            assert (found["db"], found["log"], found["kind"]) == (name, made["log"], "error")
        unknown = meta(connection.ask('/*dirk {"db":"tsy_misy"}*/alaivo 1;'))
        assert (unknown["db"], unknown["sqlstate"]) == ("tsy_misy", "3D000")
        connection.ask(f"ravao ny tahiry {name};")


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("alaivo n,\n  anarna ao@ t;", 2, 3, "anarana angaha ?"),
        ("alaivo 'a''b', \"c\\\"d\", 1e3, anarna ao@ t;", 1, 29, "anarana angaha ?"),
        ("alaivo '1', 2, 3.0, anarna ao@ t;", 1, 21, "anarana angaha ?"),
        ("alaivo t.anarna ao@ t;", 1, 10, "anarana angaha ?"),
        ("alaivo lenght(n) ao@ t;", 1, 8, "length angaha ?"),
        ("alaivo 1 ao@ tt;", 1, 14, "t angaha ?"),
        ("alaivo n ao@ t, t u;", 1, 8, "maro"),
        ("manampia ao@ t (n, anarna) sanda (1, 'x'), (2, 'y');", 1, 20, "anarana angaha ?"),
        ("manampia ao@ t sanda ('a;', -1),('b',null)  ka CONFLICT (anarna) DO NOTHING", 1, 58, "anarana angaha ?"),
        ("manampia ao@ t sanda ('a', -1),('b',null) retrning n", 1, 43, "RETURNING angaha ?"),
        ("havaozy t ova n = 'a\nb', anarna = 1;", 2, 5, "anarana angaha ?"),
        ("fafao ao@ t rehefa 1 = 2 ary anarna = 'x';", 1, 30, "anarana angaha ?"),
        ("manamboara tabilao u (a isa, b lahatsorata);", 1, 32, "LAHATSORATRA angaha ?"),
        ("manamboara tabilao u (a isa, b lahatsorata(1, 2));", 1, 32, "LAHATSORATRA angaha ?"),
        ("manamboara tabilao t (a isa);", 1, 20, "efa misy"),
        ("ovay ny tabilao t ampio tsanganana x lahatsorata;", 1, 38, "LAHATSORATRA angaha ?"),
        ("ampiasao fitran;", 1, 10, "fitrana angaha ?"),
        ("alaivo anarna ao@ t; -- 'x'", 1, 8, "anarana angaha ?"),
        ("/* 'q' */ alaivo /* 'z' */ anarna ao@ t;", 1, 18, "anarana angaha ?"),
    ],
)
def test_an_error_of_meaning_points_to_its_place(
    shared_cluster: Cluster, text: str, line: int, column: int, words: str
) -> None:
    with shared_cluster.connect("proxy") as connection:
        connection.ask("manamboara tahiry raha tsy misy fitrana;")
        connection.ask("ampiasao fitrana;")
        connection.ask("manamboara tabilao raha tsy misy t (anarana text, n isa);")
        answer = connection.ask(f"/*dirk {{}}*/{text.partition('; --')[0].removesuffix(';')};")
        said, source, caret, *_ = message(answer).split("\n")
        found = meta(answer)
        assert (found["line"], found["column"]) == (line, column), answer
        assert words in said and f"andalana faha-{line}, tarehintsoratra faha-{column}" in said
        assert source.strip() and caret.index("^") == column + 1
