"""Workers, task workers, a process of the script's own, the manager and a callback of a second port send to a thousand
connections at the same time: each gets everything once, and in order by sender."""

import itertools
import json
import selectors
import socket
import time

import pytest

from conftest import TESTS, start_php
from server import free_port, raise_descriptor_limit, wait_until
from test_many import open_many
from wire import TEXT, Wire, frame

CLIENTS = 1000
# Four workers, two task workers, a process of the script's own, the manager, and the callback.
SENDERS = 9
# Of each sender; the last is one alone, so that one that comes twice is noticed even if it is the last of many.
ROUNDS = [1, 150, 100, 50, 1]
WITH_LONG = 2
# Which messages of the first sender are long; those of the others a little later.
LONG = {155: 10_000, 170: 10_000, 185: 100_000, 200: 10_000, 215: 10_000}
SHORTEST = 16
# These do not read while there are long messages, until a push to them was refused to somebody who does not wait for room
# in a coroutine: a task worker, the script's own process, or the manager. Those four alone send more than there is room for.
HELD = slice(0, None, 100)
QUIET_SECONDS_MAX = 20
PAUSE_SECONDS = 0.05


def messages(sender):
    """As they are to come, byte by byte."""

    def text(number):
        length = LONG.get(number - 3 * sender, SHORTEST + (number * 37 + sender * 11) % 125)
        return f"{sender}:{number};".ljust(length, "abcdefghi"[sender])

    return [frame(TEXT, text(number), mask=False) for number in range(sum(ROUNDS))]


class Listener:
    """A client that hears everybody."""

    def __init__(self, client, expected):
        self.client = client
        self.expected = expected
        self.unread = b""
        self.heard = [0] * SENDERS

    def receive(self):
        data = self.client.recv(1 << 18)
        assert data, f"closed after {self.heard}"
        data = self.unread + data
        at, heard = 0, self.heard
        # So much, and who has sent it is known.
        while len(data) - at >= SHORTEST:
            code = data[at + 1]
            sender = data[at + (2 if code < 126 else 4 if code == 126 else 10)] - ord("0")
            number = heard[sender]
            assert number < len(self.expected[sender]), f"{data[at : at + 30]} after everything"
            message = self.expected[sender][number]
            end = at + len(message)
            if end > len(data):
                assert message.startswith(data[at:]), f"{data[at : at + 30]} after {heard}"
                break
            assert data.startswith(message, at), f"{data[at : at + 30]} after {heard}"
            heard[sender] += 1
            at = end
        self.unread = data[at:]


def listen(listeners, count, held=(), may_go_on=None):
    """Waits until all of them have heard this many messages of each sender, and no more. Those that are held do not
    read until they `may_go_on`."""
    everything = [count] * SENDERS
    waiting = {listener for listener in listeners if listener.heard != everything}
    quiet_since = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for listener in waiting.difference(held):
            selector.register(listener.client, selectors.EVENT_READ, listener)
        while waiting:
            if held and may_go_on():
                for listener in held:
                    selector.register(listener.client, selectors.EVENT_READ, listener)
                held = ()
            ready = selector.select(PAUSE_SECONDS)
            if ready:
                quiet_since = time.monotonic()
            is_alive = time.monotonic() - quiet_since < QUIET_SECONDS_MAX
            assert is_alive, f"{len(waiting)} wait in vain, one has heard {next(iter(waiting)).heard} of {everything}"
            for key, _ in ready:
                key.data.receive()
                if key.data.heard == everything:
                    selector.unregister(key.data.client)
                    waiting.discard(key.data)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", ["base", "process"])
def test_everything_arrives_once_and_in_order(start_server, mode):
    raise_descriptor_limit()
    second_port = free_port()
    config = json.dumps({"mode": mode, "port": second_port, "long": LONG})
    server = start_php(start_server, TESTS / "php/all_senders.php", "PORT", config)
    expected = [messages(sender) for sender in range(SENDERS)]
    listeners = [Listener(client, expected) for client in open_many(server.port, CLIENTS)]
    held = listeners[HELD]
    # Not one for all rounds, so that they come to several workers.
    plain = [Wire(second_port) for _ in ROUNDS]
    try:
        ends = list(itertools.accumulate(ROUNDS))
        for number, (wire, count, end) in enumerate(zip(plain, ROUNDS, ends, strict=True)):
            begun = time.monotonic()
            wire.send(f"{number} {end - count} {end}".encode())
            if number == WITH_LONG:
                refused_before = len(refused(server))
                listen(listeners, end, held, lambda: len(refused(server)) > refused_before)
            else:
                listen(listeners, end)
            print(f"\n{SENDERS * count * CLIENTS} messages heard in {time.monotonic() - begun:.2f} s")
            told = wait_until(lambda: len(some := through(server, number)) == SENDERS and some, "the senders' reports")
            assert [event["pushed"] for event in told] == [count * CLIENTS] * SENDERS
            print("refused:", {event["sender"]: event["refused"] for event in told})
        # Nothing else was sent to anybody.
        server.terminate()
        for listener in listeners:
            wire = Wire.over(listener.client)
            wire.unread = listener.unread
            wire.expect_close(1001)
            wire.socket.close()
        assert [wire.until_closed() for wire in plain] == [b"through"] * len(plain)
        assert server.wait_exit() == 0
        assert all(line.startswith('{"event"') for line in server.output.splitlines()), "it warns"
    finally:
        for client in [*(listener.client for listener in listeners), *(wire.socket for wire in plain)]:
            client.close()


def refused(server):
    return [event for event in server.events() if event["event"] == "refused"]


def through(server, number):
    """What the senders have said about a round."""
    told = [event for event in server.events() if event["event"] == "through" and event["round"] == number]
    return sorted(told, key=lambda event: event["sender"])
