"""The client on a real pseudo-terminal, as a person meets it."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.fake_server import DROP, Asked, FakeServer, message, ordinary, wait_for
from tests.client.terminal import Terminal

Serve = Callable[..., FakeServer]


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Opens the client for a fake server on a terminal of its own."""
    opened: list[Terminal] = []

    def open_terminal(server: FakeServer, *arguments: str, **environment: str) -> Terminal:
        environment = {"DIRK_LANG": "en", "XDG_STATE_HOME": str(tmp_path), **environment}
        opened.append(Terminal(*arguments, "127.0.0.1", str(server.port), **environment))
        return opened[-1]

    yield open_terminal
    for terminal in opened:
        terminal.close()


Sit = Callable[..., Terminal]


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_prompt_continuation_database_and_leaving(serve: Serve, sit: Sit, term: str) -> None:
    server = serve()
    terminal = sit(server, term=term)
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo *\r")
    terminal.expect("        > ")
    terminal.press("ao@ t;\r")
    terminal.expect("│  1 │ Rakoto  │")
    terminal.expect("(3 rows, ")
    terminal.press("ampiasao testdb;\r")
    terminal.expect("Ny tahiry : testdb dia miasa ankehitriny")
    terminal.expect("|testdb> ")
    terminal.press("help\r")
    terminal.expect("docs/language.md")
    terminal.expect("|testdb> ")
    terminal.press("quit\r")
    assert terminal.status() == 0
    assert server.statements() == ["alaivo *\nao@ t", "ampiasao testdb"]


def test_the_welcome_and_the_help_are_in_the_server_s_language(serve: Serve, sit: Sit) -> None:
    """When nobody has asked for one: the server's errors would be in another than what the client says."""

    def french(asked: Asked) -> bytes:
        return message("Hadisoana : erreur de syntaxe (42601)", {"node": "m1", "tx": False, "lang": "fr"})

    terminal = sit(serve(french), DIRK_LANG="")
    terminal.expect("Tapez miala pour quitter")
    terminal.expect("|DirkDB> ")
    terminal.press("aide\r")
    terminal.expect("Tout le langage")
    terminal.press("quit\r")
    assert terminal.status() == 0


def test_errors_are_red_and_their_caret_stands_alone(serve: Serve, sit: Sit) -> None:
    terminal = sit(serve())
    terminal.expect("|DirkDB> ")
    terminal.press("diso;\r")
    terminal.expect("andrasana : alaivo (42601)")
    assert "\x1b[31m  ^\x1b[0m" in terminal.seen
    terminal.press("\x04")
    assert terminal.status() == 0


def test_no_color_is_kept(serve: Serve, sit: Sit) -> None:
    terminal = sit(serve(), NO_COLOR="1")
    terminal.expect("|DirkDB> ")
    terminal.press("diso;\r")
    terminal.expect("(42601)")
    assert "\x1b[31m" not in terminal.seen


def test_ctrl_c_clears_the_line(serve: Serve, sit: Sit) -> None:
    server = serve()
    terminal = sit(server)
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo wrong\r")
    terminal.expect("        > ")
    terminal.press("\x03")
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo 1;\r")
    terminal.expect("(3 rows, ")
    assert server.statements() == ["alaivo 1"]


def test_ctrl_c_cancels_the_statement_not_the_client(serve: Serve, sit: Sit) -> None:
    leave = threading.Event()

    def slow(asked: Asked) -> bytes:
        if "slow" in asked.statement:
            leave.wait(20)
        return ordinary(asked)

    server = serve(slow)
    terminal = sit(server)
    terminal.expect("|DirkDB> ")
    terminal.press("ampiasao testdb;\r")
    terminal.expect("|testdb> ")
    terminal.press("alaivo slow;\r")
    terminal.expect("alaivo slow;")
    wait_for(lambda: len(server.asked) == 2)
    terminal.press("\x03")
    assert "\n\n" not in terminal.expect("statement cancelled")
    terminal.expect("|testdb> ")
    terminal.press("fafao ao@ slow;\r")
    wait_for(lambda: len(server.asked) == 3)
    terminal.press("\x03")
    terminal.expect("it is not known whether the write happened")
    terminal.expect("|testdb> ")
    leave.set()
    terminal.press("alaivo 1;\r")
    terminal.expect("(3 rows, ")
    assert [asked.connection for asked in server.asked] == [1, 1, 2, 3]
    assert server.asked[-1].metadata["db"] == "testdb"  # type: ignore[index]


def test_server_that_restarts_is_found_again(serve: Serve, sit: Sit) -> None:
    server = serve()
    terminal = sit(server)
    terminal.expect("|DirkDB> ")
    terminal.press("ampiasao testdb;\r")
    terminal.expect("|testdb> ")
    server.stop()
    terminal.press("manampia ao@ t sanda (1);\r")
    terminal.expect("was lost; trying again")
    server.start()
    terminal.expect("connected again to 127.0.0.1:")
    terminal.expect("Tafinditra ny fiovana ny tabilao (2)")
    assert terminal.seen.count("trying again") == 1


def test_lost_write_is_resent_once_with_its_id(serve: Serve, sit: Sit) -> None:
    def answer(asked: Asked) -> bytes:
        return DROP if asked.connection == 1 and "manampia" in asked.statement else ordinary(asked)

    server = serve(answer)
    terminal = sit(server)
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo 1;\r")
    terminal.expect("(3 rows, ")
    terminal.press("manampia ao@ t sanda (1);\r")
    terminal.expect("Tafinditra ny fiovana ny tabilao (2)")
    writes = [asked.metadata["id"] for asked in server.asked if "manampia" in asked.statement]  # type: ignore[index]
    assert len(writes) == 2 and len(set(writes)) == 1


def test_pasted_statements_all_run(serve: Serve, sit: Sit) -> None:
    server = serve()
    terminal = sit(server)
    terminal.expect("|DirkDB> ")
    terminal.press("\x1b[200~alaivo 1;\nalaivo\n 2; alaivo 3;\x1b[201~\r")
    wait_for(lambda: (terminal.expect("(3 rows, "), len(server.asked) == 3)[1])
    assert server.statements() == ["alaivo 1", "alaivo\n 2", "alaivo 3"]


def test_clear_and_history(serve: Serve, sit: Sit, tmp_path: Path) -> None:
    server = serve()
    terminal = sit(server)
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo 7;\r")
    terminal.expect("(3 rows, ")
    terminal.press("diovy\r")
    wait_for(lambda: (terminal.expect("|DirkDB> "), "\x1b[H\x1b[2J" in terminal.seen)[1])
    terminal.press("exit;\r")
    assert terminal.status() == 0
    history = tmp_path / "dirkdb" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    again = sit(server)
    again.expect("|DirkDB> ")
    again.press("\x1b[A\x1b[A\x1b[A\r")
    again.expect("(3 rows, ")
    assert server.statements() == ["alaivo 7", "alaivo 7"]


def test_nobody_listens_on_a_terminal(serve: Serve, sit: Sit) -> None:
    server = serve()
    server.stop()
    terminal = sit(server)
    assert terminal.status() == 2
    assert f"nothing answers at 127.0.0.1:{server.port}" in terminal.seen


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_ctrl_c_leaves_where_asked_and_only_an_empty_prompt(serve: Serve, sit: Sit, term: str) -> None:
    terminal = sit(serve(), "--interrupt-leaves", term=term)
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo\r")
    terminal.expect("        > ")
    terminal.press("\x03")
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo 1;\r")
    terminal.expect("(3 rows, ")
    terminal.expect("|DirkDB> ")
    terminal.press("\x03")
    assert terminal.status() == 0


def test_keys_pressed_while_a_statement_runs_are_kept(serve: Serve, sit: Sit) -> None:
    go = threading.Event()

    def slow(asked: Asked) -> bytes:
        go.wait(20)
        return ordinary(asked)

    server = serve(slow)
    terminal = sit(server)
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo 1;\r")
    wait_for(lambda: len(server.asked) == 1)
    terminal.press("alaivo 2;\r\x04")
    go.set()
    assert terminal.status() == 0
    assert server.statements() == ["alaivo 1", "alaivo 2"]
    assert terminal.echoes()


def test_sigterm_gives_the_terminal_back(serve: Serve, sit: Sit) -> None:
    terminal = sit(serve())
    terminal.expect("|DirkDB> ")
    terminal.press("alaivo 1;\r")
    terminal.expect("(3 rows, ")
    terminal.expect("|DirkDB> ")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.status() == 143
    assert terminal.echoes()
