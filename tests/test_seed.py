"""Every script of the manual page that says what the PHP API is, its text untouched: servers in front of an ordinary client,
clients in front of servers of ours."""

import hashlib
import re
import zlib

import pytest
from websockets.sync.client import connect

from conftest import TESTS
from server import free_port, php_command, run
from wire import CLOSE, PING, PONG, Wire, frame, open_websocket, upgrade_request

BORDERS = re.compile(r"^// --- seed ---\n(.*?)^// --- end ---\n", re.S | re.M)


@pytest.fixture
def seed(php_server, tmp_path):
    """seed(name, *args): runs a seed script.

    All of them listen on 0.0.0.0:9501, so what runs is a copy in which the port is a free one and the host the
    loopback address; nothing else is changed.
    """

    def start(name, *arguments):
        port = free_port()
        return php_server(copied(name, tmp_path, port), *arguments, port=port)

    return start


@pytest.fixture
def seed_client(tmp_path):
    """seed_client(name, server): runs a seed script that is a client, to its end; what it printed."""

    def start(name, server):
        done = run(php_command(copied(name, tmp_path, server.port)))
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    return start


def copied(name, folder, port):
    text = (TESTS / f"seed/{name}.php").read_text()
    script = folder / f"{name}.php"
    script.write_text(text.replace("9501", str(port)).replace("0.0.0.0", "127.0.0.1"))
    return script


def client(server, **how):
    return connect(f"ws://127.0.0.1:{server.port}/", compression=None, proxy=None, **how)


def test_the_manual_s_text_is_untouched():
    """The scripts hold the manual's examples as they are printed there, between the lines that a fragment needs."""
    seen = [
        f"{hashlib.sha256(text.encode()).hexdigest()}  {script.name} {index}"
        for script in sorted((TESTS / "seed").glob("*.php"))
        for index, text in enumerate(BORDERS.findall(script.read_text()))
    ]
    assert seen == (TESTS / "seed/manual.sha256").read_text().splitlines()


def test_first_example(seed):
    server = seed("first")
    with client(server) as socket:
        socket.send("hello")
        assert socket.recv(10) == "this is server"
        socket.send(b"\x00\x01")
        assert socket.recv(10) == "this is server"
    server.wait_output(r"^client 1 closed$")
    assert server.stdout.splitlines() == [
        "server: handshake success with fd1",
        "receive from 1:hello,opcode:1,fin:1",
        "receive from 1:\x00\x01,opcode:2,fin:1",
        "client 1 closed",
    ]


@pytest.mark.parametrize("script", ["request_procedural", "request_object"])
def test_request_is_pushed_to_every_websocket(seed, script):
    server = seed(script)
    with client(server) as one, client(server) as two, Wire(server.port) as http:
        # The script never ends the response, so it is ended for it when the object goes away.
        assert http.get("/?message=hello%20all").status == 500
        assert one.recv(10) == two.recv(10) == "hello all"
        one.send("and back")
        assert one.recv(10) == "this is server"
        fd = server.wait_output(r"^receive from (\d+):and back,opcode:1,fin:1$")[1]
    server.wait_output(rf"^client {fd} closed$")
    assert "Warning" not in server.output


def test_handshake_by_the_script(seed):
    server = seed("handshake")
    with client(server, subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        assert socket.request.headers["Sec-WebSocket-Key"] in server.stdout
        socket.send("after my own handshake")
        assert socket.recv(10) == "after my own handshake"


def test_handshake_refused_by_the_script(seed):
    server = seed("handshake")
    with Wire(server.port) as wire:
        wire.send(upgrade_request(replace={"Sec-WebSocket-Key": "too short"}))
        assert wire.response().status == 200  # the script sets none, and 200 is the default
        assert wire.until_closed() == b""


def test_handshake_and_defer(seed):
    server = seed("handshake_defer")
    with Wire(server.port) as wire:
        wire.send(upgrade_request())
        answer = wire.response()
        # "The handshake's content is left out", says the seed: a bare 101, which a browser would refuse.
        assert answer.status == 101
        assert answer["Sec-WebSocket-Accept"] is None
        assert wire.message() == "hello, welcome\n"
    server.wait_output(r"^Client connected$")


def test_a_script_s_own_handshake_gets_whatever_asks_for_an_upgrade(seed):
    server = seed("handshake_defer")
    with Wire(server.port) as wire:
        # No key, no version, and neither the method nor the protocol that the RFC asks for.
        wire.send(b"PUT / HTTP/1.0\r\nUpgrade: h2c, WebSocket\r\n\r\n")
        assert wire.response().status == 101
        assert wire.message() == "hello, welcome\n"


def test_raw_server_with_pack(seed):
    server = seed("raw_pack")
    with Wire(server.port) as wire:
        wire.send(upgrade_request())
        answer = wire.response()
        assert (answer.status, answer["Server"]) == (101, "swoole-http-server")
        assert answer["Sec-WebSocket-Accept"] == "IFpdKwYy9wdo4gTldFLHFh3xQE0="
        assert wire.message() == "hello world\n"
        # It is a plain TCP server: whatever comes is answered the same way.
        wire.send(b"anything")
        assert wire.response().status == 101
        assert wire.message() == "hello world\n"


def test_close_frame_option(seed):
    server = seed("close_frame")
    with client(server) as socket:
        socket.send("before")
        socket.close(4001, "enough of this")
        assert (socket.close_code, socket.close_reason) == (4001, "enough of this")
    server.wait_output(r"^Close frame received: Code 4001 Reason enough of this$")
    with open_websocket(server.port) as wire:
        wire.send(frame(CLOSE))
        assert wire.frame().payload == b""
    server.wait_output(r"^Close frame received: Code 1000 Reason $")
    assert "Message received: before\n" in server.stdout


def test_ping_frame_option(seed):
    server = seed("ping_frame")
    with open_websocket(server.port) as wire:
        wire.send(frame(PING, "ignored by the script"))
        answer = wire.frame()
        assert (answer.opcode, answer.payload) == (PONG, b"")  # the script's own, and no other
        wire.text("hello")
        server.wait_output(r"^Message received: hello$")
    assert "Ping frame received: Code 9\n" in server.stdout
    with client(server) as socket:
        assert socket.ping(b"").wait(10)


def test_pong_frame_option(seed):
    server = seed("pong_frame")
    with client(server) as socket:
        socket.pong(b"unasked")
        server.wait_output(r"^Pong frame received: Code 10$")
        assert socket.ping(b"still answered").wait(10)
        socket.send("hello")
        server.wait_output(r"^Message received: hello$")


def test_subprotocol(seed):
    server = seed("subprotocol")
    with client(server, subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        socket.send("hello")
        assert socket.recv(10) == "hello"


def test_ping_from_the_server(seed):
    server = seed("server_ping")
    with open_websocket(server.port) as wire:
        wire.text("ping me")
        received = wire.frame()
        assert (received.opcode, received.payload, received.fin) == (PING, b"", True)
        wire.send(frame(PONG)).text("once more")
        assert wire.frame().opcode == PING
    with client(server) as socket:
        socket.send("ping me")  # answered inside the library
        socket.close(1000)
        assert socket.close_code == 1000


# ---- onDisconnect: "fires only when a connection that is not a WebSocket closes" ----


def callbacks(server):
    return server.stdout.splitlines()


def test_disconnect_fires_for_a_plain_request(seed):
    server = seed("on_disconnect")
    with Wire(server.port) as wire:
        assert wire.get("/").status == 400
        assert wire.until_closed() == b""
    server.wait_output(r"^disconnect 1$")
    assert callbacks(server) == ["disconnect 1"]


def test_disconnect_fires_when_the_response_closes(seed):
    server = seed("on_disconnect", "with-request")
    with Wire(server.port) as wire:
        wire.request("/close")
        assert wire.until_closed() == b""
    server.wait_output(r"^disconnect 1$")
    assert callbacks(server) == ["request 1", "disconnect 1"]


def test_nothing_fires_when_a_request_ends_normally(seed):
    server = seed("on_disconnect", "with-request")
    with Wire(server.port) as wire:
        assert wire.get("/").body == b"done"
        assert wire.get("/again").body == b"done"
        assert callbacks(server) == ["request 1", "request 1"]
    server.wait_output(r"^disconnect 1$")  # only now: keep-alive had kept the connection open
    assert callbacks(server) == ["request 1", "request 1", "disconnect 1"]


def test_disconnect_fires_after_a_response_that_ends_the_connection(seed):
    server = seed("on_disconnect", "with-request")
    with Wire(server.port) as wire:
        assert wire.get("/", "Connection: close").body == b"done"
        assert wire.until_closed() == b""
    server.wait_output(r"^disconnect 1$")
    assert callbacks(server) == ["request 1", "disconnect 1"]


def test_disconnect_fires_after_a_failed_handshake(seed):
    server = seed("on_disconnect")
    with Wire(server.port) as wire:
        wire.send(upgrade_request(replace={"Sec-WebSocket-Key": None}))
        assert wire.response().status == 400
        assert wire.until_closed() == b""
    server.wait_output(r"^disconnect 1$")
    assert callbacks(server) == ["disconnect 1"]


def test_disconnect_fires_after_the_server_disconnects(seed):
    server = seed("on_disconnect")
    with open_websocket(server.port) as wire:
        wire.text("disconnect me").expect_close(1000, b"")
    server.wait_output(r"^disconnect 1$")
    assert callbacks(server) == ["disconnect 1"]


def test_close_fires_for_a_websocket(seed):
    server = seed("on_disconnect")
    with client(server):
        pass
    server.wait_output(r"^close 1$")
    assert callbacks(server) == ["close 1"]


def test_compression(seed):
    server = seed("compression")
    with client(server) as socket:
        socket.send("to one who did not ask for it")
        assert socket.recv(10) == "Hello Swoole"
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    with open_websocket(server.port, "/", offer) as wire:
        wire.text("x")
        received = wire.frame()
        assert received.payload in (b"Hello Swoole", deflated(b"Hello Swoole"))


# ---- clients ----


@pytest.fixture(params=["base", "process"])
def announcing(request, php_server):
    """A server of either mode that prints what it gets."""
    return php_server(TESTS / "php/announce.php", "PORT", request.param)


def test_client_compression(seed_client, announcing):
    assert seed_client("client_compression", announcing) == ""
    # FIN and MASK; and COMPRESS, if that makes so short a text shorter.
    announcing.wait_output(r"^message 1 3[35] Hello Swoole$")
    announcing.wait_output(r"^closed 1$")


def test_client_ping(seed_client, announcing):
    assert seed_client("client_ping", announcing) == "bool(true)\n"
    announcing.wait_output(r"^closed 1$")
    assert "message" not in announcing.output


def test_clients_and_servers_of_the_manual(seed, seed_client):
    assert seed_client("client_compression", seed("compression")) == ""
    assert seed_client("client_ping", seed("server_ping")) == "bool(true)\n"


def deflated(text):
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
