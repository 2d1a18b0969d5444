"""Tables and numbers that the workers of a server share: right for all, whoever of them dies while writing."""

import json
import os
import signal

import pytest

from conftest import TESTS
from server import wait_until
from wire import open_websocket

WORKERS = 3
DEATHS = 5
TURNS = 3000
ROWS_MAX = 128 + 26


class Sharing:
    """The server of php/memory.php, and a client in each of its workers."""

    def __init__(self, php_server, mode):
        self.server = php_server(TESTS / "php/memory.php", "PORT", mode)
        self.wires = {}
        self.others = []
        for worker in range(WORKERS):
            self.join(worker)

    def join(self, worker):
        """Opens clients until one is greeted by this worker; the others stay, or in BASE the next ones are where they were."""
        others = 0
        while (wire := open_websocket(self.server.port)) and (greeting := json.loads(wire.message()))["worker"] != worker:
            self.others.append(wire)
            others += 1
            assert others < 200, f"worker {worker} greets nobody"
        wire.pid = greeting["pid"]
        self.wires[worker] = wire

    def tell(self, worker, call, *arguments):
        self.wires[worker].text(json.dumps({"do": call, "with": arguments}))

    def answer(self, worker):
        return json.loads(self.wires[worker].message())

    def ask(self, worker, call, *arguments):
        self.tell(worker, call, *arguments)
        return self.answer(worker)


@pytest.fixture(params=["base", "process"])
def sharing(request, php_server):
    sharing = Sharing(php_server, request.param)
    yield sharing
    # So that the server need not wait for this side when it is stopped.
    for wire in [*sharing.wires.values(), *sharing.others]:
        wire.socket.close()


def test_workers_see_each_others_rows(sharing):
    assert sharing.ask(0, "set", "key", {"number": 5, "text": "by worker 0"}) is True
    assert sharing.ask(1, "get", "key") == {"number": 5, "text": "by worker 0", "half": 0}
    assert sharing.ask(2, "incr", "key", "number", 37) == 42
    assert sharing.ask(0, "get", "key", "number") == 42
    assert sharing.ask(1, "del", "key") is True
    assert sharing.ask(2, "exists", "key") is False


def test_a_worker_waits_for_another_one(sharing):
    sharing.tell(0, "wait", 10)
    assert sharing.ask(1, "wakeup") is True
    assert sharing.answer(0) is True
    assert sharing.ask(2, "wait", 0.05) is False


def test_what_is_cut_is_logged(sharing):
    assert sharing.ask(0, "set", "key", {"text": "x" * 100}) is True
    assert sharing.ask(1, "get", "key", "text") == "x" * 64
    sharing.server.wait_output(r"WARNING\ttable column 'text': a string of 100 bytes is cut to 64")


def test_writers_that_are_killed(sharing):
    written = 0
    for death in range(1, DEATHS + 1):
        sharing.tell(1, "write", f"victim {death}", 0)
        sharing.tell(2, "write", "survivor", TURNS)
        wait_until(lambda: sharing.ask(0, "get", f"turns of victim {death}", "number"), "the victim to write")
        mark = sharing.server.mark()
        os.kill(sharing.wires[1].pid, signal.SIGKILL)
        # The other one is not held up, and misses nothing that it wrote.
        written += TURNS
        assert sharing.answer(2) == written
        seen = sharing.ask(0, "examine")
        assert seen["torn"] == [] and seen["found"] == seen["count"] and seen["untouched"] == 7, seen
        victims = sum(sharing.ask(0, "get", f"turns of victim {number}", "number") for number in range(1, death + 1))
        # Of each victim's last turn one count may be missing.
        assert 0 <= written + victims - 2 * seen["all turns"] <= death
        assert 0 <= written + victims - seen["total"] <= death
        sharing.server.wait_output("^worker 1 starts", since=mark)
        sharing.join(1)
    assert sharing.ask(0, "refill") == ROWS_MAX
    assert sharing.ask(1, "count") == ROWS_MAX
