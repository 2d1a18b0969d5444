"""Processes that do not come back to the server's loop keep no worker from being replaced, however often it dies."""

import json
import os
import signal

import pytest

from conftest import TESTS
from server import wait_until
from wire import Wire, open_websocket

MODES = pytest.mark.parametrize("mode", ["base", "process"])
# The pauses of a crash loop get longer where they die at once.
KILLS, KILLS_AT_ONCE = 6, 4
# A busy process sends each 20 ms: a worker that hears so many lives too long for a crash loop.
HEARD = 60
SECONDS_MAX = 20


class Stuck:
    """The server, one of whose processes is stuck, and its worker that is killed."""

    def __init__(self, php_server, mode, who):
        self.server = php_server(TESTS / "php/stuck.php", "PORT", json.dumps({"mode": mode, "who": who}))
        self.wires = []
        # By its fd a connection goes to a worker; all others have none at all.
        self.every_other = (mode, who) == ("process", "worker")
        self.pid = self.wait_events("workerStart", 1)[0]["pid"]

    def events(self, name, **fields):
        told = [event for event in self.server.events() if event["event"] == name]
        return [event for event in told if event.items() >= fields.items()]

    def wait_events(self, name, count, **fields):
        def find():
            return len(found := self.events(name, **fields)) >= count and found

        return wait_until(find, f"{count} events {name} {fields}", SECONDS_MAX)

    def client(self):
        """A client whom the worker that lives now has greeted."""
        if self.every_other:
            self.wires.append(Wire(self.server.port))
        wire = open_websocket(self.server.port, timeout=SECONDS_MAX)
        self.wires.append(wire)
        wire.next = 0
        assert read(wire, "of") == self.pid
        return wire

    def kill(self):
        """The worker dies, and another one starts."""
        count = len(self.events("workerStart"))
        os.kill(self.pid, signal.SIGKILL)
        self.pid = self.wait_events("workerStart", count + 1)[count]["pid"]

    def touch(self, name):
        (self.server._files[0].parent / name).touch()

    def reload(self):
        """The worker leaves, slowly if it has connections, and another one starts."""
        count = len(self.events("workerStart"))
        self.server.process.send_signal(signal.SIGUSR1)
        self.pid = self.wait_events("workerStart", count + 1)[count]["pid"]

    def stop(self):
        """The server ends in order."""
        for wire in self.wires:
            wire.socket.close()
        self.server.terminate()
        assert self.server.wait_exit() == 0
        wait_until(lambda: self.server.remaining() == [], "the end of all processes")
        assert "given up" not in self.server.output and "malformed" not in self.server.output.lower()


def payload(number):
    return f"{number} " * 200


def read(wire, key):
    """The value of this key in what comes next, apart from what a process that is stuck has sent to everybody."""
    while key not in (message := json.loads(wire.message())):
        if "number" in message:
            assert message == {"number": wire.next, "payload": payload(wire.next)}
            wire.next += 1
    return message[key]


def hear(wire, count):
    """So many more pushes, none of them missing or broken."""
    for _ in range(count):
        number = read(wire, "number")
        assert number == wire.next
        wire.next += 1


def echo(wire, text):
    wire.text(text)
    assert read(wire, "echo") == text


@MODES
def test_a_process_that_pushes_and_never_comes_back(php_server, mode):
    stuck = Stuck(php_server, mode, "busy process")
    for number in range(KILLS + 1):
        wire = stuck.client()
        hear(wire, HEARD)
        echo(wire, f"hello {number}")
        stuck.wait_events("message", HEARD // 2, pid=stuck.pid)
        if number < KILLS:
            stuck.kill()
    told = stuck.events("message")
    assert all(event["whole"] for event in told)
    numbers = [event["number"] for event in told]
    assert numbers == sorted(set(numbers)), "in order, and none of them twice"
    for pid in {event["pid"] for event in told}:
        those = [event["number"] for event in told if event["pid"] == pid]
        assert those == list(range(those[0], those[0] + len(those))), "none is lost while a worker lives"
    # In PROCESS connections outlive their workers: each has heard everything.
    for wire in stuck.wires if mode == "process" else stuck.wires[-1:]:
        hear(wire, HEARD)
    stuck.touch("released")
    stuck.stop()


@MODES
@pytest.mark.parametrize("who", ["process", "task worker", "worker"])
def test_a_process_that_sleeps_and_never_comes_back(php_server, mode, who):
    stuck = Stuck(php_server, mode, who)
    if who == "process":
        stuck.client()
        stuck.wait_events("message", 1)
        # It has a word with both workers, of whom the first one waits for a client that does not hang up.
        stuck.reload()
        stuck.touch("again")
    stuck.wait_events("stuck", 1)
    for number in range(KILLS_AT_ONCE):
        stuck.kill()
        echo(stuck.client(), f"hello {number}")
    assert stuck.events("message", number=1) == []
    stuck.touch("released")
    # What it sends goes to the worker that is there now, and what that one has sent is not lost.
    assert [event["whole"] for event in stuck.wait_events("message", 1, pid=stuck.pid, number=1)] == [True]
    if who != "process":
        stuck.wait_events("hears", 1, of=stuck.pid)
    stuck.stop()
