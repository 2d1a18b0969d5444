"""Coroutine\\Http\\Client against servers of raw sockets: time-outs, ends, odd splits, several coroutines, memory."""

import os
import pathlib
import re
import socket
import threading
import time
import zlib

import pytest

from php_client import Peer, PhpClients, answer, content, upgraded
from server import PHP, free_port, pss_bytes, run, wait_until
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Closed, close_payload, frame, header

BOUND = "has already been bound to another coroutine"


@pytest.fixture(scope="module")
def clients():
    clients = PhpClients()
    yield clients
    # What keeps the loop would keep the process from its end.
    assert clients.stop() == 0, clients.errors
    assert clients.errors == ""


@pytest.fixture
def peer():
    peer = Peer()
    yield peer
    peer.close()


def sent(opcode, payload=b"", **how):
    return frame(opcode, payload, mask=False, **how)


def descriptors(clients):
    return len(os.listdir(f"/proc/{clients.process.pid}/fd"))


# ---- connections ----


def test_a_connection_is_kept_and_used_again(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    begun = client.begin("get", "/one")
    wire = peer.accept()
    assert wire.read_request().line == "GET /one HTTP/1.1"
    wire.send(answer(b"first"))
    assert client.end(begun).result and client.body == "first"
    begun = client.begin("post", "/two", "body")
    assert wire.read_request().body == b"body"
    wire.send(answer(b"second"))
    assert client.end(begun).result and client.body == "second"
    assert not peer.is_asked()


def test_a_kept_connection_that_ended_is_replaced_before_anything_is_sent(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    for _ in range(3):
        begun = client.begin("post", "/", "not idempotent")
        wire = peer.accept()
        assert wire.read_request().body == b"not idempotent"
        wire.send(answer(b"ok")).socket.close()
        assert client.end(begun).result


@pytest.mark.parametrize(
    ("call", "retries", "is_repeated"),
    [(["get", "/"], 0, True), (["post", "/", "x"], 0, False), (["post", "/", "x"], 1, True), (["upgrade", "/"], 0, True)],
)
def test_a_request_is_repeated_if_a_kept_connection_dies_before_the_answer(clients, peer, call, retries, is_repeated):
    client = clients.new("127.0.0.1", peer.port, max_retries=retries)
    begun = client.begin("get", "/")
    wire = peer.accept()
    wire.read_request()
    wire.send(answer())
    assert client.end(begun).result
    begun = client.begin(*call)
    wire.read_request()
    wire.socket.close()
    if is_repeated:
        wire = peer.accept()
        if call[0] == "upgrade":
            wire.accept_upgrade()
        else:
            assert wire.read_request().body == b"x"[: len(call) - 2]
            wire.send(answer(b"the second time"))
        assert client.end(begun).result
    else:
        done = client.end(begun)
        assert (done.result, done.status, done.code, done.connected) == (False, -3, 104, False)
        assert not peer.is_asked()


def test_a_new_connection_that_dies_is_not_tried_again_unless_asked_for(clients, peer):
    for retries in (0, 2):
        client = clients.new("127.0.0.1", peer.port, max_retries=retries)
        begun = client.begin("get", "/")
        for _ in range(1 + retries):
            wire = peer.accept()
            wire.read_request()
            wire.abort()
        done = client.end(begun)
        assert (done.result, done.status, done.code, done.text) == (False, -3, 104, "Connection reset by peer")
    assert not peer.is_asked()


def test_what_comes_unasked_on_a_kept_connection_ends_it(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    begun = client.begin("get", "/")
    wire = peer.accept()
    wire.read_request()
    wire.send(answer())
    assert client.end(begun).result
    wire.send(answer(b"an answer to nothing"))
    time.sleep(0.05)  # nothing tells when it has arrived
    begun = client.begin("get", "/")
    wire = peer.accept()
    wire.read_request()
    wire.send(answer(b"the answer"))
    assert client.end(begun).result and client.body == "the answer"


def test_nobody_listens(clients):
    done = clients.new("127.0.0.1", free_port()).do("get", "/")
    assert (done.result, done.status, done.code, done.text) == (False, -1, 111, "Connection refused")
    done = clients.new("unix:/no/such/socket").do("upgrade", "/")
    assert (done.result, done.status, done.code) == (False, -1, 2)
    done = clients.new(f"{'x' * 64}.invalid").do("get", "/")
    assert (done.result, done.status, done.code, done.text) == (False, -1, 711, "dnslookup resolve failed")


def test_names_and_addresses(clients, tmp_path):
    unix = str(tmp_path / "socket")
    places = [
        (Peer(), "localhost", "localhost"),
        (Peer(("::1", 0), socket.AF_INET6), "::1", "[::1]"),
        (Peer(("::1", 0), socket.AF_INET6), "[::1]", "[::1]"),
        (Peer(unix, socket.AF_UNIX), f"unix:{unix}", "localhost"),
    ]
    for peer, host, shown in places:
        client = clients.new(host, peer.port)
        begun = client.begin("get", "/")
        wire = peer.accept()
        shown = shown if host.startswith("unix:") else f"{shown}:{peer.port}"
        assert wire.read_request().headers["host"] == shown
        wire.send(answer(b"hello"))
        assert client.end(begun).result
        own, other = client.do("getsockname").result, client.do("getpeername").result
        if host.startswith("unix:"):
            assert (own, other) == ({"address": "", "port": 0}, {"address": unix, "port": 0})
        else:
            assert other == {"address": wire.socket.getsockname()[0], "port": peer.port}
            assert own["port"] == wire.socket.getpeername()[1]
        peer.close()


def test_the_address_to_come_from(clients, peer):
    port = free_port()
    client = clients.new("127.0.0.1", peer.port, bind_address="127.0.0.9", bind_port=port, socket_buffer_size=1 << 16)
    begun = client.begin("get", "/")
    wire = peer.accept()
    assert wire.socket.getpeername() == ("127.0.0.9", port)
    wire.read_request()
    wire.send(answer())
    assert client.end(begun).result


# ---- time ----


def test_a_connection_that_does_not_come_about(clients):
    peer = Peer(backlog=0)
    full = [socket.socket() for _ in range(3)]
    for one in full:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", peer.port))
    began = time.monotonic()
    done = clients.new("127.0.0.1", peer.port, connect_timeout=0.3).do("get", "/")
    assert (done.result, done.status, done.code, done.connected) == (False, -1, 110, False)
    assert 0.25 < time.monotonic() - began < 2
    for one in full:
        one.close()
    peer.close()


def test_a_full_unix_socket_is_tried_again(clients, tmp_path):
    path = str(tmp_path / "socket")
    peer = Peer(path, socket.AF_UNIX, backlog=0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(path)
    done = clients.new(f"unix:{path}", 0, connect_timeout=0.1).do("get", "/")
    assert (done.status, done.code) == (-1, 110)
    client = clients.new(f"unix:{path}")
    begun = client.begin("get", "/")
    peer.accept()
    wire = peer.accept()
    wire.read_request()
    wire.send(answer())
    assert client.end(begun).result
    first.close()
    peer.close()


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"])
def test_an_answer_that_does_not_come(clients, peer, start):
    client = clients.new("127.0.0.1", peer.port, timeout=0.3)
    begun = client.begin("get", "/")
    wire = peer.accept()
    wire.read_request()
    wire.send(start)
    done = client.end(begun)
    assert (done.result, done.status, done.code, done.text) == (False, -2, 110, "Connection timed out")
    assert not done.connected
    assert wire.until_closed() == b""


def test_an_answer_that_drips(clients, peer):
    """Its time is that of all of it, not of each piece."""
    client = clients.new("127.0.0.1", peer.port, timeout=0.5)
    begun = client.begin("get", "/")
    wire = peer.accept()
    wire.read_request()
    began = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - began < 10:
            wire.send(b"HTTP/1.1 200 OK\r\n" if began == 0 else b"\r\n")
            time.sleep(0.02)
    assert time.monotonic() - began < 5
    assert client.end(begun).status in (-2, -3)


def test_recv_waits_as_long_as_it_is_told(clients, peer):
    client, wire = upgraded(clients, peer, timeout=0.2)
    for arguments, least in (((), 0.2), ((0.05,), 0.05)):
        began = time.monotonic()
        done = client.do("recv", *arguments)
        assert (done.result, done.code, done.connected) == (False, 110, True)
        assert least <= time.monotonic() - began < least + 1
    begun = client.begin("recv", -1)
    time.sleep(0.4)
    wire.send(sent(TEXT, "late"))
    assert content(client.end(begun).result) == (TEXT, b"late")


def test_a_deferred_answer(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    assert client.do("setDefer").result and client.do("getDefer").result
    assert client.do("get", "/one").result
    wire = peer.accept()
    assert wire.read_request().line == "GET /one HTTP/1.1"
    begun = client.begin("recv")
    wire.send(answer(b"later"))
    assert client.end(begun).result and client.body == "later"
    assert client.do("get", "/two").result
    wire.read_request()
    done = client.do("recv", 0.1)
    assert (done.result, done.status, done.code, done.connected) == (False, -2, 110, False)
    # What is asked for in between must not get its answer.
    assert client.do("get", "/three").result
    wire = peer.accept()
    assert wire.read_request().line == "GET /three HTTP/1.1"
    assert client.do("get", "/four").result
    wire.send_regardless(answer(b"three"))
    wire = peer.accept()
    assert wire.read_request().line == "GET /four HTTP/1.1"
    # A kept connection that dies is replaced here, too.
    wire.send(answer(b"four"))
    assert client.do("recv").result and client.body == "four"
    assert client.do("get", "/five").result
    wire.read_request()
    wire.socket.close()
    begun = client.begin("recv")
    wire = peer.accept()
    assert wire.read_request().line == "GET /five HTTP/1.1"
    wire.send(answer(b"five"))
    assert client.end(begun).result and client.body == "five"


# ---- pieces ----


def test_an_answer_in_pieces(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    for send in ("send", "send_bytewise"):
        begun = client.begin("get", "/")
        wire = peer.accept() if send == "send" else wire
        wire.read_request()
        getattr(wire, send)(text)
        done = client.end(begun)
        assert (done.result, done.status, client.body, done.connected) == (True, 201, "abcde", True)


def test_frames_in_pieces(clients, peer):
    client = clients.new("127.0.0.1", peer.port, open_websocket_pong_frame=False)
    begun = client.begin("upgrade", "/")
    wire = peer.accept()
    wire.accept_upgrade(behind=sent(TEXT, "behind")[:4])
    assert client.end(begun).result
    wire.send(sent(TEXT, "behind")[4:])
    assert client.recv() == (TEXT, b"behind")
    frames = [
        sent(TEXT, "é".encode()[:1], fin=False),
        sent(PING, b"within"),
        sent(CONTINUATION, "é".encode()[1:]),
        sent(PONG, b"unseen"),
        sent(BINARY, bytes(300)),
        sent(TEXT),
    ]
    wire.send_bytewise(b"".join(frames))
    received = [client.recv() for _ in range(4)]
    assert received == [(PING, b"within"), (TEXT, "é".encode()), (BINARY, bytes(300)), (TEXT, b"")]
    assert (wire.frame().opcode, wire.unread) == (PONG, b"")


def test_many_frames_at_once(clients, peer):
    client, wire = upgraded(clients, peer)
    wire.send(b"".join(sent(TEXT, str(number)) for number in range(5000)))
    begun = [client.do("recv").result for _ in range(5000)]
    assert [content(received)[1] for received in begun] == [str(number).encode() for number in range(5000)]


def test_large_messages(clients, peer):
    client, wire = upgraded(clients, peer, package_max_length=8 << 20)
    payload = os.urandom(5 << 20)
    begun = client.begin("recv")
    wire.send(sent(BINARY, payload))
    assert content(client.end(begun).result) == (BINARY, payload)
    begun = client.begin("push", {"repeat": 5 << 20})
    assert wire.frame().payload == b"x" * (5 << 20)
    assert client.end(begun).result


def test_a_body_that_is_taken_slowly(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    begun = client.begin("post", "/", {"repeat": 16 << 20})
    wire = peer.accept()
    # It waits as a coroutine does: the others go on.
    other = clients.new("127.0.0.1", peer.port)
    asked = other.begin("get", "/")
    second = peer.accept()
    second.read_request()
    second.send(answer(b"meanwhile"))
    assert other.end(asked).result
    assert wire.read_request().body == b"x" * (16 << 20)
    wire.send(answer(b"taken"))
    assert client.end(begun).result and client.body == "taken"


def test_a_body_that_nobody_takes(clients, peer):
    client = clients.new("127.0.0.1", peer.port, timeout=0.5)
    begun = client.begin("post", "/", {"repeat": 32 << 20})
    peer.accept()
    done = client.end(begun)
    assert (done.result, done.status, done.code, done.connected) == (False, -2, 110, False)


def test_an_answer_before_the_body_was_taken(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    begun = client.begin("post", "/", {"repeat": 32 << 20})
    wire = peer.accept()
    wire.socket.recv(1)
    wire.send(answer(b"too much", "Connection: close", status="413 Content Too Large"))
    wire.abort()
    done = client.end(begun)
    # The kernel may have thrown the answer away with the rest.
    assert (done.result, done.status) in ((True, 413), (False, -4)) and not done.connected


@pytest.mark.parametrize("threshold", [None, 100])
def test_what_is_compressed(clients, peer, threshold):
    offer = True if threshold is None else {"threshold": threshold}
    client = clients.new("127.0.0.1", peer.port, websocket_compression=offer)
    begun = client.begin("upgrade", "/")
    wire = peer.accept()
    terms = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
    request = wire.accept_upgrade(f"Sec-WebSocket-Extensions: {terms}")
    assert request.headers["sec-websocket-extensions"] == terms
    assert client.end(begun).result
    for length, flags in ((99, 1), (100, 1), (99, 3), (0, 3)):
        assert client.do("push", {"repeat": length}, TEXT, flags).result
        received = wire.frame()
        is_compressed = (flags == 3 or length == threshold) and length > 0
        assert (received.rsv, received.payload == b"x" * length) == (4 * is_compressed, not is_compressed)
    # Only whole messages are.
    assert client.do("push", {"repeat": 100}, TEXT, 2).result
    assert (wire.frame().rsv, client.do("push", "", CONTINUATION).result, wire.frame().rsv) == (0, True, 0)
    # Compressed, and what is not.
    deflate = zlib.compressobj(wbits=-15)
    compressed = (deflate.compress(b"hello") + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    wire.send(sent(TEXT, compressed, rsv=4) + sent(TEXT, "plain") + sent(TEXT, b"\xff\xff", rsv=4))
    received = [client.do("recv") for _ in range(3)]
    assert [(content(one.result), one.result["flags"]) for one in received[:2]] == [((TEXT, b"hello"), 3), ((TEXT, b"plain"), 1)]
    assert (received[2].result, received[2].code) == (False, 8506)


def test_a_message_that_inflates_without_end(clients, peer):
    client = clients.new("127.0.0.1", peer.port, websocket_compression=True)
    begun = client.begin("upgrade", "/")
    wire = peer.accept()
    wire.accept_upgrade("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover")
    assert client.end(begun).result
    before = pss_bytes(clients.process.pid)
    deflate = zlib.compressobj(wbits=-15)
    bomb = (deflate.compress(bytes(256 << 20)) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    begun = client.begin("recv")
    wire.send_regardless(sent(BINARY, bomb, rsv=4))
    assert wire.frame().code == 1009
    wire.socket.close()
    assert client.end(begun).code == 1201
    assert pss_bytes(clients.process.pid) - before < 8 << 20


# ---- ends ----


def test_the_server_goes(clients, peer):
    client, wire = upgraded(clients, peer)
    wire.send(sent(TEXT, "last")).socket.close()
    assert client.recv() == (TEXT, b"last")
    done = client.do("recv")
    assert (done.result, done.code, done.connected) == ("", 0, False)
    for call in (["recv"], ["push", "x"], ["ping"], ["disconnect"], ["close"]):
        done = client.do(*call)
        assert (done.result, done.code, done.warnings) == (False, 5001, [])


def test_the_server_resets(clients, peer):
    client, wire = upgraded(clients, peer)
    begun = client.begin("recv")
    wire.abort()
    done = client.end(begun)
    assert (done.result, done.code, done.connected) == (False, 104, False)


def test_the_server_closes(clients, peer):
    client, wire = upgraded(clients, peer)
    wire.send(sent(CLOSE, close_payload(4001, b"enough")))
    assert client.recv() == (CLOSE, 4001, "enough")
    answered = wire.frame()
    assert (answered.opcode, answered.code) == (CLOSE, 4001)
    # It does not wait for the script to come back.
    assert wire.until_closed() == b""
    assert not client.do("push", "too late").result
    begun = client.begin("recv")
    wire.socket.close()
    done = client.end(begun)
    assert (done.result, done.connected) == ("", False)


def test_the_server_closes_and_does_not_go(clients, peer):
    client, wire = upgraded(clients, peer, open_websocket_close_frame=False)
    wire.send(sent(CLOSE))
    began = time.monotonic()
    assert client.recv() == ""
    assert 1.5 < time.monotonic() - began < 5
    assert (wire.frame().opcode, wire.until_closed()) == (CLOSE, b"")


def test_what_a_script_answers_itself(clients, peer):
    client, wire = upgraded(clients, peer, open_websocket_close_frame=True, open_websocket_ping_frame=True)
    wire.send(sent(PING, b"?") + sent(CLOSE, close_payload(1001)))
    assert client.recv() == (PING, b"?")
    assert client.recv() == (CLOSE, 1001, "")
    assert client.do("push", {"frame": {"opcode": PONG, "data": "mine"}}).result
    assert client.do("push", {"frame": {"opcode": CLOSE, "code": 1000, "reason": "mine"}}).result
    assert (wire.frame().payload, wire.frame().reason) == (b"mine", b"mine")
    assert wire.until_closed() == b""


def test_the_client_closes(clients, peer):
    client, wire = upgraded(clients, peer)
    assert client.do("disconnect", 4002, "bye").result
    closing = wire.frame()
    assert (closing.code, closing.reason) == (4002, b"bye")
    # What was under way still comes.
    wire.send(sent(TEXT, "before") + sent(CLOSE, close_payload(4002)))
    assert client.recv() == (TEXT, b"before")
    assert client.recv() == (CLOSE, 4002, "")
    done = client.do("close")
    assert (done.result, done.connected) == (True, False)
    assert wire.until_closed() == b""
    client, wire = upgraded(clients, peer)
    assert client.do("close").result
    assert wire.frame().code == 1000
    assert wire.until_closed() == b""


def test_a_client_that_is_gone(clients, peer):
    before = descriptors(clients)
    client, wire = upgraded(clients, peer)
    kept = clients.new("127.0.0.1", peer.port)
    begun = kept.begin("get", "/")
    second = peer.accept()
    second.read_request()
    second.send(answer())
    assert kept.end(begun).result
    assert descriptors(clients) == before + 2
    client.do("drop")
    kept.do("drop")
    assert (wire.until_closed(), second.until_closed()) == (b"", b"")
    assert descriptors(clients) == before


# ---- broken servers ----


@pytest.mark.parametrize(
    ("bytes_sent", "close_code", "code"),
    [
        (frame(TEXT, "masked"), 1002, 8506),
        (sent(3), 1002, 8506),
        (sent(TEXT, "x", rsv=4), 1002, 8506),
        (sent(CONTINUATION, "x"), 1002, 8506),
        (sent(PING, bytes(126)), 1002, 8506),
        (sent(CLOSE, b"x"), 1002, 8506),
        (sent(TEXT, b"\xff"), 1007, 8506),
        (header(BINARY, (2 << 20) + 1, mask=False), 1009, 1201),
        (header(BINARY, 1 << 62, mask=False), 1009, 1201),
        (sent(BINARY, bytes(2 << 20), fin=False) + sent(CONTINUATION, b"x"), 1009, 1201),
    ],
)
def test_a_server_that_breaks_the_protocol(clients, peer, bytes_sent, close_code, code):
    client, wire = upgraded(clients, peer)
    begun = client.begin("recv")
    wire.send(bytes_sent)
    closing = wire.frame()
    assert (closing.opcode, closing.code) == (CLOSE, close_code)
    assert wire.until_closed() == b""
    wire.socket.close()
    done = client.end(begun)
    assert (done.result, done.code, done.connected) == (False, code, False)
    assert not client.do("recv").result


def test_a_server_that_promises_much_costs_little(clients, peer):
    before = pss_bytes(clients.process.pid)
    kept = []
    for _ in range(5):
        client = clients.new("127.0.0.1", peer.port)
        begun = client.begin("get", "/")
        wire = peer.accept()
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\nonly this")
        other, socket_ = upgraded(clients, peer, package_max_length=1 << 30)
        received = other.begin("recv")
        socket_.send(header(BINARY, 1 << 29, mask=False) + b"only this")
        kept.append((client, begun, wire, other, received, socket_))
    time.sleep(0.3)  # nothing tells when it has been read
    assert pss_bytes(clients.process.pid) - before < 8 << 20
    for client, begun, wire, other, received, socket_ in kept:
        wire.socket.close()
        socket_.socket.close()
        assert (client.end(begun).status, other.end(received).result) == (-3, "")


def test_what_is_not_asked_for_is_not_read(clients, peer):
    """A server that sends without end to a script that does not read fills the sockets, and nothing else."""
    client, wire = upgraded(clients, peer)
    before = pss_bytes(clients.process.pid)
    wire.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(64):
            wire.send(sent(BINARY, bytes(1 << 20)))
    assert pss_bytes(clients.process.pid) - before < 4 << 20
    client.do("drop")


def test_cookies_without_end(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    begun, wire = client.begin("get", "/"), peer.accept()
    for part in range(5):
        wire.read_request()
        wire.send(answer(b"", *[f"Set-Cookie: c{part}-{number}=x" for number in range(100)]))
        assert client.end(begun).result
        begun = client.begin("get", "/")
    cookies = wire.read_request().headers["cookie"].split("; ")
    assert (len(cookies), cookies[0]) == (256, "c0-0=x")
    # Those that are known can still change.
    wire.send(answer(b"", "Set-Cookie: c0-0=new", "Set-Cookie: another=x"))
    assert client.end(begun).result
    begun = client.begin("get", "/")
    assert wire.read_request().headers["cookie"].split("; ")[0] == "c0-0=new"
    wire.send(answer())
    assert client.end(begun).result


# ---- several coroutines ----


def test_one_reads_at_a_time(clients, peer):
    client, wire = upgraded(clients, peer)
    begun = client.begin("recv")
    wait_until(lambda: client.do("recv", 0.01).thrown == "Swoole\\Error", "the first to wait")
    for call in (["recv"], ["get", "/"], ["upgrade", "/"]):
        done = client.do(*call)
        assert done.thrown == "Swoole\\Error" and BOUND in done.message
    # The one who waits does not notice; and others may send.
    assert client.do("push", "meanwhile").result
    assert wire.frame().text == "meanwhile"
    wire.send(sent(TEXT, "still there"))
    assert content(client.end(begun).result) == (TEXT, b"still there")


def test_one_request_at_a_time(clients, peer):
    client = clients.new("127.0.0.1", peer.port)
    begun = client.begin("get", "/")
    wire = peer.accept()
    wire.read_request()
    done = client.do("get", "/other")
    assert done.thrown == "Swoole\\Error" and BOUND in done.message
    wire.send(answer(b"mine"))
    assert client.end(begun).result and client.body == "mine"


def test_one_writes_at_a_time(clients, peer):
    client, wire = upgraded(clients, peer)
    begun = client.begin("push", {"repeat": 32 << 20})
    # A ping that comes meanwhile is answered behind it, and not within.
    wire.send(sent(PING, b"?"))
    assert client.recv() == (PING, b"?")
    done = client.do("push", "too soon")
    assert done.thrown == "Swoole\\Error" and BOUND in done.message
    assert len(wire.frame().payload) == 32 << 20
    assert client.end(begun).result
    assert client.do("push", "now").result
    assert [wire.frame().payload for _ in range(2)] == [b"?", b"now"]


def test_a_push_that_nobody_takes_ends_the_connection(clients, peer):
    client, wire = upgraded(clients, peer, write_timeout=0.3)
    done = client.do("push", {"repeat": 32 << 20})
    assert (done.result, done.code, done.connected) == (False, 110, False)
    done = client.do("push", "x")
    assert (done.result, done.code) == (False, 5001)


@pytest.mark.parametrize("is_websocket", [False, True])
def test_close_wakes_who_waits(clients, peer, is_websocket):
    if is_websocket:
        client, wire = upgraded(clients, peer)
        begun = client.begin("recv", -1)
    else:
        client = clients.new("127.0.0.1", peer.port)
        begun = client.begin("get", "/")
        wire = peer.accept()
        wire.read_request()
    assert client.do("close").result
    done = client.end(begun)
    assert (done.result, done.code, done.connected) == (False, 5001, False)
    assert done.status == (101 if is_websocket else -3)


def test_close_wakes_who_writes(clients, peer):
    client, wire = upgraded(clients, peer)
    begun = client.begin("push", {"repeat": 32 << 20})
    assert client.do("close").result
    done = client.end(begun)
    assert (done.result, done.code, done.connected) == (False, 5001, False)


def test_a_wait_can_be_cancelled(clients, peer):
    client, wire = upgraded(clients, peer)
    begun = client.begin("recv")
    assert clients.do("", "cancel", begun).result
    done = client.end(begun)
    assert (done.result, done.code, done.connected) == (False, 125, True)
    wire.send(sent(TEXT, "still there"))
    assert client.recv() == (TEXT, b"still there")
    client = clients.new("127.0.0.1", peer.port)
    begun = client.begin("get", "/")
    peer.accept().read_request()
    assert clients.do("", "cancel", begun).result
    done = client.end(begun)
    assert (done.result, done.status, done.code, done.connected) == (False, -3, 125, False)


def test_many_clients_leave_nothing_behind(clients, peer):
    def serve():
        while True:
            wire = peer.accept()
            try:
                request = wire.read_request()
                if request.line.startswith("GET /stop"):
                    wire.send(answer())
                    return
                wire.send(answer(b"x" * 1000, "Set-Cookie: a=b"))
                wire.accept_upgrade()
                wire.send(sent(TEXT, "hello"))
                wire.skip_to_close()
            except Closed:
                pass

    def one_round(rounds):
        for _ in range(rounds):
            client = clients.new("127.0.0.1", peer.port, timeout=10)
            assert client.do("get", "/").result
            assert client.do("upgrade", "/").result
            assert client.recv() == (TEXT, b"hello")
            assert client.do("push", "bye").result
            assert client.do("close").result
            client.do("drop")

    server = threading.Thread(target=serve)
    server.start()
    one_round(20)
    before, opened = clients.memory(), descriptors(clients)
    one_round(100)
    assert clients.memory() - before < 20_000
    assert descriptors(clients) == opened
    clients.new("127.0.0.1", peer.port).do("get", "/stop")
    server.join()


# ---- the end of a process ----


def test_a_script_ends_while_clients_wait(peer, tmp_path):
    script = tmp_path / "ends.php"
    script.write_text(
        f"""<?php
use Swoole\\Coroutine\\Http\\Client;
Swoole\\Coroutine\\run(function () {{
    foreach ([1, 2] as $number) {{
        go(function () use ($number) {{
            try {{
                $client = new Client('127.0.0.1', {peer.port});
                $client->get('/');
                echo "answered\\n";
            }} finally {{
                echo "unwound $number\\n";
            }}
        }});
    }}
    Swoole\\Coroutine::sleep(0.2);
    echo "exit\\n";
    exit(3);
}});
"""
    )
    done = run([*PHP, script])
    assert (done.returncode, done.stdout) == (3, "exit\nunwound 1\nunwound 2\n"), done


def test_a_forked_child_leaves_its_parent_s_connection_alone(peer, tmp_path):
    script = tmp_path / "forks.php"
    script.write_text(
        f"""<?php
use Swoole\\Coroutine\\Http\\Client;
Swoole\\Coroutine\\run(function () {{
    $client = new Client('127.0.0.1', {peer.port});
    $client->upgrade('/');
    if (pcntl_fork() === 0) {{
        unset($client);
        exec('kill -9 ' . getmypid());
    }}
    pcntl_wait($status);
    $client->push('from the parent');
    echo $client->recv()->data, "\\n";
}});
"""
    )
    done = []
    runner = threading.Thread(target=lambda: done.append(run([*PHP, script])))
    runner.start()
    wire = peer.accept()
    wire.accept_upgrade()
    assert wire.frame().text == "from the parent"
    wire.send(sent(TEXT, "to the parent"))
    runner.join()
    assert done[0].stdout == "to the parent\n", done


def test_open_basedir_holds(peer, tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.write_text("secret")
    script = inside / "script.php"
    script.write_text(
        f"""<?php
use Swoole\\Coroutine\\Http\\Client;
Swoole\\Coroutine\\run(function () {{
    $client = new Client('127.0.0.1', {peer.port});
    var_dump(@$client->addFile('{outside}', 'file'), $client->errCode);
    var_dump(@$client->download('/', '{outside}'), $client->errCode, $client->connected);
}});
"""
    )
    done = run([*PHP, "-d", f"open_basedir={inside}", script])
    assert re.findall(r"\((\w+)\)", done.stdout) == ["false", "13", "false", "13", "false"], done
    assert outside.read_text() == "secret"
    assert pathlib.Path(script).exists()
