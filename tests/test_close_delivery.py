"""The bar: a client that is still sending 16 MiB when its connection is failed learns why."""

import asyncio
import threading

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from conftest import TESTS
from wire import BINARY, TEXT, frame, header, open_websocket

BULK = bytes(16 << 20)
BULK_FRAME = frame(BINARY, BULK)
VIOLATIONS = {
    1002: frame(TEXT, "x", mask=False),
    1007: frame(TEXT, b"\xff"),
    1009: header(BINARY, 1 << 40),
}


@pytest.mark.parametrize("code", VIOLATIONS)
def test_violation(echo, code):
    with open_websocket(echo.port) as wire:
        wire.send(VIOLATIONS[code]).send_regardless(BULK_FRAME)
        assert wire.skip_to_close().code == code


@pytest.mark.parametrize("code", VIOLATIONS)
def test_violation_behind_messages_that_are_answered(echo, code):
    with open_websocket(echo.port) as wire:
        wire.send(frame(BINARY, BULK[: 1 << 20]) + VIOLATIONS[code])
        # What is owed has to be read before it can be followed by a close frame, so here it is read meanwhile.
        sender = threading.Thread(target=wire.send_regardless, args=[BULK_FRAME])
        sender.start()
        try:
            assert len(wire.message()) == 1 << 20
            wire.expect_close(code)
        finally:
            sender.join()


@pytest.mark.parametrize("code", VIOLATIONS)
def test_violation_seen_by_a_library(echo, code):
    assert closed_by(echo, lambda client: client.transport.write(VIOLATIONS[code])) == (code, "")


def test_shutdown(echo_server):
    server = echo_server()
    with open_websocket(server.port) as wire:
        wire.echo("ready")
        wire.send(BULK_FRAME[: len(BULK_FRAME) // 2])
        server.terminate()
        wire.send_regardless(BULK_FRAME[len(BULK_FRAME) // 2 :])
        assert wire.skip_to_close().code == 1001
    assert server.wait_exit() == 0


def test_shutdown_seen_by_a_library(echo_server):
    server = echo_server()
    assert closed_by(server, lambda _: server.terminate()) == (1001, "")
    assert server.wait_exit() == 0


def test_disconnect(php_server):
    server = php_server(TESTS / "php/disconnect.php", "PORT")
    with open_websocket(server.port) as wire:
        wire.text("disconnect me").send_regardless(BULK_FRAME)
        received = wire.skip_to_close()
        assert (received.code, received.reason) == (4000, b"as you wish")


def test_disconnect_seen_by_a_library(php_server):
    server = php_server(TESTS / "php/disconnect.php", "PORT")
    begin = frame(TEXT, "disconnect me")
    assert closed_by(server, lambda client: client.transport.write(begin)) == (4000, "as you wish")


def closed_by(server, cause):
    """Sends 16 MiB again and again with the library websockets; returns how it says the connection was closed."""

    async def send_until_closed():
        url = f"ws://127.0.0.1:{server.port}/"
        async with connect(url, compression=None, proxy=None, max_size=None, max_queue=None) as client:
            await client.send("ready")
            assert await client.recv() == "ready"
            cause(client)
            with pytest.raises(ConnectionClosed):
                while True:
                    await client.send(BULK)
            await client.wait_closed()
            return client.close_code, client.close_reason

    return asyncio.run(asyncio.wait_for(send_until_closed(), 40))
