"""An answer of many times what may be owed to a connection, to a client that takes its time."""

import hashlib

import pytest

from conftest import TESTS
from wire import Wire

PIECE_BYTES = 1 << 20
PIECES = 32


@pytest.mark.parametrize("mode", ["base", "process"])
def test_an_answer_in_pieces_waits_for_its_client(php_server, mode):
    server = php_server(TESTS / "php/stream.php", "PORT", mode)
    wanted = b"".join(bytes([ord("A") + piece % 26]) * PIECE_BYTES for piece in range(PIECES))
    with Wire(server.port, timeout=20) as slow:
        slow.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        # Others are served while the handler waits for this client.
        with Wire(server.port) as other:
            assert other.get("/peak").json() < 8 * PIECE_BYTES
        answer = slow.response()
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(wanted).digest()
        with Wire(server.port) as other:
            assert other.get("/peak").json() < 8 * PIECE_BYTES
