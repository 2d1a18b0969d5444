"""permessage-deflate (RFC 7692) with clients that others wrote, and with raw sockets where bytes matter."""

import base64
import json
import random
import re
import zlib

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from conftest import KINDS, TESTS, servers, start_kind
from server import pss_bytes
from wire import CLOSE, CONTINUATION, TEXT, Wire, frame, open_websocket

RSV1 = 4


@pytest.fixture(scope="module", params=KINDS)
def echo(request, tmp_path_factory):
    with servers(tmp_path_factory.mktemp("deflate")) as start:
        yield start_kind(start, request.param, deflate=True)


def messages(seed):
    """Text that repeats itself, bytes that do not, bytes that were compressed already, and next to nothing."""
    rng = random.Random(seed)
    noise = rng.randbytes(70_000)
    yield from ("x", b"\x00", "", b"", "äöü€𝄞" * 30_000, noise, zlib.compress(noise), "a" * 1_000_000)
    for _ in range(30):
        words = "".join(rng.choice(["alpha ", "beta ", "€ ", "\n"]) for _ in range(rng.randrange(400)))
        yield words if rng.random() < 0.5 else words.encode()


@pytest.mark.parametrize("server_no", [False, True])
@pytest.mark.parametrize("client_no", [False, True])
@pytest.mark.parametrize("server_bits", [None, 9, 15])
@pytest.mark.parametrize("client_bits", [None, True, 9, 15])
def test_round_trip_in_all_combinations(echo, server_no, client_no, server_bits, client_bits):
    offer = ClientPerMessageDeflateFactory(
        server_no_context_takeover=server_no,
        client_no_context_takeover=client_no,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )
    url = f"ws://127.0.0.1:{echo.port}/"
    with connect(url, compression=None, extensions=[offer], proxy=None, max_size=None) as socket:
        assert [type(extension).__name__ for extension in socket.protocol.extensions] == ["PerMessageDeflate"]
        for message in messages(1):
            socket.send(message)
            assert socket.recv(10) == message


def test_a_client_that_did_not_ask_gets_plain_frames(echo):
    with open_websocket(echo.port) as wire:
        wire.send(frame(TEXT, "hello " * 100))
        received = wire.frame()
        assert (received.rsv, received.payload) == (0, b"hello " * 100)
        # And may not send what it did not negotiate.
        wire.send(frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=RSV1))
        assert wire.frame().code == 1002


def offered(port):
    return open_websocket(port, "/", "Sec-WebSocket-Extensions: permessage-deflate")


def deflated(payload):
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data[:-4]


def test_the_answer_is_compressed_and_less(echo):
    with offered(echo.port) as wire:
        wire.send(frame(TEXT, deflated(b"hello " * 1000), rsv=RSV1))
        received = wire.frame()
        assert received.rsv == RSV1
        assert len(received.payload) < 200
        assert zlib.decompressobj(wbits=-15).decompress(received.payload + b"\x00\x00\xff\xff") == b"hello " * 1000


def test_fragments_of_a_compressed_message(echo):
    data = deflated(b"hello " * 20)
    with offered(echo.port) as wire:
        wire.send(frame(TEXT, data[:3], fin=False, rsv=RSV1) + frame(CONTINUATION, data[3:]))
        received = wire.frame()
        assert zlib.decompressobj(wbits=-15).decompress(received.payload + b"\x00\x00\xff\xff") == b"hello " * 20


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(TEXT, b"\xff" * 9, rsv=RSV1), 1007),
        (frame(TEXT, deflated(b"ab\xff"), rsv=RSV1), 1007),
        (frame(TEXT, deflated(bytes(80 << 20)), rsv=RSV1), 1009),
        (frame(CLOSE, b"", rsv=RSV1), 1002),
        (frame(TEXT, b"", rsv=RSV1 | 1), 1002),
    ],
    ids=["corrupt", "utf-8", "bomb", "control", "rsv3"],
)
def test_what_is_broken_is_failed(echo, bad, code):
    with offered(echo.port) as wire:
        wire.send(frame(TEXT, deflated(b"good " * 20), rsv=RSV1) + bad)
        assert wire.frame().rsv == RSV1
        assert wire.frame().code == code


def test_the_options_of_a_script(php_server):
    wanted = {"server_context_takeover": True, "server_max_window_bits": 12, "level": 9, "threshold": 100}
    server = php_server(TESTS / "php/options.php", "PORT", json.dumps({"websocket_compression": wanted}))
    offer = "x-unknown; a=1, permessage-deflate; client_max_window_bits, permessage-deflate"
    with Wire(server.port) as wire:
        answer = wire.upgrade("/", f"Sec-WebSocket-Extensions: {offer}")["Sec-WebSocket-Extensions"]
        assert set(answer.split("; ")) >= {"permessage-deflate", "client_no_context_takeover"}
        assert "server_no_context_takeover" not in answer and "x-unknown" not in answer
        # The script does not ask for it: what is long enough is compressed all the same.
        noise = base64.b64encode(random.Random(1).randbytes(600)).decode()
        received = [wire.send(frame(TEXT, text)).frame() for text in ("x" * 99, noise, noise)]
        assert [got.rsv for got in received] == [0, RSV1, RSV1]
        # The second time there is a context to refer to.
        assert len(received[2].payload) < len(received[1].payload) // 4
        inflater = zlib.decompressobj(wbits=-15)
        inflated = [inflater.decompress(got.payload + b"\x00\x00\xff\xff") for got in received[1:]]
        assert inflated == [noise.encode()] * 2


def test_a_bomb_costs_no_more_than_the_limit(php_server):
    server = php_server(TESTS / "php/forward.php", "PORT")
    (worker,) = server.workers(1)
    before = pss_bytes(worker)
    with offered(server.port) as wire:
        wire.send(frame(TEXT, deflated(bytes(500 << 20)), rsv=RSV1))
        assert wire.frame().code == 1009
    assert pss_bytes(worker) - before < 8 << 20


def test_a_received_frame_is_forwarded_as_it_is(php_server):
    server = php_server(TESTS / "php/forward.php", "PORT")
    with offered(server.port) as wire:
        wire.send(frame(TEXT, deflated(b"hello " * 50), rsv=RSV1))
        assert wire.frame().rsv == RSV1
        wire.send(frame(TEXT, b"plain"))
        assert wire.frame().rsv == 0
    assert re.findall(r"flags (\d+)", server.stdout) == ["35", "33"]
