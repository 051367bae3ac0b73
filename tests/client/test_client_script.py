"""The client without a terminal: output, exit statuses, places of errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.fake_server import DROP, Asked, FakeServer, message, relation

Serve = Callable[..., FakeServer]
Result = subprocess.CompletedProcess[str]


def run(server: FakeServer, *arguments: str, stdin: str | bytes = "", lang: str = "en") -> Result:
    command = [sys.executable, "-m", "dirk_gevent.cli", "client", *arguments, "127.0.0.1", str(server.port)]
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    done = subprocess.run(
        command, input=data, capture_output=True, timeout=30, check=False, env={**os.environ, "DIRK_LANG": lang}
    )
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_stdin_is_a_script(serve: Serve) -> None:
    server = serve()
    script = "ampiasao testdb;\nalaivo *\n  ao@ t;\n-- end;\nmanampia ao@ t sanda (1);\nmiala\nnever;\n"
    done = run(server, stdin=script)
    assert done.stdout == (
        "Ny tahiry : testdb dia miasa ankehitriny\n"
        "+----+---------+\n| id | anarana |\n+----+---------+\n"
        "|  1 | Rakoto  |\n|  2 | Éric    |\n|  3 | <null>  |\n+----+---------+\n"
        "(3 rows)\n"
        "Tafinditra ny fiovana ny tabilao (2)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert server.statements() == ["ampiasao testdb", "alaivo *\n  ao@ t", "manampia ao@ t sanda (1)"]


def test_first_error_stops_a_script_and_names_its_line(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    file = tmp_path / "a.dirkdb"
    file.write_text("\ufeff-- one\nalaivo 1;\n\n-- two\ndiso\n  diso;\nalaivo 2;\n", "utf-8")
    done = run(server, "-f", str(file))
    assert done.returncode == 3
    assert done.stderr.splitlines()[0] == f"{file}:6: Hadisoana : tsy mety ny teny hoe diso"
    assert done.stderr.splitlines()[1:] == ["  diso", "  ^", "andrasana : alaivo (42601)"]
    assert server.statements() == ["alaivo 1", "diso\n  diso"]


def test_keep_going_runs_the_rest_and_still_fails(serve: Serve) -> None:
    server = serve()
    done = run(server, "--keep-going", "-f", "-", stdin="diso;\nalaivo 2;\ndiso;\n")
    assert done.returncode == 3
    assert [line[:11] for line in done.stderr.splitlines() if "<stdin>" in line] == ["<stdin>:1: ", "<stdin>:3: "]
    assert len(server.asked) == 3


def test_statements_of_the_command_line(serve: Serve) -> None:
    server = serve()
    done = run(server, "-d", "testdb", "-e", "alaivo 1; alaivo 2", "-e", "alaivo 3 -- the end", "--format", "json")
    assert done.returncode == 0
    assert server.statements() == ["ampiasao `testdb`", "alaivo 1", "alaivo 2", "alaivo 3 -- the end"]
    assert json.loads(done.stdout.split("]\n")[0] + "]")[1] == {"id": 2, "anarana": "Éric"}
    assert run(server, "-e", "diso", "-e", "alaivo 1").stderr.startswith("<-e 1>:1: Hadisoana")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alaivo 1;\nfafao ao@ t\n", "<stdin>:2: the input ends before a “;” ends the statement: it was not sent"),
        ("alaivo 1;\nalaivo 'a;\n", "<stdin>:2: the input ends while “'” is still open: the statement was not sent"),
    ],
)
def test_half_a_statement_is_not_sent(serve: Serve, text: str, said: str) -> None:
    server = serve()
    done = run(server, stdin=text)
    assert (done.returncode, done.stderr) == (3, said + "\n")
    assert server.statements() == ["alaivo 1"]


def test_bytes_that_are_not_utf8(serve: Serve) -> None:
    server = serve()
    done = run(server, stdin=b"alaivo 1;\nalaivo '\xff';\n")
    assert (done.returncode, done.stderr) == (3, "<stdin>:2: the text is not UTF-8\n")


def test_wrong_usage_is_status_2(serve: Serve) -> None:
    server = serve()
    wrong = ("--nonsense", "--format xml", "--lang de", "-f /nowhere/at/all", "a b c")
    for arguments in wrong:
        done = run(server, *arguments.split())
        assert done.returncode == 2, arguments
        assert done.stderr and "Traceback" not in done.stderr
    assert run(server, "--version").returncode == 0
    assert "Usage:" in run(server, "--help").stdout


def test_nobody_listens(serve: Serve) -> None:
    server = serve()
    server.stop()
    done = run(server, stdin="alaivo 1;")
    assert done.returncode == 2
    assert f"nothing answers at 127.0.0.1:{server.port}" in done.stderr and "bin/dirk-up" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_wait_for_a_server(serve: Serve) -> None:
    server = serve()
    server.stop()
    command = [sys.executable, "-m", "dirk_gevent.cli", "client", "--wait", "60", "-e", "alaivo 1", "127.0.0.1"]
    environ = {**os.environ, "DIRK_LANG": "en"}
    with subprocess.Popen(
        [*command, str(server.port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environ
    ) as client:
        assert client.stderr is not None
        assert "waiting for a server" in client.stderr.readline()
        server.start()
        assert client.wait(timeout=30) == 0, client.stderr.read()


def test_unknown_database_of_the_command_line(serve: Serve) -> None:
    server = serve(lambda _: message("Hadisoana : tsy misy ny tahiry x (3D000)"))
    done = run(server, "-d", "x", "-e", "alaivo 1")
    assert (done.returncode, done.stderr) == (2, "dirk-client: Hadisoana : tsy misy ny tahiry x (3D000)\n")


def test_unknown_outcome_stops_even_keep_going(serve: Serve) -> None:
    server = serve(lambda _: message("Hadisoana : ? (08007)", {"sqlstate": "08007"}))
    done = run(server, "--keep-going", stdin="manampia ao@ t sanda (1);\nalaivo 1;\n")
    assert done.returncode == 3
    assert done.stderr.startswith("<stdin>:1: it is not known whether the write happened")
    assert server.asked[0].metadata["id"] in done.stderr  # type: ignore[index]
    assert "alaivo 1" not in server.statements()


def test_formats_for_programs_keep_messages_off_stdout(serve: Serve) -> None:
    done = run(serve(), "--format", "csv", "-e", "manampia ao@ t sanda (1); alaivo 1")
    assert done.stdout == "id,anarana\n1,Rakoto\n2,Éric\n3,\n"
    assert "Tafinditra" in done.stderr


def test_reader_that_goes_away_ends_it_quietly(serve: Serve) -> None:
    whole = relation(["n"], [[n] for n in range(100_000)])
    server = serve(lambda _: whole)
    words = [sys.executable, "-m", "dirk_gevent.cli", "client", "-e", "alaivo n", "127.0.0.1", str(server.port)]
    client = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout is not None and client.stderr is not None
    client.stdout.readline()
    client.stdout.close()
    assert (client.wait(120), client.stderr.read()) == (1, b"")
    client.stderr.close()


def test_error_after_pages_voids_them(serve: Serve) -> None:
    whole = relation(["n"], [[n] for n in range(400)])
    pages = whole[: whole.index(b"RELATION_JSON_END")]
    server = serve(lambda _: pages + message("Hadisoana : lava loatra (57014)"))
    done = run(server, "-e", "alaivo n ao@ t")
    assert (done.returncode, done.stderr) == (3, "<-e>:1: Hadisoana : lava loatra (57014)\n")
    assert "rows)" not in done.stdout


def test_languages(serve: Serve) -> None:
    server = serve()
    assert "(3 lignes)" in run(server, "-e", "alaivo 1", lang="fr").stdout
    assert "(isan'ny andalana : 3)" in run(server, "-e", "alaivo 1", "--lang", "mg", lang="fr").stdout
    assert "(3 rows)" in run(server, "-e", "safidio ny fiteny en; alaivo 1", lang="fr").stdout


def test_connection_lost_for_good_is_status_2(serve: Serve) -> None:
    def answer(asked: Asked) -> bytes:
        return DROP

    done = run(serve(answer), "-e", "alaivo 1")
    assert done.returncode == 2
    assert "was lost at every attempt" in done.stderr


def test_client_loads_neither_grammar_nor_gevent(serve: Serve) -> None:
    server = serve()
    code = (
        "import sys; from dirk_gevent.cli import client\n"
        f"client(['-e', 'alaivo 1', '{server.port}'])\n"
        "heavy = ('dirk_parser', 'ply', 'gevent', 'prompt_toolkit', 'apsw')\n"
        "lexical = ['dirk_parser.lexical.' + name for name in ('keywords', 'repetition', 'rules')]\n"
        "light = ('dirk_parser', *('dirk_parser.' + name for name in ('errors', 'names', 'lexical')), *lexical)\n"
        "loaded = [m for m in sys.modules if m.split('.')[0] in heavy and m not in light]\n"
        "print(loaded, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr.strip() == "[]"
