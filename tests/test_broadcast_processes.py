"""Four workers send to a thousand connections, wherever these are: each gets everything once, and in order by sender."""

import itertools
import selectors
import time

import pytest

from conftest import TESTS, start_php
from server import RUST_ECHO, free_port, raise_descriptor_limit
from test_many import open_many
from wire import TEXT, open_websocket

CLIENTS = 1000
WORKERS = 4
REACTORS = 2
# Of each sender, one round after the other: so what is under way never reaches a limit, and one that comes twice is
# noticed even if it is the last.
ROUNDS = [1, 30, 30, 30, 30, 30, 1]
QUIET_SECONDS_MAX = 20


class Listener:
    """A client that hears `sender:number` from everybody, in the order of the numbers."""

    def __init__(self, client):
        self.client = client
        self.unread = b""
        self.heard = [0] * WORKERS

    def receive(self):
        data = self.client.recv(1 << 16)
        assert data, f"closed after {self.heard}"
        data = self.unread + data
        at = 0
        while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
            assert data[at] == 0x80 | TEXT and data[at + 1] < 126
            end = at + 2 + data[at + 1]
            sender, colon, number = data[at + 2 : end].partition(b":")
            # The servers say other things as well.
            if colon:
                self.heard[int(sender)] += 1
                assert int(number) == self.heard[int(sender)], f"{sender}:{number} after {self.heard}"
            at = end
        self.unread = data[at:]


def listen(listeners, count):
    """Waits until all of them have heard this many messages of each sender, and no more."""
    everything = [count] * WORKERS
    waiting = {listener for listener in listeners if listener.heard != everything}
    with selectors.DefaultSelector() as selector:
        for listener in waiting:
            selector.register(listener.client, selectors.EVENT_READ, listener)
        while waiting:
            ready = selector.select(QUIET_SECONDS_MAX)
            assert ready, f"{len(waiting)} wait in vain, one has heard {next(iter(waiting)).heard} of {everything}"
            for key, _ in ready:
                key.data.receive()
                if key.data.heard == everything:
                    selector.unregister(key.data.client)
                    waiting.discard(key.data)


def others(wire):
    """What the server says to this client besides what everybody hears."""
    while ":" in (message := wire.message()) or message.startswith("it is"):
        pass
    return message


@pytest.mark.parametrize("mode", ["base", "process"])
def test_php(start_server, mode):
    raise_descriptor_limit()
    server = start_php(start_server, TESTS / "php/broadcast.php", "PORT", mode)
    clients = open_many(server.port, CLIENTS)
    senders, passed_over = {}, []
    while len(senders) < WORKERS:
        wire = open_websocket(server.port, "/sender", timeout=30)
        worker = int(wire.message().removeprefix("worker "))
        passed_over.append(wire)
        senders.setdefault(worker, wire)
        assert len(passed_over) < 200, "a worker gets no connections"
    # Those that were passed over stay: a push to one that closes would be refused.
    listeners = [Listener(client) for client in clients]
    try:
        for more, total in zip(ROUNDS, itertools.accumulate(ROUNDS), strict=True):
            for wire in senders.values():
                wire.text(str(more))
            begun = time.monotonic()
            listen(listeners, total)
            print(f"\n{more * WORKERS * CLIENTS} messages heard in {time.monotonic() - begun:.2f} s")
            assert [others(wire) for wire in senders.values()] == ["refused 0"] * WORKERS
    finally:
        for client in [*clients, *(wire.socket for wire in passed_over)]:
            client.close()


@pytest.mark.parametrize("mode", ["base", "process", "thread"])
def test_rust(start_server, mode):
    raise_descriptor_limit()
    port = free_port()
    command = [RUST_ECHO.with_name("broadcast"), "--port", port, "--mode", mode, "--workers", WORKERS]
    server = start_server([*command, "--reactors", REACTORS], port)
    # Of the first connections each worker has one, whatever the mode: they are taken in turn or shared out evenly.
    senders = [open_websocket(server.port, timeout=30) for _ in range(WORKERS)]
    for wire in senders:
        assert others(wire).startswith("you are number ")
    clients = open_many(server.port, CLIENTS)
    listeners = [Listener(client) for client in clients]
    try:
        for more, total in zip(ROUNDS, itertools.accumulate(ROUNDS), strict=True):
            for number in range(total - more + 1, total + 1):
                for sender, wire in enumerate(senders):
                    wire.text(f"{sender}:{number}")
            begun = time.monotonic()
            listen(listeners, total)
            print(f"\n{more * WORKERS * CLIENTS} messages heard in {time.monotonic() - begun:.2f} s")
    finally:
        for client in clients:
            client.close()
