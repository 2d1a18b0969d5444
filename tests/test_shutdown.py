"""SIGTERM and SIGINT: every client hears 1001, the server is gone in time with exit code 0, and nothing stays behind."""

import signal
import time

import pytest

from server import MAX_WAIT_SECONDS
from wire import TEXT, Wire, frame, open_websocket

CLIENTS = 50
SECONDS_MARGIN = 1.5
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)


def assert_gone(server, begun):
    assert server.wait_exit() == 0
    assert time.monotonic() - begun < MAX_WAIT_SECONDS + SECONDS_MARGIN
    assert server.remaining() == []


@SIGNALS
@pytest.mark.parametrize("workers", [1, 2])
def test_every_client_is_told(echo_server, number, workers):
    server = echo_server(workers=workers)
    wires = [open_websocket(server.port) for _ in range(CLIENTS)]
    for wire in wires:
        wire.echo("hello")
    begun = time.monotonic()
    server.terminate(number)
    for wire in wires:
        with wire:
            wire.expect_close(1001)
    assert_gone(server, begun)


@SIGNALS
def test_clients_that_do_not_answer_hold_nothing_up(echo_server, number):
    server = echo_server()
    with (
        open_websocket(server.port) as deaf,
        open_websocket(server.port) as halfway,
        Wire(server.port) as silent,
        open_websocket(server.port) as clogged,
    ):
        halfway.send(frame(TEXT, "never finished", fin=False))
        silent.send(b"GET / HT")
        clogged.socket.settimeout(0.5)
        try:
            for _ in range(500):  # echoes that nobody reads, more than the kernel's buffers hold
                clogged.text("x" * 60_000)
        except TimeoutError:
            pass
        deaf.echo("hello")
        begun = time.monotonic()
        server.terminate(number)
        assert_gone(server, begun)


def test_idle_server(echo_server):
    server = echo_server(workers=2)
    with open_websocket(server.port) as wire:
        wire.echo("hello")
    begun = time.monotonic()
    server.terminate()
    assert_gone(server, begun)


def test_the_port_is_free_again(echo_server):
    server = echo_server()
    with open_websocket(server.port) as wire:
        wire.echo("hello")
        server.terminate()
        assert server.wait_exit() == 0
    with pytest.raises(ConnectionRefusedError):
        Wire(server.port)
