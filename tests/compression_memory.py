"""Prints what a compression context that is kept costs a connection: `.venv/bin/python tests/compression_memory.py`."""

import pathlib
import tempfile
import zlib

from server import free_port, php_command, pss_bytes, Server
from wire import TEXT, frame, open_websocket

CONNECTIONS = 500
RSV1 = 4
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
SETTINGS = [
    "true",
    '{"server_context_takeover": true}',
    '{"server_context_takeover": true, "server_max_window_bits": 12}',
    '{"server_context_takeover": true, "server_max_window_bits": 9}',
    '{"client_context_takeover": true}',
    '{"client_context_takeover": true, "client_max_window_bits": 9}',
]


def use(port):
    """A connection that has sent and received one compressed message."""
    wire = open_websocket(port, "/", OFFER)
    compressor = zlib.compressobj(wbits=-9)
    payload = compressor.compress(b"hello " * 300) + compressor.flush(zlib.Z_SYNC_FLUSH)
    wire.send(frame(TEXT, payload[:-4], rsv=RSV1))
    wire.frame()
    return wire


def measure(settings, directory):
    port = free_port()
    script = pathlib.Path(__file__).parent / "php/compression.php"
    server = Server(php_command(script, port, settings), port, directory).wait_listening()
    try:
        (worker,) = server.workers(1)
        first = use(port)  # and what all connections share
        before = pss_bytes(worker)
        wires = [use(port) for _ in range(CONNECTIONS)]
        print(f"{(pss_bytes(worker) - before) // CONNECTIONS:>8} bytes a connection: websocket_compression => {settings}")
        del first, wires
    finally:
        server.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for setting in SETTINGS:
            measure(setting, pathlib.Path(folder))
