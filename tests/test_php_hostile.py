"""What a peer sends, and what a script's callbacks leave behind, ends no worker and lets no peer hang."""

import json
import os
import signal
import socket

import pytest

from conftest import TESTS
from server import php_command, wait_until
from wire import TEXT, Wire, frame, open_websocket, upgrade_request

INPUT_VARS_MAX = 1000  # max_input_vars
MANY = "&".join(f"a{number}=1" for number in range(INPUT_VARS_MAX + 200))
DEEP = "a" + "[a]" * 100 + "=1"  # max_input_nesting_level is 64
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture
def hostile(php_server):
    """php/hostile.php: its error handler throws."""
    return php_server(TESTS / "php/hostile.php", "PORT")


@pytest.mark.parametrize(
    "request_of, sizes",
    [
        ({"target": f"/?{MANY}"}, [INPUT_VARS_MAX, 0, 0]),
        ({"target": f"/?{DEEP}"}, [0, 0, 0]),
        ({"headers": [f"Cookie: {DEEP}; b=1"]}, [0, 1, 0]),
        ({"headers": [FORM], "method": "POST", "body": MANY.encode()}, [0, 0, INPUT_VARS_MAX]),
    ],
    ids=["too many in the query", "too deep in the query", "too deep a cookie", "too many in the body"],
)
def test_variables_php_warns_of_are_dropped(hostile, request_of, sizes):
    workers = hostile.workers(1)
    with Wire(hostile.port) as wire:
        how = {key: value for key, value in request_of.items() if key in ("method", "body")}
        answer = wire.request(request_of.get("target", "/"), *request_of.get("headers", []), **how).response()
        assert answer.status == 200
        # The script's own warnings still reach its error handler.
        assert answer.json() == [*sizes, "yes"]
        assert wire.get("/").json() == [0, 0, 0, "yes"]
    hostile.wait_output(r"WARNING\tconnection 1: variables beyond PHP's max_input_vars")
    assert hostile.workers(1) == workers


def test_an_upgrade_with_too_many_variables(hostile):
    with open_websocket(hostile.port, f"/?{MANY}") as wire:
        assert wire.message() == str(INPUT_VARS_MAX)


# ---- answers that do not fit ----


@pytest.fixture
def refusing(php_server):
    """php/refused_answer.php: answers may be 64 KiB in one piece, 256 KiB may be owed."""
    return php_server(TESTS / "php/refused_answer.php", "PORT")


@pytest.mark.parametrize("path", ["/end", "/write"])
def test_an_answer_over_the_limit_becomes_a_500(refusing, path):
    with Wire(refusing.port) as wire:
        answer = wire.get(path)
        assert (answer.status, answer["Connection"], answer.body) == (500, "close", b"")
        assert wire.until_closed() == b""
    refusing.wait_output(rf"^{path} \[false,1203,false\]$")


def test_an_answer_within_the_limit(refusing):
    with Wire(refusing.port) as wire:
        assert len(wire.get("/fits").body) == (1 << 16) - 300
        assert wire.get("/fits").status == 200


def test_a_stream_with_a_hole_has_no_end(refusing):
    with Wire(refusing.port) as wire:
        wire.request("/stream")
        head, _, body = wire.until_closed().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == b"5\r\nbegun\r\n"
    refusing.wait_output(r"^/stream \[true,false,1203,false,false,false\]$")


def test_a_stream_nobody_reads_is_broken_off(refusing):
    with Wire(refusing.port) as wire:
        wire.request("/flood")
        refusing.wait_output(r"^/flood \[true,1009,false\]$")
        assert not wire.until_closed().endswith(b"0\r\n\r\n")


# ---- the end of a worker ----


@pytest.mark.parametrize(
    "how, code, shown",
    [
        ("throw", 255, "Uncaught RuntimeException: thrown by the callback"),
        ("exit", 7, ""),
        ("fatal", 255, "Fatal error: the end"),
        ("memory", 255, "Allowed memory size"),
        ("argument", 255, "Uncaught LogicException: thrown by a destructor"),
        ("result", 255, "Uncaught LogicException: thrown by a destructor"),
        ("defer", 255, "Uncaught LogicException: thrown by a destructor"),
    ],
)
def test_what_was_pushed_before_the_worker_ended_arrives(php_server, how, code, shown):
    server = php_server(TESTS / "php/last_words.php", "PORT")
    (worker,) = server.workers(1)
    with open_websocket(server.port) as wire:
        # One segment: all of them are one batch.
        wire.send(frame(TEXT, "one") + frame(TEXT, "two") + frame(TEXT, how))
        assert [wire.message(), wire.message()] == ["one", "two"]
        wire.until_closed()
    server.wait_output(rf"worker 0 \(pid {worker}\) exited with code {code}\b")
    assert shown in server.output
    assert "caught" not in server.output.replace("Uncaught", "")
    assert "worker returned" not in server.output
    with open_websocket(server.port) as wire:
        wire.echo("hello again")


def test_notices_are_no_information(php_server):
    server = php_server(TESTS / "php/last_words.php", "PORT", 3)
    (worker,) = server.workers(1)
    os.kill(worker, signal.SIGTERM)
    wait_until(lambda: server.workers() != [worker] and server.workers(1), "another worker")
    with open_websocket(server.port) as wire:
        wire.text("exit").until_closed()
    server.wait_output("exited with code 7")
    assert "INFO" not in server.output


# ---- calls that make no sense where they are made ----

NO_WORKER = "this process is no worker of the server: a fork of the script's own cannot use it"


@pytest.fixture
def odd(php_server):
    """php/odd_calls.php: each message is a call."""
    return php_server(TESTS / "php/odd_calls.php", "PORT")


def printed(server, what):
    """(results, warnings) of a call."""
    return tuple(json.loads(server.wait_output(rf"^{what} (\[.*\])$")[1]))


def test_shutdown_asks_the_master_whatever_its_property_says(odd):
    wire = open_websocket(odd.port)
    wire.text("shutdown")
    assert printed(odd, "shutdown") == (True, [])
    wire.skip_to_close()
    wire.socket.close()
    assert odd.wait_exit() == 0


def test_a_fork_of_the_scripts_own_is_told_so(odd):
    with open_websocket(odd.port) as wire:
        assert wire.text("fork").message() == "forked"
        results, warnings = printed(odd, "fork")
        assert results == [0, False, [], False]
        assert [text.rpartition("): ")[2] or text for text in warnings] == [NO_WORKER] * 4
        wire.echo("still here")


def test_nothing_is_written_before_a_handshakes_answer(odd):
    with Wire(odd.port) as wire:
        answer = wire.upgrade()
        assert (answer["Connection"], answer["Upgrade"], answer["X-Own"]) == ("Upgrade", "websocket", "mine")
        assert (answer["Content-Length"], answer["Transfer-Encoding"]) == (None, None)
        wire.echo("hello")
    results, warnings = printed(odd, "handshake")
    assert results == [False] * 3
    assert len(warnings) == 1 and "status code[200]" in warnings[0]


def test_a_request_is_answered_with_a_final_status(odd):
    with Wire(odd.port) as wire:
        answer = wire.get("/")
        assert (answer.status, answer["Location"], answer.body) == (200, None, b"done")
    results, warnings = printed(odd, "request")
    assert results == [False] * 3
    assert [text[text.index("[") : text.index("]") + 1] for text in warnings] == ["[101]", "[199]", "[100]"]


# ---- loops over the connections ----


def test_loops_over_the_connections_nest(odd):
    with open_websocket(odd.port), open_websocket(odd.port), open_websocket(odd.port) as wire:
        wire.text("nested")
        assert printed(odd, "nested") == ([[a, b] for a in (1, 2, 3) for b in (1, 2, 3)], [])
        wire.text("methods")
        assert printed(odd, "methods") == ([[1, 1], [2, 2], [3, 3]], [])
        wire.text("close all")
        assert printed(odd, "closed") == ([[1, True], [2, True], [3, True]], [])


# ---- unix sockets ----


def unix_server(start_server, path):
    """php/unix_echo.php on this path, once it listens."""
    server = start_server(php_command(TESTS / "php/unix_echo.php", path), 0, False)
    server.wait_output(r"^ready$")
    return server


def unix_echo(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(upgrade_request() + frame(TEXT, "hello"))
        received = b""
        while not received.endswith(b"\x81\x05hello"):
            data = client.recv(1 << 16)
            assert data, received
            received += data


def test_a_unix_socket_is_taken_over_from_a_dead_server(start_server, tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = unix_server(start_server, path)
    unix_echo(path)
    assert server.stop() == 0
    assert not path.exists()
    unix_server(start_server, path)
    unix_echo(path)


def test_a_unix_socket_in_use_and_a_file_are_left_alone(start_server, tmp_path):
    path = tmp_path / "socket"
    unix_server(start_server, path)
    second = start_server(php_command(TESTS / "php/unix_echo.php", path), 0, False)
    assert second.wait_exit() == 255
    assert "Address already in use" in second.output
    unix_echo(path)
    (tmp_path / "file").write_text("precious")
    third = start_server(php_command(TESTS / "php/unix_echo.php", tmp_path / "file"), 0, False)
    assert third.wait_exit() == 255
    assert (tmp_path / "file").read_text() == "precious"
