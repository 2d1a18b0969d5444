"""Whoever is slow, a worker or a client, fills neither the server's memory nor the way of the others."""

import json
import os
import selectors
import socket
import threading
import time

import pytest

from conftest import TESTS, start_php, start_rust
from server import raise_descriptor_limit
from story import Story, tell
from test_many import open_many
from wire import TEXT, Wire, frame, header, open_websocket

MIB = 1 << 20

# ---- a small ring ----

LARGE_BYTES = 16 * MIB
RING_BYTES = 64 << 10


@pytest.mark.parametrize("workers", [1, 2])
def test_a_small_ring_carries_large_messages(start_server, workers):
    server = start_rust(start_server, "process", workers, ring_bytes=RING_BYTES)
    payloads = [os.urandom(4096).hex().encode() * (LARGE_BYTES // 8192) for _ in range(3)]
    wires = [open_websocket(server.port, timeout=30) for _ in payloads]
    failures = []

    def exchange(wire, payload):
        try:
            for _ in range(2):
                assert wire.send(frame(TEXT, payload)).message().encode() == payload
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=exchange, args=pair) for pair in zip(wires, payloads, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for wire in wires:
        wire.echo("and small ones behind them")


# ---- a slow worker ----

SENDERS = 500
ASLEEP_SECONDS = 5
PAD_BYTES = 8 << 10
CLIENT_BUFFER_BYTES = 64 << 10
STUCK_SECONDS = 0.5
SLOW_WORKER_GROWTH_MAX = 48 * MIB


class Sender:
    """Sends numbered questions as fast as they are taken."""

    def __init__(self, client):
        self.client = client
        self.asked = self.answered = 0
        self.unsent = self.unread = b""
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CLIENT_BUFFER_BYTES)

    def send(self, more=True):
        if not self.unsent and more:
            self.asked += 1
            self.unsent = frame(TEXT, json.dumps({"do": "echo", "with": [self.asked], "pad": "x" * PAD_BYTES}))
        if self.unsent:
            self.unsent = self.unsent[self.client.send(self.unsent) :]

    def receive(self):
        data = self.client.recv(1 << 16)
        assert data, "closed"
        wire = self.unread + data
        while len(wire) >= 2 and len(wire) >= 2 + wire[1]:
            answer = json.loads(wire[2 : 2 + wire[1]])
            wire = wire[2 + wire[1] :]
            if "result" in answer:  # not the greeting
                self.answered += 1
                assert answer["result"] == self.answered
        self.unread = wire


def test_a_worker_that_sleeps(php_server):
    raise_descriptor_limit()
    story = Story(php_server, "process", worker_num=1)
    with story.client() as control, selectors.DefaultSelector() as selector:
        senders = [Sender(client) for client in open_many(story.port, SENDERS)]
        for sender in senders:
            selector.register(sender.client, selectors.EVENT_WRITE, sender)
        before = story.server.pss_bytes()
        tell(control, "sleep", ASLEEP_SECONDS)
        story.wait_event("message", fd=control.fd)
        while ready := selector.select(STUCK_SECONDS):
            for key, _ in ready:
                key.data.send()
        control.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            control.socket.recv(1, socket.MSG_PEEK)
        growth = story.server.pss_bytes() - before
        asked = sum(sender.asked for sender in senders)
        print(f"\nthe worker asleep, {asked} messages of {PAD_BYTES} bytes sent: {growth / MIB:.1f} MiB more")
        assert growth < SLOW_WORKER_GROWTH_MAX
        for sender in senders:
            selector.modify(sender.client, selectors.EVENT_WRITE | selectors.EVENT_READ, sender)
        while selector.get_map():
            ready = selector.select(2 * ASLEEP_SECONDS)
            assert ready, f"{sum(s.asked - s.answered for s in senders)} of {asked} messages are not answered"
            for key, events in ready:
                if events & selectors.EVENT_READ:
                    key.data.receive()
                if events & selectors.EVENT_WRITE:
                    key.data.send(more=False)
                if key.data.asked == key.data.answered:
                    selector.unregister(key.data.client)
                elif not key.data.unsent:
                    selector.modify(key.data.client, selectors.EVENT_READ, key.data)
        for sender in senders:
            sender.client.close()


# ---- a slow client ----

READERS = int(os.environ.get("SLOW_READERS", 99))
SECONDS = float(os.environ.get("SLOW_SECONDS", 2))
PUSHED_BYTES = MIB
FRAME_BYTES = len(header(TEXT, PUSHED_BYTES, mask=False)) + PUSHED_BYTES
SOCKET_BUFFER_BYTES = 8 * MIB
SLOW_CLIENT_GROWTH_MAX = SOCKET_BUFFER_BYTES + 16 * MIB
OUTPUT_BUFFER_OVERFLOW = 1009


def drain(readers, total):
    """Reads until each of them has had so many bytes in all."""
    buffer = bytearray(MIB)
    with selectors.DefaultSelector() as selector:
        for client in readers:
            selector.register(client, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(20)
            assert ready, f"{len(selector.get_map())} readers wait in vain"
            for key, _ in ready:
                client = key.fileobj
                taken = client.recv_into(buffer)
                assert taken, "closed"
                readers[client] += taken
                assert readers[client] <= total
                if readers[client] == total:
                    selector.unregister(client)


@pytest.mark.timeout(120 + 3 * SECONDS)
@pytest.mark.parametrize("mode", ["base", "process"])
def test_a_client_that_does_not_read(start_server, mode):
    raise_descriptor_limit()
    server = start_php(start_server, TESTS / "php/backpressure.php", "PORT", mode)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CLIENT_BUFFER_BYTES)
    slow.connect(("127.0.0.1", server.port))
    slow = Wire.over(slow, timeout=30)
    slow.upgrade()
    slow_fd = 1
    readers = dict.fromkeys(open_many(server.port, READERS), 0)
    with slow, open_websocket(server.port, timeout=30) as control:
        rounds = accepted = 0

        def push():
            """One more message to everybody: is it for all but perhaps the slow one?"""
            nonlocal rounds, accepted
            control.text(str(PUSHED_BYTES))
            rounds += 1
            drain(readers, rounds * FRAME_BYTES)
            refused = json.loads(control.message())
            assert refused in ([], [[slow_fd, OUTPUT_BUFFER_OVERFLOW]])
            accepted += not refused
            return not refused

        push()
        before, growths = server.pss_bytes(), []
        end = time.monotonic() + SECONDS
        refusals = 0
        while time.monotonic() < end or refusals < 5:
            refusals += not push()
            growths.append(server.pss_bytes() - before)
        print(
            f"\n{rounds} messages to {READERS + 1} clients, {refusals} refused: at most {max(growths) / MIB:.1f} MiB more"
        )
        assert max(growths) < SLOW_CLIENT_GROWTH_MAX
        server.wait_output(rf'^{{"event":"bufferFull","fd":{slow_fd}}}$')
        assert "bufferEmpty" not in server.stdout
        for _ in range(accepted):
            assert len(slow.message()) == PUSHED_BYTES
        server.wait_output(rf'^{{"event":"bufferEmpty","fd":{slow_fd}}}$')
        assert push(), "refused although it reads again"
        assert len(slow.message()) == PUSHED_BYTES
        assert server.stdout.count("buffer") == 2
        for client in readers:
            client.close()
