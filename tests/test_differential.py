"""Random messages from WebSocket implementations that others wrote come back from our servers as they were sent, and
those of our client from their servers.

Each peer has two roles, on the command line: `serve [PORT]` prints "listening on ..." and echoes in random fragments;
`drive URL SEED COUNT [--deflate]` sends messages of 0 to 16 MiB in random fragments, with pings in between, some
without waiting for those before, and exits with 0 if all came back in order and the close with 1000."""

import contextlib
import json
import pathlib
import re
import sys
import tempfile
import threading

import pytest
from websockets.sync.server import serve

from conftest import KINDS, TESTS, node_command, servers, start_kind, start_php
from server import free_port, peers_command, run

OURS = "wirewool"
PEERS = {
    "tungstenite": lambda *arguments: peers_command("tungstenite", *arguments),
    "yawc": lambda *arguments: peers_command("yawc", *arguments),
    OURS: lambda *arguments: peers_command("wirewool", *arguments),
    "websockets": lambda *arguments: [sys.executable, TESTS / "peer.py", *arguments],
    "ws": lambda *arguments: node_command(TESTS / "npm/peer.mjs", *arguments),
}
CANNOT_COMPRESS = ["tungstenite"]
# By default our servers keep no context between messages, whatever the client offers.
KEEP_CONTEXT = {"server_context_takeover": True, "client_context_takeover": True}
COUNT = 120
DRIVE_SECONDS_MAX = 55


@pytest.fixture(scope="module", params=[*KINDS, "php-context"])
def server(request, tmp_path_factory):
    with servers(tmp_path_factory.mktemp("differential")) as start:
        if request.param == "php-context":
            yield start_php(start, TESTS / "php/compression.php", "PORT", json.dumps(KEEP_CONTEXT))
        else:
            yield start_kind(start, request.param, deflate=True)


def drive(peer, port, seed, count, *options):
    return run(PEERS[peer]("drive", f"ws://127.0.0.1:{port}/", seed, count, *options), DRIVE_SECONDS_MAX)


def assert_all_came_back(ended):
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith(f"{COUNT} messages came back, close 1000, "), ended.stdout


@pytest.mark.parametrize("peer", PEERS)
def test_plain(server, peer):
    ended = drive(peer, server.port, 1, COUNT)
    assert_all_came_back(ended)
    assert "no extension" in ended.stdout


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer not in CANNOT_COMPRESS])
def test_compressed(server, peer, seed):
    ended = drive(peer, server.port, seed, COUNT, "--deflate")
    assert_all_came_back(ended)
    assert "permessage-deflate" in ended.stdout


@pytest.fixture(scope="module", params=PEERS)
def peer_server(request, tmp_path_factory):
    """(its name, the port) of each peer as a server."""
    port = free_port()
    with servers(tmp_path_factory.mktemp("peer")) as start:
        start(PEERS[request.param]("serve", port), port)
        yield request.param, port


def test_our_client_plain(peer_server):
    _, port = peer_server
    ended = drive(OURS, port, 3, COUNT)
    assert_all_came_back(ended)
    assert "no extension" in ended.stdout


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_our_client_compressed(peer_server, seed):
    name, port = peer_server
    if name in CANNOT_COMPRESS:
        pytest.skip(f"{name} cannot compress")
    ended = drive(OURS, port, seed, COUNT, "--deflate")
    assert_all_came_back(ended)
    assert "permessage-deflate" in ended.stdout


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer != OURS])
def test_our_server_in_fragments(peer):
    """The echo servers above answer in one frame."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, servers(pathlib.Path(folder)) as start:
        start(PEERS[OURS]("serve", port), port)
        options = [] if peer in CANNOT_COMPRESS else ["--deflate"]
        assert_all_came_back(drive(peer, port, 7, COUNT, *options))


# ---- a driver that would not notice is worth nothing ----


def change_a_byte(socket, number, message):
    if number > 3 and isinstance(message, bytes) and message:
        message = message[:-1] + bytes([message[-1] ^ 1])
    socket.send(message)


def change_the_kind(socket, number, message):
    socket.send(message.encode() if number > 3 and isinstance(message, str) else message)


def drop_the_end(socket, number, message):
    socket.send(message[:-1] if number > 3 else message)


def send_twice(socket, number, message):
    socket.send(message)
    if number == 5:
        socket.send(message)


@contextlib.contextmanager
def in_one_piece(socket):
    """All that is sent within leaves at once: the driver's own close frame must not come between."""

    def send(message):
        if isinstance(message, str):
            socket.protocol.send_text(message.encode())
        else:
            socket.protocol.send_binary(message)

    with socket.send_context():
        yield send


def send_one_more(socket, number, message):
    if number < FAULTY_COUNT:
        socket.send(message)
        return
    with in_one_piece(socket) as send:
        send(message)
        send(message)


def close_early(socket, number, message):
    if number == 5:
        socket.close(1000)
    else:
        socket.send(message)


def close_with_another_code(socket, number, message):
    if number < FAULTY_COUNT:
        socket.send(message)
        return
    with in_one_piece(socket) as send:
        send(message)
        socket.protocol.send_close(1001)


FAULTY_COUNT = 20
FAULTS = [
    (change_a_byte, "came back"),
    (change_the_kind, "came back"),
    (drop_the_end, "came back"),
    (send_twice, "came back|more than asked for"),
    (send_one_more, "more than asked for"),
    (close_early, "closed too early|received 1000"),
    (close_with_another_code, "1001"),
]


@contextlib.contextmanager
def faulty_server(answer):
    def echo(socket):
        for number, message in enumerate(socket, 1):
            answer(socket, number, message)

    with serve(echo, "127.0.0.1", 0, max_size=None, compression=None) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield listening.socket.getsockname()[1]
        finally:
            listening.shutdown()
            thread.join()


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("fault", "complaint"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_driver_notices(peer, fault, complaint):
    with faulty_server(fault) as port:
        ended = drive(peer, port, 1, FAULTY_COUNT)
    assert ended.returncode == 1, ended.stdout
    assert "messages came back" not in ended.stdout
    assert re.search(complaint, ended.stderr), ended.stderr
