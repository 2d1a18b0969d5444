"""Coroutine\\Http\\Client against servers that others have written: the package websockets, Python's http.server, and ours."""

import base64
import http.server
import json
import random
import threading
import zlib

import pytest
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.sync.server import serve

from conftest import TESTS
from php_client import PhpClients, content
from wire import BINARY, CLOSE, PING, PONG, TEXT, Wire, open_websocket

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70000, 1 << 20]


@pytest.fixture(scope="module")
def clients():
    clients = PhpClients()
    yield clients
    assert (clients.stop(), clients.errors) == (0, "")


def echo(connection):
    for message in connection:
        connection.send(message)


class Running:
    """A server in a thread."""

    def __init__(self, server, port):
        self._server, self.port = server, port
        self._thread = threading.Thread(target=server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()


def websockets_server(handler=echo, **how):
    server = serve(handler, "127.0.0.1", 0, **{"compression": None, "max_size": 8 << 20, **how})
    return Running(server, server.socket.getsockname()[1])


def messages(seed):
    """Texts and bytes of all sizes, some of which compress."""
    source = random.Random(seed)
    for size in SIZES:
        yield TEXT, "".join(source.choices("abü€😀 ", k=size // 3)).encode()
        yield BINARY, source.randbytes(size)
        yield BINARY, bytes(size)


def exchange(clients, client, flags):
    """Sends each message, as what its bytes are, and expects it back."""
    for opcode, payload in messages(flags):
        pushed = client.do("push", {"base64": base64.b64encode(payload).decode()}, opcode, flags)
        assert (pushed.result, pushed.warnings) == (True, [])
        assert client.recv() == (opcode, payload)


def test_echo(clients):
    with websockets_server() as server:
        client = clients.new("127.0.0.1", server.port, package_max_length=4 << 20)
        assert client.do("upgrade", "/").result
        exchange(clients, client, 1)
        assert client.do("close").result


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (True, {}),
        (True, {"server_no_context_takeover": True, "client_no_context_takeover": True}),
        ({"server_context_takeover": True, "client_context_takeover": True}, {}),
        ({"server_context_takeover": True, "client_context_takeover": True, "level": 9}, {"server_max_window_bits": 9}),
        ({"client_context_takeover": True, "client_max_window_bits": 12}, {"client_max_window_bits": 10}),
        ({"server_max_window_bits": 10, "client_max_window_bits": 9}, {}),
        ({"threshold": 100}, {}),
    ],
)
def test_compression(clients, offer, answer):
    deflate = ServerPerMessageDeflateFactory(**answer)
    with websockets_server(extensions=[deflate]) as server:
        client = clients.new("127.0.0.1", server.port, package_max_length=4 << 20, websocket_compression=offer)
        upgraded = client.do("upgrade", "/")
        assert upgraded.result, upgraded
        assert "permessage-deflate" in client.headers["sec-websocket-extensions"]
        exchange(clients, client, 3)
        # It compresses all that it sends.
        assert client.do("push", "x" * 1000).result
        received = client.do("recv").result
        assert received["flags"] == 3
        client.do("close")


def test_subprotocols_headers_and_cookies(clients):
    seen = []

    def show(connection):
        seen.append((connection.request.path, dict(connection.request.headers.raw_items())))
        connection.send(connection.subprotocol or "none")

    with websockets_server(show, subprotocols=["chat", "superchat"]) as server:
        client = clients.new("127.0.0.1", server.port)
        client.do("setHeaders", {"Sec-WebSocket-Protocol": "superchat, other", "Origin": "http://here", "X-Own": "yes"})
        client.do("setCookies", {"a": "b c"})
        client.do("setBasicAuth", "user", "secret")
        assert client.do("upgrade", "/room?id=1").result
        assert client.recv() == (TEXT, b"superchat")
        assert client.recv() == (CLOSE, 1000, "")
    path, headers = seen[0]
    assert path == "/room?id=1"
    wanted = {"Origin": "http://here", "X-Own": "yes", "Cookie": "a=b%20c", "Authorization": "Basic dXNlcjpzZWNyZXQ="}
    assert headers.items() >= wanted.items()


def test_fragments_pings_and_closes(clients):
    ends = []

    def talk(connection):
        connection.send(["one", " and ", "two"])
        pong = connection.ping("are you there?")
        assert connection.recv(10) == "after the ping"
        assert pong.wait(10)
        try:
            connection.recv(10)
        finally:
            ends.append((connection.close_code, connection.close_reason))

    with websockets_server(talk) as server:
        client = clients.new("127.0.0.1", server.port)
        assert client.do("upgrade", "/").result
        assert client.recv() == (TEXT, b"one and two")
        assert client.recv() == (PING, b"are you there?")
        assert client.do("ping", "and you?").result
        assert client.recv() == (PONG, b"and you?")
        assert client.do("push", "after the ping").result
        assert client.do("disconnect", 4000, "enough").result
        assert client.recv() == (CLOSE, 4000, "enough")
        done = client.do("recv")
        assert (done.result, done.connected) == ("", False)
    assert ends == [(4000, "enough")]


def test_close_is_understood(clients):
    ends = []

    def wait(connection):
        for _ in connection:
            pass
        ends.append(connection.close_code)

    with websockets_server(wait) as server:
        client = clients.new("127.0.0.1", server.port)
        assert client.do("upgrade", "/").result
        assert client.do("push", "x").result
        assert client.do("close").result
    assert ends == [1000]


def test_a_refused_upgrade(clients):
    def refuse(connection, request):
        return connection.respond(403, "not you\n")

    with websockets_server(process_request=refuse) as server:
        client = clients.new("127.0.0.1", server.port)
        done = client.do("upgrade", "/")
        assert (done.result, done.status, done.code, client.body) == (False, 403, 8504, "not you\n")


def test_a_message_that_is_too_long(clients):
    with websockets_server() as server:
        client = clients.new("127.0.0.1", server.port, package_max_length=1000)
        assert client.do("upgrade", "/").result
        assert client.do("push", {"repeat": 1001}).result
        done = client.do("recv")
        assert (done.result, done.code, done.connected) == (False, 1201, False)


# ---- HTTP ----


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = json.dumps([self.command, self.path, self.headers.get("Cookie"), self.client_address[1]]).encode()
        if self.path == "/gzip":
            compressor = zlib.compressobj(wbits=31)
            body = compressor.compress(body) + compressor.flush()
        self.send_response(404 if self.path == "/missing" else 200)
        if self.path == "/gzip":
            assert "gzip" in self.headers["Accept-Encoding"]
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Set-Cookie", "seen=yes; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_DELETE = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), 1000):
            piece = body[at : at + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    do_PUT = do_POST


def test_http(clients):
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    with Running(made, made.server_port) as server:
        client = clients.new("127.0.0.1", server.port)
        assert client.do("get", "/one?two").result
        method, path, cookie, port = json.loads(client.body)
        assert (method, path, cookie) == ("GET", "/one?two", None)
        assert client.do("get", "/gzip").result
        # Over the same connection, with the cookie that came.
        assert json.loads(client.body) == ["GET", "/gzip", "seen=yes", port]
        assert client.do("get", "/missing").status == 404
        client.do("setMethod", "HEAD")
        done = client.do("execute", "/head")
        assert (done.result, done.status, client.body) == (True, 200, "")
        assert client.do("post", "/", {"a": [1, 2], "b": "ü"}).result
        assert client.body == "a%5B0%5D=1&a%5B1%5D=2&b=%C3%BC"
        client.do("setMethod", "PUT")
        client.do("setData", {"repeat": 300_000})
        assert client.do("execute", "/").result and client.body == "x" * 300_000
        assert client.do("getsockname").result["port"] == port


@pytest.mark.parametrize("mode", ["base", "process"])
def test_our_own_server(clients, php_server, mode):
    server = php_server(TESTS / "php/announce.php", "PORT", mode)
    client = clients.new("127.0.0.1", server.port, websocket_compression=True)
    client.do("setCookies", {"name": "a b;c"})
    assert client.do("post", "/form", {"field": "value"}).result
    assert json.loads(client.body) == ["POST", "/form", {"field": "value"}, {"name": "a b;c"}]
    assert client.do("upgrade", "/").result
    assert client.do("push", "x" * 1000, TEXT, 3).result
    received = client.do("recv").result
    assert (content(received), received["flags"]) == ((TEXT, b"x" * 1000), 3)
    assert client.do("push", {"frame": {"opcode": CLOSE, "code": 4000, "reason": "bye"}}).result
    assert client.recv() == (CLOSE, 4000, "bye")
    assert client.recv() == ""
    server.wait_output(r"^message 1 35 x+$")
    server.wait_output(r"^closed \d+$")


@pytest.mark.parametrize("mode", ["base", "process"])
def test_clients_within_a_server(php_server, mode):
    """A handler that waits for another server does not keep its worker from other messages."""
    waiting = threading.Barrier(5, timeout=10)

    def together(connection):
        text = connection.recv()
        waiting.wait()
        connection.send(text)
        connection.recv()

    def respond(connection, request):
        return connection.respond(404, "nothing there\n") if request.path == "/missing" else None

    with websockets_server(together, process_request=respond) as there:
        server = php_server(TESTS / "php/forwards.php", "PORT", mode, there.port)
        wires = [open_websocket(server.port) for _ in range(5)]
        for number, wire in enumerate(wires):
            wire.text(f"message {number}")
        for number, wire in enumerate(wires):
            assert wire.message() == f"there: message {number}"
            wire.socket.close()
        with Wire(server.port) as wire:
            answer = wire.get("/missing")
            assert (answer.status, answer.body) == (404, b"nothing there\n")
        assert "Warning" not in server.output
