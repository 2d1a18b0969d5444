"""Ten thousand idle connections in one worker: still answering, cheap to keep, and silent strangers do not stay."""

import os
import selectors
import socket
import time

import pytest

from server import descendants, raise_descriptor_limit, stirred
from wire import Closed, Wire, open_websocket, upgrade_request

IDLE = 10_000
SOURCES = 64  # loopback addresses to connect from: where many ports were used lately, the kernel looks long for a free one
# So long they are left alone; how often each of the server's processes may wake up for nothing, and for how many clock ticks.
QUIET_SECONDS = float(os.environ.get("QUIET_SECONDS", 2))
QUIET_SWITCHES_MAX = 20
QUIET_TICKS_MAX = 1
BURST = 200  # connections being opened at once
IDLE_BYTES_MAX = 2048
SILENT = 1000
# How long the server waits for a request's head; both servers' default, for which neither has an option here.
HEAD_SECONDS = 10
HEAD_SECONDS_MARGIN = 5


def source_address(number):
    return f"127.0.0.{2 + number % SOURCES}"


def open_many(port, count, *headers):
    """Raw sockets with the handshake done, opened by one event loop, BURST at a time; what came behind it is unread."""
    request = upgrade_request("/", *headers)
    opened, begun = [], 0
    with selectors.DefaultSelector() as selector:
        while len(opened) < count:
            while begun < count and begun - len(opened) < BURST:
                client = socket.socket()
                client.setblocking(False)
                client.bind((source_address(begun), 0))
                client.connect_ex(("127.0.0.1", port))
                selector.register(client, selectors.EVENT_WRITE)
                begun += 1
            ready = selector.select(10)
            assert ready, f"nothing happens after {len(opened)} handshakes"
            for key, events in ready:
                client = key.fileobj
                if events & selectors.EVENT_WRITE:
                    assert client.send(request) == len(request)
                    selector.modify(client, selectors.EVENT_READ)
                    continue
                received = client.recv(4096, socket.MSG_PEEK)
                head, end, _ = received.partition(b"\r\n\r\n")
                assert received and b"HTTP/1.1 101 ".startswith(head[:13]), received
                if end:
                    assert client.recv(len(head + end)).startswith(b"HTTP/1.1 101 ")
                    selector.unregister(client)
                    opened.append(client)
    return opened


def quiet(server):
    """Nothing happens, and so the server does nothing."""
    before = {pid: stirred(pid) for pid in [server.pid, *descendants(server.pid)]}
    time.sleep(QUIET_SECONDS)
    for pid, (switches, ticks) in before.items():
        more_switches, more_ticks = (now - then for now, then in zip(stirred(pid), (switches, ticks)))
        print(f"process {pid}: {more_switches} switches and {more_ticks} ticks in {QUIET_SECONDS:.0f} s")
        assert more_switches <= QUIET_SWITCHES_MAX
        assert more_ticks <= QUIET_TICKS_MAX


@pytest.mark.timeout(180)
@pytest.mark.parametrize("offer", [[], ["Sec-WebSocket-Extensions: permessage-deflate"]], ids=["plain", "deflate"])
def test_ten_thousand_idle_connections(echo_server, record_property, offer):
    assert raise_descriptor_limit() > IDLE + 500, "too few descriptors allowed (ulimit -n) for this test"
    server = echo_server(deflate=bool(offer))
    with open_websocket(server.port) as wire:
        wire.echo("warm")
        before = server.pss_bytes()
        clients = open_many(server.port, IDLE, *offer)
        try:
            wire.echo("an old connection is answered")
            with open_websocket(server.port) as late:
                late.echo("and so is a new one")
            idle_bytes = (server.pss_bytes() - before) / IDLE
            print(f"\n{IDLE} idle connections: {idle_bytes:.0f} bytes of PSS each")
            record_property("idle_bytes", idle_bytes)
            quiet(server)
            for client in clients[:: IDLE // 100]:
                Wire.over(client).echo("one of many")
        finally:
            for client in clients:
                client.close()
        wire.echo("and when they have left, too")
    assert idle_bytes < IDLE_BYTES_MAX


@pytest.mark.timeout(60 + HEAD_SECONDS)
def test_silent_connections_are_closed_after_the_deadline(echo_server):
    raise_descriptor_limit()
    server = echo_server()
    begin = time.monotonic()
    silent = [Wire(server.port, source=source_address(number), timeout=60) for number in range(SILENT)]
    for wire in silent[::2]:
        wire.send(b"GET / HTTP/1.1\r\nHost: ")  # the others say nothing at all
    with open_websocket(server.port) as busy:
        busy.echo("served meanwhile")
        with pytest.raises((TimeoutError, Closed)):
            silent[0].socket.settimeout(HEAD_SECONDS / 2)
            silent[0].frame()
        assert time.monotonic() - begin > HEAD_SECONDS / 2 - 1, "closed long before the deadline"
        for wire in silent:
            wire.socket.settimeout(max(0.1, begin + HEAD_SECONDS + HEAD_SECONDS_MARGIN - time.monotonic()))
            answer = wire.until_closed()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408 "), answer
            wire.socket.close()
        busy.echo("an open WebSocket has no such deadline")
